import { intAttribute } from "../attributes.ts";
import { AffineTerms } from "./affine-terms.ts";
import { axisRange, separableSources, sizeOf } from "./index-maps.ts";
import { constantProduct, matrixLayout } from "./matrix-layout.ts";
import type { BoundInput, OperationRule } from "./rule.ts";

/** Rows of small unsigned integers in blocks, each row filled up to whole blocks. */
interface Packing {
  readonly rows: number;
  readonly cols: number;
  readonly bits: number;
  readonly block: number;
}

/** Element i of numbers of `bits` bits packed into bytes, lowest bits first. */
function unpacked(bytes: Float64Array, bits: number, i: number): number {
  const perByte = 8 / bits;
  return Math.floor(bytes[Math.floor(i / perByte)] / 2 ** (bits * (i % perByte))) % 2 ** bits;
}

/** Zero points of each block of each row: packed like the numbers, plain, or in the middle of the range. */
function zeroPoint(
  { cols, bits, block }: Packing,
  zero: BoundInput | undefined,
): (row: number, b: number) => number {
  const { data } = zero ?? {};
  if (data === undefined) return () => 2 ** (bits - 1);
  const blocks = Math.ceil(cols / block);
  if (zero?.dtype !== "uint8") return (row, b) => data[row * blocks + b];
  const bytes = Math.ceil((blocks * bits) / 8);
  return (row, b) => unpacked(data.subarray(row * bytes, (row + 1) * bytes), bits, b);
}

/** (q − zero)·scale of every element, rows × cols; null where the numbers are not as many as that takes. */
function weightOf(
  packing: Packing,
  codes: Float64Array,
  scale: Float64Array,
  zero: BoundInput | undefined,
): Float64Array | null {
  const { rows, cols, bits, block } = packing;
  const blocks = Math.ceil(cols / block);
  const pitch = blocks * block;
  if (codes.length !== (rows * pitch * bits) / 8 || scale.length !== rows * blocks) return null;
  const zeroAt = zeroPoint(packing, zero);
  const weight = new Float64Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      const b = Math.floor(c / block);
      weight[r * cols + c] = (unpacked(codes, bits, r * pitch + c) - zeroAt(r, b)) * scale[r * blocks + b];
    }
  }
  return weight;
}

/** accuracy_level that lets the runtime round its input to int8. */
const INT8_INPUT = 4;

const ORDER = 4;
const BIAS = 5;

/**
 * A·Wᵀ (+ bias) with W in blocks of 2-, 4- or 8-bit integers, run as the real numbers they stand for.
 * Reference: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits
 */
export const matMulNBits: OperationRule = (binding) => {
  const { node, inputs, outputs } = binding;
  const [rows = 0, cols = 0, block = 0] = ["N", "K", "block_size"].map((name) => intAttribute(node, name));
  const bits = intAttribute(node, "bits") ?? 4;
  const [a, codes, scale, zero] = inputs;
  if (![2, 4, 8].includes(bits) || Math.min(rows, cols, block) < 1) return "its packing is not covered";
  if (intAttribute(node, "accuracy_level") === INT8_INPUT) return "it may round its input to integers";
  if (inputs[ORDER] !== undefined) return "its columns are put in another order by g_idx";
  if (a?.data !== undefined || codes?.data === undefined || scale?.data === undefined || (zero && !zero.data))
    return "its weight depends on the network's input";
  const weight = weightOf({ rows, cols, bits, block }, codes.data, scale.data, zero);
  if (weight === null) return "its packed weight does not fit N, K and block_size";
  const left = { shape: a?.shape ?? [], transposed: false };
  const layout = matrixLayout(left, { shape: [rows, cols], transposed: true }, 1);
  if (typeof layout === "string") return layout;
  const terms = new AffineTerms(binding);
  terms.part(0, constantProduct(layout, 1, weight));
  const shape = outputs[0]?.shape ?? [];
  if (inputs[BIAS] !== undefined) {
    terms.moved(BIAS, separableSources([axisRange(sizeOf(shape.slice(0, -1)), 0), axisRange(rows, 1)]));
  }
  return terms.operation() ?? "its weight depends on the network's input";
};
