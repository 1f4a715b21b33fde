import { bytesPerElement, type FloatType, isFloatType } from "../../formats/dtype.ts";
import type { TensorEntry } from "../../formats/model.ts";
import type { Scope } from "../scope.ts";
import { elementCount, knownContents } from "../shapes/value.ts";
import { storedWeight } from "../stored-weight.ts";
import { isStoredOrder } from "../strided-view.ts";

/** Bytes read at a time: constants of elementwise operators may be as large as an image batch. */
const CHUNK = 1 << 20;

/** Elements of a constant that a rule scans, 64 Mi; larger ones are refused rather than waited for. */
const MAX_SCANNED = 1 << 26;

/** Values that pair up (a variance with its scale) are held at once; no network has so many channels. */
const MAX_HELD = 1 << 20;

function halfToNumber(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >> 10) & 31;
  const fraction = h & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

const bits = new DataView(new ArrayBuffer(4));

function bfloatToNumber(h: number): number {
  bits.setUint32(0, h * 65536);
  return bits.getFloat32(0);
}

const DECODERS: Partial<Record<FloatType, (view: DataView, byte: number) => number>> = {
  float64: (v, b) => v.getFloat64(b, true),
  float32: (v, b) => v.getFloat32(b, true),
  float16: (v, b) => halfToNumber(v.getUint16(b, true)),
  bfloat16: (v, b) => bfloatToNumber(v.getUint16(b, true)),
};

async function scanTensor(tensor: TensorEntry, visit: (x: number, index: number) => void): Promise<boolean> {
  if (tensor.unsupported !== undefined || !isFloatType(tensor.dtype)) return false;
  const decode = DECODERS[tensor.dtype];
  const bytes = bytesPerElement(tensor.dtype);
  if (decode === undefined || tensor.byteLength > MAX_SCANNED * bytes) return false;
  let index = 0;
  for (let start = 0; start < tensor.byteLength; start += CHUNK) {
    const data = await tensor.read(start, Math.min(start + CHUNK, tensor.byteLength));
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    for (let b = 0; b < data.byteLength; b += bytes) visit(decode(view, b), index++);
  }
  return true;
}

/** Calls `visit` for each stored value of a constant (in stored order); false when they cannot be read. */
async function scan(scope: Scope, name: string, visit: (x: number, index: number) => void): Promise<boolean> {
  const folded = knownContents(scope.value(name));
  if (folded !== undefined) {
    folded.forEach(visit);
    return true;
  }
  const weight = storedWeight(scope, name);
  return "tensor" in weight ? scanTensor(weight.tensor, visit) : false;
}

/** max |c| and min |c| over a constant; null when it cannot be read, is empty, or holds a NaN or infinity. */
export async function magnitudes(scope: Scope, name: string): Promise<{ max: number; min: number } | null> {
  let max = 0;
  let min = Number.POSITIVE_INFINITY;
  let finite = true;
  const read = await scan(scope, name, (x) => {
    if (!Number.isFinite(x)) finite = false;
    max = Math.max(max, Math.abs(x));
    min = Math.min(min, Math.abs(x));
  });
  return read && finite && min <= max ? { max, min } : null;
}

/** All values of a short constant, or null when they cannot be read. */
export async function values(scope: Scope, name: string): Promise<readonly number[] | null> {
  const count = elementCount(scope.value(name).shape);
  if (count === null || count > MAX_HELD) return null;
  const weight = storedWeight(scope, name);
  if ("tensor" in weight && !isStoredOrder(weight.view)) return null;
  const all: number[] = [];
  return (await scan(scope, name, (x) => void all.push(x))) ? all : null;
}
