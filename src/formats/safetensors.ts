import type { DType } from "./dtype.ts";
import { plainEntry } from "./entry.ts";
import { FormatError, type FormatErrorCode } from "./errors.ts";
import { JsonProblem, type JsonValue, parseJson } from "./json.ts";
import type { Format, Model, TensorEntry } from "./model.ts";
import { patchedCopy, tensorPatches } from "./patch.ts";
import { elementCount, showShape } from "./shape.ts";
import type { ByteSource } from "./source.ts";
import { looksLikeZip } from "./zip.ts";

/** The reference implementation's own limit; a header describes a tensor in about 100 bytes. */
export const MAX_HEADER_BYTES = 100_000_000;

/** Bytes before the header: its length as a little-endian u64. */
const PREFIX = 8;

/** The report's name, bits per element, and why such a tensor is not audited, for every type of the format. */
const TYPES: ReadonlyMap<string, { dtype: DType; bits: number; unsupported?: string }> = new Map([
  ["F64", { dtype: "float64", bits: 64 }],
  ["F32", { dtype: "float32", bits: 32 }],
  ["F16", { dtype: "float16", bits: 16 }],
  ["BF16", { dtype: "bfloat16", bits: 16 }],
  ["F8_E4M3", { dtype: "float8_e4m3fn", bits: 8 }],
  ["F8_E5M2", { dtype: "float8_e5m2", bits: 8 }],
  ["I64", { dtype: "int64", bits: 64, unsupported: "integers are not weights" }],
  ["I32", { dtype: "int32", bits: 32, unsupported: "integers are not weights" }],
  ["I16", { dtype: "int16", bits: 16, unsupported: "integers are not weights" }],
  ["I8", { dtype: "int8", bits: 8, unsupported: "integers are not weights, unless scales elsewhere say so" }],
  ["U64", { dtype: "uint64", bits: 64, unsupported: "integers are not weights" }],
  ["U32", { dtype: "uint32", bits: 32, unsupported: "integers are not weights, unless packed elsewhere" }],
  ["U16", { dtype: "uint16", bits: 16, unsupported: "integers are not weights" }],
  ["U8", { dtype: "uint8", bits: 8, unsupported: "integers are not weights, unless packed elsewhere" }],
  ["BOOL", { dtype: "bool", bits: 8, unsupported: "booleans are not weights" }],
  ["C64", { dtype: "complex64", bits: 64, unsupported: "complex weights are not audited" }],
  ["F8_E4M3FNUZ", { dtype: "float8_e4m3fnuz", bits: 8, unsupported: "this float8 variant is not read" }],
  ["F8_E5M2FNUZ", { dtype: "float8_e5m2fnuz", bits: 8, unsupported: "this float8 variant is not read" }],
  ["F8_E8M0", { dtype: "float8_e8m0fnu", bits: 8, unsupported: "block scales mean nothing alone" }],
  ["F6_E2M3", { dtype: "float6_e2m3", bits: 6, unsupported: "packed 6-bit values need their block scales" }],
  ["F6_E3M2", { dtype: "float6_e3m2", bits: 6, unsupported: "packed 6-bit values need their block scales" }],
  ["F4", { dtype: "float4_e2m1", bits: 4, unsupported: "packed 4-bit values need their block scales" }],
]);

const INCOMPLETE = "The file is probably incomplete: download or save it again.";

/** Length of the JSON header, checked against the file and the limit before anything is allocated. */
async function headerLength(source: ByteSource): Promise<number> {
  const file = source.name;
  if (source.byteLength < PREFIX) {
    const what = `a safetensors file has at least ${PREFIX} bytes, this one has ${source.byteLength}.`;
    throw new FormatError("truncated", what, { file, byte: source.byteLength, hint: INCOMPLETE });
  }
  const prefix = await source.read(0, PREFIX);
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    const what = `the header claims ${length} bytes; at most ${MAX_HEADER_BYTES} are allowed.`;
    throw new FormatError("too-large", what, { file, byte: 0, hint: "Is this really a safetensors file?" });
  }
  if (PREFIX + Number(length) > source.byteLength) {
    const what = `the header claims ${length} bytes, but only ${source.byteLength - PREFIX} follow.`;
    throw new FormatError("truncated", what, { file, byte: 0, hint: INCOMPLETE });
  }
  return Number(length);
}

function headerText(source: ByteSource, bytes: Uint8Array): string {
  if (bytes[0] !== 0x7b) {
    const got = bytes[0] === undefined ? "nothing" : `0x${bytes[0].toString(16).padStart(2, "0")}`;
    throw new FormatError("bad-header", `the header must begin with "{", got ${got}.`, {
      file: source.name,
      byte: PREFIX,
      hint: "Is this really a safetensors file?",
    });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new FormatError("bad-header", "the header is not valid UTF-8.", {
      file: source.name,
      byte: PREFIX,
    });
  }
}

/** Parses a JSON file or header; positions in errors are bytes of the file. */
export function parseJsonIn(file: string, text: string, textStart: number): JsonValue {
  try {
    return parseJson(text);
  } catch (cause) {
    if (!(cause instanceof JsonProblem)) throw cause;
    const byte = textStart + new TextEncoder().encode(text.slice(0, cause.at)).length;
    throw new FormatError("bad-header", `the JSON is malformed: ${cause.message}.`, { file, byte });
  }
}

