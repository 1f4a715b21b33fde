/** A tensor to be written to a safetensors file. */
export interface StoredTensor {
  readonly name: string;
  /** "float32", "float16", "int64", …, as reports name types. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Row-major, little-endian as stored: halves as their bits, booleans in bytes. */
  readonly data: ArrayBufferView;
}

/** The format's name of each type, and its bytes per element. */
const TYPES: Readonly<Record<string, readonly [name: string, bytes: number]>> = {
  float64: ["F64", 8],
  float32: ["F32", 4],
  float16: ["F16", 2],
  int64: ["I64", 8],
  int32: ["I32", 4],
  uint64: ["U64", 8],
  uint32: ["U32", 4],
  uint8: ["U8", 1],
  bool: ["BOOL", 1],
};

/** Bytes before the header: its length as a little-endian u64. */
const PREFIX = 8;

/** Data begin at a multiple of it, as the reference implementation writes them. */
const ALIGNMENT = 8;

/**
 * A safetensors file: tensors in the order given, without gaps, behind a header that describes them.
 * @param metadata strings by name, the header's `__metadata__`
 * @throws TypeError for a type that is not known or a name given twice, RangeError when data and shape disagree.
 */
export function encodeSafetensors(
  tensors: readonly StoredTensor[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const described = new Map<string, object>();
  if (Object.keys(metadata).length > 0) described.set("__metadata__", metadata);
  let end = 0;
  for (const tensor of tensors) {
    const begin = end;
    end += tensor.data.byteLength;
    if (described.has(tensor.name))
      throw new TypeError(`encodeSafetensors: two tensors named ${tensor.name}`);
    described.set(tensor.name, {
      dtype: typeOf(tensor),
      shape: tensor.shape,
      data_offsets: [begin, end],
    });
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(described)));
  const start = Math.ceil((PREFIX + json.length) / ALIGNMENT) * ALIGNMENT;
  const file = new Uint8Array(start + end).fill(0x20, PREFIX, start);
  new DataView(file.buffer).setBigUint64(0, BigInt(start - PREFIX), true);
  file.set(json, PREFIX);
  let at = start;
  for (const { data } of tensors) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file;
}

function typeOf({ name, dtype, shape, data }: StoredTensor): string {
  const type = Object.hasOwn(TYPES, dtype) ? TYPES[dtype] : undefined;
  if (type === undefined) throw new TypeError(`encodeSafetensors: dtype "${dtype}" of ${name} is not known`);
  const needed = type[1] * shape.reduce((product, n) => product * n, 1);
  if (needed === data.byteLength) return type[0];
  throw new RangeError(
    `encodeSafetensors: ${name} of shape [${shape}] needs ${needed} bytes of ${dtype}, got ${data.byteLength}`,
  );
}
