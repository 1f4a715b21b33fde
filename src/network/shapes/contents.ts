import { toFloat64 } from "../../formats/decode.ts";
import { isFloatType } from "../../formats/dtype.ts";
import type { TensorEntry } from "../../formats/model.ts";
import type { OnnxGraph } from "../../formats/onnx/types.ts";
import { subgraphsOf } from "../attributes.ts";
import { MAX_CONTENTS } from "./value.ts";

/** Floating-point constants enter shape arithmetic only as scales and ranges, a few numbers at a time. */
const MAX_FLOATS = 16;

type Decode = (view: DataView, index: number) => number;

const DECODERS: Readonly<Record<string, readonly [bytes: number, decode: Decode, limit: number]>> = {
  int64: [8, (v, i) => Number(v.getBigInt64(8 * i, true)), MAX_CONTENTS],
  uint64: [8, (v, i) => Number(v.getBigUint64(8 * i, true)), MAX_CONTENTS],
  int32: [4, (v, i) => v.getInt32(4 * i, true), MAX_CONTENTS],
  uint32: [4, (v, i) => v.getUint32(4 * i, true), MAX_CONTENTS],
  int16: [2, (v, i) => v.getInt16(2 * i, true), MAX_CONTENTS],
  uint16: [2, (v, i) => v.getUint16(2 * i, true), MAX_CONTENTS],
  int8: [1, (v, i) => v.getInt8(i), MAX_CONTENTS],
  uint8: [1, (v, i) => v.getUint8(i), MAX_CONTENTS],
  bool: [1, (v, i) => v.getUint8(i), MAX_CONTENTS],
  float32: [4, (v, i) => v.getFloat32(4 * i, true), MAX_FLOATS],
  float64: [8, (v, i) => v.getFloat64(8 * i, true), MAX_FLOATS],
};

/** The elements of a small tensor; undefined for one that is large or of a type not used in shape arithmetic. */
export async function readContents(tensor: TensorEntry): Promise<readonly number[] | undefined> {
  const [bytes, decode, limit] = DECODERS[tensor.dtype] ?? [0, undefined, 0];
  const count = tensor.shape.reduce((a, b) => a * b, 1);
  if (decode === undefined || count > limit || tensor.byteLength !== count * bytes) return undefined;
  const data = await tensor.read(0, tensor.byteLength);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: count }, (_, i) => decode(view, i));
}

/**
 * All elements of a stored tensor as float64, row-major; undefined for types that hold no plain numbers.
 * @throws FormatError when the file cannot be read.
 */
export async function readNumbers(tensor: TensorEntry): Promise<Float64Array | undefined> {
  if (tensor.unsupported === undefined && isFloatType(tensor.dtype)) {
    return toFloat64(tensor.dtype, await tensor.read(0, tensor.byteLength));
  }
  const [bytes, decode] = DECODERS[tensor.dtype] ?? [0, undefined];
  const count = tensor.shape.reduce((a, b) => a * b, 1);
  if (decode === undefined || tensor.byteLength !== count * bytes) return undefined;
  const data = await tensor.read(0, tensor.byteLength);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Float64Array.from({ length: count }, (_, i) => decode(view, i));
}

/** Every tensor of a graph and its subgraphs: initialisers, and attributes such as Constant's value. */
export function* tensorsOf(graph: OnnxGraph): Generator<TensorEntry> {
  yield* graph.initializers.values();
  for (const node of graph.nodes) {
    for (const attribute of node.attributes.values()) if (attribute.kind === "tensor") yield attribute.value;
    for (const { graph: inner } of subgraphsOf(node)) yield* tensorsOf(inner);
  }
}

/** Contents of all small tensors of a graph, read once. */
export async function smallContents(graph: OnnxGraph): Promise<ReadonlyMap<TensorEntry, readonly number[]>> {
  const found = new Map<TensorEntry, readonly number[]>();
  for (const tensor of tensorsOf(graph)) {
    const contents = await readContents(tensor);
    if (contents !== undefined) found.set(tensor, contents);
  }
  return found;
}
