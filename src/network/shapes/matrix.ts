import { intAttribute, stringAttribute } from "../attributes.ts";
import { rulesFor, type ShapeRule, type ShapeRules } from "./rule.ts";
import { broadcastShapes, type Dim, ofShape, type Shape, UNKNOWN, unknownDims } from "./value.ts";

function swapLast(shape: Shape): Shape {
  return shape.length < 2 ? shape : [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!];
}

/** NumPy's matmul: 1-D operands lose their axis, leading axes broadcast. */
export function matMulShape(a: Shape | null, b: Shape | null): Shape | null {
  if (a === null || b === null || a.length === 0 || b.length === 0) return null;
  const batch = broadcastShapes(a.slice(0, -2), b.slice(0, -2));
  if (batch === null) return null;
  const rows: Dim[] = a.length === 1 ? [] : [a.at(-2)!];
  const cols: Dim[] = b.length === 1 ? [] : [b.at(-1)!];
  return [...batch, ...rows, ...cols];
}

function matMul(left: number, right: number, dtype?: string): ShapeRule {
  return (op) => {
    const [a, b] = [op.inputs[left]?.shape ?? null, op.inputs[right]?.shape ?? null];
    const flip = (name: string, s: Shape | null) =>
      s && intAttribute(op.node, name) === 1 ? swapLast(s) : s;
    return [
      ofShape(
        matMulShape(flip("transA", a), flip("transB", b)),
        dtype ?? op.inputs[left]?.dtype ?? "unknown",
      ),
    ];
  };
}

const gemm: ShapeRule = (op) => {
  const [a, b] = [op.inputs[0]?.shape, op.inputs[1]?.shape];
  const rows = a?.length === 2 ? a[intAttribute(op.node, "transA") === 1 ? 1 : 0] : null;
  const cols = b?.length === 2 ? b[intAttribute(op.node, "transB") === 1 ? 0 : 1] : null;
  return [ofShape([rows, cols], op.inputs[0]?.dtype ?? "unknown")];
};

/** An Einsum equation without ellipsis: labels per operand and of the result. */
export interface EinsumEquation {
  readonly operands: readonly string[];
  readonly result: string;
}

/** Parses an Einsum equation; null with an ellipsis or characters that are no labels. */
export function einsumEquation(text: string): EinsumEquation | null {
  const [left, right, ...more] = text.replaceAll(" ", "").split("->");
  const operands = left.split(",");
  if (more.length > 0 || !operands.every((t) => /^[A-Za-z]*$/.test(t))) return null;
  if (right !== undefined && !/^[A-Za-z]*$/.test(right)) return null;
  const letters = operands.join("");
  const once = [...new Set(letters)].filter((c) => letters.split(c).length === 2).sort();
  return { operands, result: right ?? once.join("") };
}

const einsum: ShapeRule = (op) => {
  const dtype = op.inputs[0]?.dtype ?? "unknown";
  const equation = einsumEquation(stringAttribute(op.node, "equation") ?? "...");
  if (equation === null || equation.operands.length !== op.inputs.length) return [ofShape(null, dtype)];
  const sizes = new Map<string, Dim>();
  equation.operands.forEach((labels, i) => {
    const shape = op.inputs[i]?.shape;
    [...labels].forEach((label, axis) => {
      const d = shape?.length === labels.length ? shape[axis] : null;
      // Size 1 broadcasts, so another operand's size wins.
      const seen = sizes.get(label) ?? null;
      sizes.set(label, seen === null || seen === 1 ? (d ?? seen) : seen);
    });
  });
  return [
    ofShape(
      [...equation.result].map((label) => sizes.get(label) ?? null),
      dtype,
    ),
  ];
};

const matMulNBits: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const columns = intAttribute(op.node, "N") ?? null;
  return [ofShape(x.shape === null ? null : [...x.shape.slice(0, -1), columns], x.dtype)];
};

/** Products of matrices. */
export const matrixRules: ShapeRules = {
  ...rulesFor(["MatMul", "FusedMatMul"], matMul(0, 1)),
  MatMulInteger: matMul(0, 1, "int32"),
  ...rulesFor(["MatMulIntegerToFloat", "DynamicQuantizeMatMul"], matMul(0, 1, "float32")),
  QLinearMatMul: matMul(0, 3),
  ...rulesFor(["Gemm", "FusedGemm"], gemm),
  Einsum: einsum,
  MatMulNBits: matMulNBits,
  Det: (op) => [ofShape(op.inputs[0]?.shape?.slice(0, -2) ?? null, op.inputs[0]?.dtype ?? "unknown")],
  DFT: (op) => [ofShape(op.inputs[0]?.shape ? unknownDims(op.inputs[0].shape.length) : null, "float32")],
};
