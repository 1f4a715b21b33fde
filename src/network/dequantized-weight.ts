import type { OnnxNode } from "../formats/onnx/types.ts";
import { intAttribute } from "./attributes.ts";
import { type Coefficients, dequantizedTensor, isDequantized, isExact } from "./dequantized.ts";
import { isElementType, isIntegerType, unreadable } from "./dequantized-elements.ts";
import { elementIndex, type Placement } from "./dequantized-index.ts";
import { normalizeAxis } from "./shapes/value.ts";
import type { ComputedWeight, StoredWeight } from "./stored-weight.ts";
import { isStoredOrder, type StridedView } from "./strided-view.ts";

/** How scales of this shape lie along the weight as the operator sees it; null when they do not. */
export type PlaceScales = (shape: readonly number[], view: StridedView) => Placement | null;

/** Constant scales or zero points as far as they could be found in the file, and how they lie. */
export interface FoundScales {
  readonly found: StoredWeight | ComputedWeight;
  readonly place: PlaceScales;
}

/** What a node says of a quantised weight besides its numbers. */
export interface QuantisationInputs {
  readonly scale: FoundScales;
  /** 0 when absent. */
  readonly zero?: FoundScales | undefined;
}

/** Types of scales: with any of them, products with integers of up to 16 bits are exact in float64. */
const SCALE_TYPES: ReadonlySet<string> = new Set(["float32", "float16", "bfloat16", "float8_e8m0"]);

/** True for a type that quantised weights are stored in. */
function isCodeType(dtype: string): boolean {
  return isIntegerType(dtype) || (isElementType(dtype) && /^float[48]_/.test(dtype));
}

/** Said of a layer whose numbers float64 cannot hold; see `isExact`. */
export const ROUNDED =
  "its numbers times their scales are rounded to float64 (by at most 2⁻⁵² of each); the bound is for the rounded numbers";

/** Stored scales or zero points, ready to be read, or what is wrong with them. */
export function coefficients(
  what: "scale" | "zero point",
  { found, place }: FoundScales,
  view: StridedView,
): Coefficients | string {
  if (!("tensor" in found)) return `its ${what} ${found.because}`;
  const { tensor, notes } = found;
  if (isDequantized(tensor)) return `its ${what} is quantised itself`;
  if (!isElementType(tensor.dtype)) return `its ${what} is ${tensor.dtype}`;
  if (what === "scale" && !SCALE_TYPES.has(tensor.dtype)) return `its scale is ${tensor.dtype}`;
  const problem = unreadable(tensor);
  if (problem !== null) return `its ${what} is ${problem}`;
  if (notes.length > 0) return `its ${what} is ${notes[0]}`;
  if (!isStoredOrder(found.view) || found.reordered !== undefined)
    return `its ${what} is regrouped on the way`;
  const { shape } = found.view;
  if (shape.includes(0)) return `its ${what} is empty`;
  const placement = shape.every((d) => d === 1) ? { axes: [] } : place(shape, view);
  const index = placement && elementIndex(view, shape, placement);
  if (index === null) return `its ${what} of shape [${shape}] does not fit the weight, [${view.shape}]`;
  return { elements: { tensor, type: tensor.dtype }, index };
}

/** A stored weight with its numbers q read as (q − zero)·scale, or why they cannot be. */
export function dequantizedWeight(weight: StoredWeight, inputs: QuantisationInputs): StoredWeight | string {
  const { tensor, view } = weight;
  if (isDequantized(tensor)) return "its weight is dequantised already";
  if (!isCodeType(tensor.dtype)) return `stored as ${tensor.dtype}`;
  const problem = unreadable(tensor);
  if (problem !== null) return `stored as ${tensor.dtype} (${problem})`;
  const scale = coefficients("scale", inputs.scale, view);
  if (typeof scale === "string") return scale;
  // ONNX wants zero points of floating-point types to be 0.
  const given = isIntegerType(tensor.dtype) ? inputs.zero : undefined;
  const zero = given === undefined ? 0 : coefficients("zero point", given, view);
  if (typeof zero === "string") return zero;
  const uniform = scale.index.length === 0 && (zero === 0 || zero.index.length === 0);
  if (weight.reordered !== undefined && !uniform)
    return "its rows are reordered before they get their scales";
  const quantisation = {
    codes: { tensor, type: tensor.dtype },
    shape: tensor.shape,
    scale,
    zero,
  };
  const notes = isExact(quantisation) ? weight.notes : [...weight.notes, ROUNDED];
  return { ...weight, tensor: dequantizedTensor(quantisation), notes };
}

/** One scale for all, one per index of an axis, or scales of as many axes as the weight, shared along blocks. */
export function alongAxis(axis: number, blockSize = 0): PlaceScales {
  return (shape, view) => {
    const rank = view.shape.length;
    const at = normalizeAxis(axis, rank);
    if (at === null) return null;
    if (shape.length === rank && blockSize > 0) {
      return { axes: [...shape.keys()], blocks: { axis: at, size: blockSize } };
    }
    return blockSize === 0 && shape.length === 1 ? { axes: [at] } : null;
  };
}

/**
 * How DequantizeLinear spreads its scales: `axis` (opset 13, default 1) for a vector of them, `block_size` (opset 21)
 * for a tensor. Before opset 13 there is one scale, for which the attributes do not matter.
 * Reference: https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html
 */
export function dequantizeLinearPlace(node: OnnxNode): PlaceScales {
  return alongAxis(intAttribute(node, "axis") ?? 1, intAttribute(node, "block_size") ?? 0);
}