interface Described {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function isCount(value: JsonValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** One member of the header. `dataBytes` is what follows the header. */
function describe(file: string, name: string, value: JsonValue, dataBytes: number): Described {
  const fail = (code: FormatErrorCode, what: string): never => {
    const hint = code === "truncated" ? { hint: "The file is incomplete: download or save it again." } : {};
    throw new FormatError(code, what, { file, tensor: name.slice(0, 200), ...hint });
  };
  if (!(value instanceof Map)) return fail("bad-header", "its description is not an object.");
  const type = value.get("dtype");
  const shape = value.get("shape");
  const offsets = value.get("data_offsets");
  if (typeof type !== "string") return fail("bad-header", "its dtype is missing or not a string.");
  if (!Array.isArray(shape)) return fail("bad-header", "its shape is missing or not a list.");
  const [begin, end] = Array.isArray(offsets) && offsets.length === 2 ? offsets : [];
  if (!isCount(begin) || !isCount(end)) {
    return fail("bad-offsets", "its data_offsets are not two whole numbers.");
  }
  if (begin > end || end > dataBytes) {
    const code = begin > end ? "bad-offsets" : "truncated";
    return fail(code, `its data_offsets [${begin}, ${end}] do not lie in the ${dataBytes} bytes of data.`);
  }
  const count = elementCount(shape);
  if (count === null) return fail("bad-shape", `its shape ${showShape(shape)} is not a possible shape.`);
  const known = TYPES.get(type);
  const needed = known === undefined ? end - begin : (count * known.bits) / 8;
  if (needed !== end - begin) {
    const what = `shape ${showShape(shape)} of ${type} needs ${needed} bytes, but data_offsets give ${end - begin}.`;
    return fail("bad-offsets", what);
  }
  return { name, type, shape: shape as number[], begin, end };
}

/** Every byte of the data belongs to exactly one tensor: no holes, no overlaps, nothing left over. */
function checkCoverage(
  file: string,
  dataStart: number,
  dataBytes: number,
  sorted: readonly Described[],
): void {
  let at = 0;
  for (const { name, begin, end } of sorted) {
    if (begin !== at) {
      const kind = begin < at ? "overlaps the tensor before it" : "leaves a hole before it";
      const what = `it begins at data offset ${begin} and ${kind}, which ends at ${at}.`;
      throw new FormatError("bad-offsets", what, { file, tensor: name, byte: dataStart + begin });
    }
    at = end;
  }
  if (at === dataBytes) return;
  const what = `the tensors end here, but ${dataBytes - at} more bytes follow.`;
  throw new FormatError("bad-offsets", what, { file, byte: dataStart + at });
}

function toEntry(source: ByteSource, dataStart: number, tensor: Described): TensorEntry {
  const known = TYPES.get(tensor.type);
  const unsupported = known ? known.unsupported : `the type ${tensor.type.slice(0, 40)} is not known`;
  return plainEntry({
    name: tensor.name,
    dtype: known?.dtype ?? tensor.type.slice(0, 40).toLowerCase(),
    shape: tensor.shape,
    source,
    start: dataStart + tensor.begin,
    end: dataStart + tensor.end,
    ...(unsupported === undefined ? {} : { unsupported }),
  });
}

async function readTensors(source: ByteSource): Promise<readonly TensorEntry[]> {
  const file = source.name;
  const length = await headerLength(source);
  const text = headerText(source, await source.read(PREFIX, PREFIX + length));
  const header = parseJsonIn(file, text, PREFIX);
  if (!(header instanceof Map)) throw new FormatError("bad-header", "the header is not an object.", { file });
  const dataStart = PREFIX + length;
  const dataBytes = source.byteLength - dataStart;
  const tensors: Described[] = [];
  for (const [name, value] of header) {
    if (name !== "__metadata__") tensors.push(describe(file, name, value, dataBytes));
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCoverage(file, dataStart, dataBytes, tensors);
  return tensors.map((tensor) => toEntry(source, dataStart, tensor));
}

/** The safetensors format: an 8-byte length, a JSON header, then the tensors without gaps. */
export const safetensorsFormat: Format = {
  name: "safetensors",
  match(source, head) {
    if (looksLikeZip(head)) return false;
    if (source.name.toLowerCase().endsWith(".safetensors")) return true;
    if (head.length < PREFIX + 2 || head[PREFIX] !== 0x7b) return false;
    const length = new DataView(head.buffer, head.byteOffset).getBigUint64(0, true);
    return length >= 2n && length <= BigInt(MAX_HEADER_BYTES);
  },
  async open(source): Promise<Model> {
    const tensors = await readTensors(source);
    return {
      format: "safetensors",
      sources: [source],
      tensors,
      warnings: [],
      rewrite: (replaced, replace) => [
        { relativeName: "", chunks: () => patchedCopy(source, tensorPatches(source, replaced, replace)) },
      ],
      close: () => source.close(),
    };
  },
};
