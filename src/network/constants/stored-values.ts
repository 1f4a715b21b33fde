import { toFloat64 } from "../../formats/decode.ts";
import { bytesPerElement, isFloatType } from "../../formats/dtype.ts";
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

async function scanTensor(tensor: TensorEntry, visit: (x: number, index: number) => void): Promise<boolean> {
  const { dtype } = tensor;
  if (tensor.unsupported !== undefined || !isFloatType(dtype)) return false;
  if (tensor.byteLength > MAX_SCANNED * bytesPerElement(dtype)) return false;
  let index = 0;
  for (let start = 0; start < tensor.byteLength; start += CHUNK) {
    const bytes = await tensor.read(start, Math.min(start + CHUNK, tensor.byteLength));
    for (const x of toFloat64(dtype, bytes)) visit(x, index++);
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
  if ("tensor" in weight && (!isStoredOrder(weight.view) || weight.reordered !== undefined)) return null;
  const all: number[] = [];
  return (await scan(scope, name, (x) => void all.push(x))) ? all : null;
}
