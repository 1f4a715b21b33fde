import { floatAttribute, intAttribute } from "../attributes.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import {
  broadcastOffsets,
  broadcastShapes,
  type Dim,
  ofShape,
  type Shape,
  UNKNOWN,
  unknownDims,
} from "../shapes/value.ts";
import { AffineTerms } from "./affine-terms.ts";
import { einsumOperation, einsumShape } from "./einsum.ts";
import { constantProduct, type MatrixLayout, matrixLayout, signalProduct } from "./matrix-layout.ts";
import { matMulNBits } from "./matrix-nbits.ts";
import type { Binding, JoinRule, OperationRule, OperatorRule, OperatorRules } from "./rule.ts";

function swapLast(shape: Shape): Shape {
  return shape.length < 2 ? shape : [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!];
}

/** NumPy's matmul: 1-D operands lose their axis, leading axes broadcast. */
function matMulShape(a: Shape | null, b: Shape | null): Shape | null {
  if (a === null || b === null || a.length === 0 || b.length === 0) return null;
  const batch = broadcastShapes(a.slice(0, -2), b.slice(0, -2));
  if (batch === null) return null;
  const rows: Dim[] = a.length === 1 ? [] : [a.at(-2)!];
  const cols: Dim[] = b.length === 1 ? [] : [b.at(-1)!];
  return [...batch, ...rows, ...cols];
}

/** The shape of a product of the inputs at these places. */
export function productShape(left: number, right: number, dtype?: string): ShapeRule {
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

const gemmShape: ShapeRule = (op) => {
  const [a, b] = [op.inputs[0]?.shape, op.inputs[1]?.shape];
  const rows = a?.length === 2 ? a[intAttribute(op.node, "transA") === 1 ? 1 : 0] : null;
  const cols = b?.length === 2 ? b[intAttribute(op.node, "transB") === 1 ? 0 : 1] : null;
  return [ofShape([rows, cols], op.inputs[0]?.dtype ?? "unknown")];
};

const matMulNBitsShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const columns = intAttribute(op.node, "N") ?? null;
  return [ofShape(x.shape === null ? null : [...x.shape.slice(0, -1), columns], x.dtype)];
};

/** A node's product of inputs 0 and 1, with the attributes of FusedMatMul and Gemm. */
function layoutOf({ node, inputs }: Binding): MatrixLayout | string {
  const [a, b] = inputs;
  if (a === undefined || b === undefined) return "it takes two matrices";
  const batched = a.shape.length > 2 || b.shape.length > 2;
  if (batched && ["transBatchA", "transBatchB"].some((name) => intAttribute(node, name) === 1)) {
    return "transBatchA and transBatchB are not supported";
  }
  const flipped = (name: string) => intAttribute(node, name) === 1;
  return matrixLayout(
    { shape: a.shape, transposed: flipped("transA") },
    { shape: b.shape, transposed: flipped("transB") },
    floatAttribute(node, "alpha") ?? 1,
  );
}

const matMul: OperationRule = (binding) => {
  const layout = layoutOf(binding);
  if (typeof layout === "string") return layout;
  const [a, b] = binding.inputs.map((input) => input?.data);
  if (binding.signals.length === 2) return signalProduct(layout);
  const constant = a === undefined ? b : a;
  if (constant === undefined) return "it takes two matrices";
  return { kind: "affine", parts: [constantProduct(layout, a === undefined ? 1 : 0, constant)] };
};

const ADDEND = 2;

const gemm: OperationRule = (binding) => {
  const layout = layoutOf(binding);
  if (typeof layout === "string") return layout;
  const { inputs, signals, node, outputs } = binding;
  const [a, b, addend] = inputs;
  if (a?.shape.length !== 2 || b?.shape.length !== 2) return "Gemm takes matrices";
  const shape = outputs[0]?.shape ?? [];
  if (addend !== undefined && broadcastShapes(addend.shape, shape)?.join() !== shape.join())
    return `its addend of shape [${addend.shape}] does not broadcast to [${shape}]`;
  if (signals.includes(0) && signals.includes(1)) {
    return addend === undefined ? signalProduct(layout) : "a product of two activations with an addend";
  }
  const terms = new AffineTerms(binding);
  if (b.data !== undefined && a.data === undefined) terms.part(0, constantProduct(layout, 1, b.data));
  if (a.data !== undefined && b.data === undefined) terms.part(1, constantProduct(layout, 0, a.data));
  if (addend !== undefined) {
    const sources = Int32Array.from(broadcastOffsets(addend.shape, shape));
    terms.moved(ADDEND, sources, floatAttribute(node, "beta") ?? 1);
  }
  const both = "both of its matrices are constant";
  return a.data !== undefined && b.data !== undefined ? both : (terms.operation() ?? both);
};

const NOT_AUDITED = "its weight is not one that is audited";
const PRODUCT =
  "a product of two activations has no finite constant over all inputs; bound it on a ball with --around";

const productJoin: JoinRule = ({ signals }) => ({
  unbounded:
    signals.includes(0) && signals.includes(1) ? PRODUCT : "its addend depends on the network's input too",
});

function productRule(shape: ShapeRule, operation: OperationRule): OperatorRule {
  return { shape, constant: NOT_AUDITED, join: productJoin, operation };
}

/** Products of matrices. */
export const matrixRules: OperatorRules = {
  MatMul: productRule(productShape(0, 1), matMul),
  FusedMatMul: productRule(productShape(0, 1), matMul),
  Gemm: productRule(gemmShape, gemm),
  FusedGemm: productRule(gemmShape, gemm),
  Einsum: productRule(einsumShape, einsumOperation),
  MatMulNBits: productRule(matMulNBitsShape, matMulNBits),
  Det: {
    shape: (op) => [ofShape(op.inputs[0]?.shape?.slice(0, -2) ?? null, op.inputs[0]?.dtype ?? "unknown")],
    constant: "a determinant grows as a power of its entries",
  },
  DFT: {
    shape: (op) => [ofShape(op.inputs[0]?.shape ? unknownDims(op.inputs[0].shape.length) : null, "float32")],
  },
};
