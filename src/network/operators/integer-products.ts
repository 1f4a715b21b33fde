import { forwardPart } from "./convolution.ts";
import { sizeOf } from "./index-maps.ts";
import { constantProduct, matrixLayout } from "./matrix-layout.ts";
import type { LinearPart } from "./operation.ts";
import { densePart } from "./parts.ts";
import { coefficientsOf, dequantized } from "./quantizer.ts";
import type { Binding, BoundInput, OperationRule } from "./rule.ts";

/** An operator's matrix for a second operand of these numbers. */
type Make = (weight: BoundInput) => LinearPart | string;

const ONE: BoundInput = { shape: [], dtype: "float32", data: Float64Array.of(1) };

/**
 * (a − a's zero point)·(b − b's zero point) of whole numbers, b constant: exact, and linear in a and in its zero
 * point, which may be computed too (dynamic quantisation).
 */
function integerProduct(binding: Binding, axis: number, make: Make): ReturnType<OperationRule> {
  const { inputs, signals } = binding;
  const [a, b, zeroA, zeroB] = inputs;
  if (a === undefined || b?.data === undefined) return "both of its operands depend on the network's input";
  const coefficients = coefficientsOf(b.shape, ones(zeroB), zeroB, {
    axis: axis < 0 ? axis + b.shape.length : axis,
  });
  if (typeof coefficients === "string") return coefficients;
  const part = make({ ...b, data: dequantized(b.data, coefficients) });
  if (typeof part === "string") return part;
  if (zeroA === undefined) return { kind: "affine", parts: [part] };
  if (sizeOf(zeroA.shape) !== 1) return "its first operand has several zero points";
  const sums = part.apply(new Float64Array(part.cols).fill(1)).map((v) => 0 - v);
  if (zeroA.data !== undefined) {
    const zero = zeroA.data[0];
    return { kind: "affine", parts: [part], offset: sums.map((v) => v * zero) };
  }
  const column = densePart(sums, part.rows, 1);
  return { kind: "affine", parts: signals.map((i) => (i === 0 ? part : column)) };
}

/** Scales of 1, as many as there are zero points. */
function ones(zero: BoundInput | undefined): BoundInput {
  return zero === undefined ? ONE : { ...zero, data: new Float64Array(sizeOf(zero.shape)).fill(1) };
}

export const matMulInteger: OperationRule = (binding) => {
  const [a, b] = binding.inputs;
  return integerProduct(binding, -1, (weight) => {
    const left = { shape: a?.shape ?? [], transposed: false };
    const layout = matrixLayout(left, { shape: b?.shape ?? [], transposed: false }, 1);
    return typeof layout === "string"
      ? layout
      : constantProduct(layout, 1, weight.data ?? new Float64Array(0));
  });
};

export const convInteger: OperationRule = (binding) =>
  integerProduct(binding, 0, (weight) => forwardPart(binding.node, binding.inputs[0]?.shape ?? [], weight));
