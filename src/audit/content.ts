import type { FloatType } from "../formats/dtype.ts";
import { bytesPerElement, isFloatType } from "../formats/dtype.ts";
import { FormatError } from "../formats/errors.ts";
import type { TensorEntry } from "../formats/model.ts";
import type { ConvolutionSource, MatrixSource } from "../linalg/analyze.ts";
import type { ConvolutionLayout, MatrixLayout, WeightUse } from "../network/use.ts";

/** Elements as stored: the file's own, or those about to be written in their place. */
export interface Content {
  /** Bytes [start, end) of the tensor. */
  read(start: number, end: number): Promise<Uint8Array>;
}

/** The tensor's element type. @throws FormatError `unsupported` when its elements are no readable numbers. */
export function floatTypeOf(entry: TensorEntry): FloatType {
  if (entry.unsupported === undefined && isFloatType(entry.dtype)) return entry.dtype;
  throw new FormatError("unsupported", entry.unsupported ?? `${entry.dtype} elements are not audited.`, {
    file: entry.range?.source.name ?? "the model",
    tensor: entry.name,
  });
}

/** The use's stored matrices in order, each as rows on demand. `swapped`: the rows handed out are its columns. */
export function matrixSources(
  use: WeightUse,
  layout: MatrixLayout,
  content: Content,
  memory: number,
): { readonly sources: readonly MatrixSource[]; readonly swapped: boolean } {
  const type = floatTypeOf(use.weight);
  const { count } = layout;
  requireElements(use, count * layout.rows * layout.cols);
  // A two-dimensional column-major matrix is the transpose of a row-major one and has its singular values.
  const swapped = isColumnMajor(use.weight) && count === 1 && use.weight.shape.length === 2;
  const rows = swapped ? layout.cols : layout.rows;
  const cols = swapped ? layout.rows : layout.cols;
  const ordered = swapped ? content : rowMajor(use.weight, content, memory);
  const rowBytes = cols * bytesPerElement(type);
  const sources = Array.from({ length: count }, (_, k) => {
    const offset = k * rows * rowBytes;
    return {
      type,
      rows,
      cols,
      readRows: (start: number, end: number) =>
        ordered.read(offset + start * rowBytes, offset + end * rowBytes),
    };
  });
  return { sources, swapped };
}

/** The use's kernel, read whole and in the order of `kernelShape`. */
export function convolutionSource(
  use: WeightUse,
  layout: ConvolutionLayout,
  content: Content,
  memory: number,
): ConvolutionSource {
  const { weight } = use;
  requireElements(use, product(layout.kernelShape));
  requireMemory(weight, memory);
  const ordered = rowMajor(weight, content, memory);
  return {
    type: floatTypeOf(weight),
    kernelShape: layout.kernelShape,
    geometry: layout.geometry,
    transposed: use.operator === "conv-transpose",
    read: async () => {
      const bytes = await ordered.read(0, weight.byteLength);
      return layout.permutation === undefined
        ? bytes
        : permuteAxes(bytes, weight.shape, layout.permutation, weight.byteLength / product(weight.shape));
    },
  };
}

/**
 * Elements with their axes reordered: axis i of the result is axis `permutation[i]` of the row-major input.
 * @param width bytes per element.
 */
export function permuteAxes(
  bytes: Uint8Array,
  shape: readonly number[],
  permutation: readonly number[],
  width: number,
): Uint8Array {
  const strides = rowMajorStrides(shape);
  const outShape = permutation.map((axis) => shape[axis]!);
  const outStrides = permutation.map((axis) => strides[axis]! * width);
  const out = new Uint8Array(bytes.length);
  const index = outShape.map(() => 0);
  let from = 0;
  for (let to = 0; to < out.length; to += width) {
    for (let b = 0; b < width; b++) out[to + b] = bytes[from + b]!;
    for (let axis = index.length - 1; axis >= 0; axis--) {
      index[axis]! += 1;
      from += outStrides[axis]!;
      if (index[axis]! < outShape[axis]!) break;
      from -= outStrides[axis]! * outShape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}

/** True when the stored order differs from row-major (a vector has only one order). */
export function isColumnMajor(entry: TensorEntry): boolean {
  return entry.fortranOrder === true && entry.shape.filter((n) => n > 1).length > 1;
}

export function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** The content in row-major order; a column-major tensor is read whole on first use. */
function rowMajor(entry: TensorEntry, content: Content, memory: number): Content {
  if (!isColumnMajor(entry)) return content;
  requireMemory(entry, memory);
  let whole: Promise<Uint8Array> | undefined;
  return {
    read: async (start, end) => {
      whole ??= content.read(0, entry.byteLength).then((bytes) => {
        const reversed = [...entry.shape].reverse();
        const permutation = reversed.map((_, i) => reversed.length - 1 - i);
        return permuteAxes(bytes, reversed, permutation, entry.byteLength / product(entry.shape));
      });
      return (await whole).subarray(start, end);
    },
  };
}

function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1]! * shape[i + 1]!;
  return strides;
}

function requireElements(use: WeightUse, elements: number): void {
  const { weight } = use;
  const stored = weight.byteLength / bytesPerElement(floatTypeOf(weight));
  if (stored === elements) return;
  throw new FormatError("bad-shape", `${use.name} needs ${elements} elements, the tensor holds ${stored}.`, {
    file: weight.range?.source.name ?? "the model",
    tensor: weight.name,
  });
}

function requireMemory(entry: TensorEntry, memory: number): void {
  if (entry.byteLength <= memory) return;
  throw new FormatError(
    "too-large",
    `a tensor of ${entry.byteLength} bytes that must be read whole does not fit in ${memory} bytes of memory.`,
    { file: entry.range?.source.name ?? "the model", tensor: entry.name, hint: "Give more with --memory." },
  );
}
