import { elementCount, type Node, type NodeOf, type Shape } from "../graph.ts";
import { gemm, isGemm, type MatrixProduct, matrixProduct } from "./contraction.ts";
import { binary, unary } from "./elementwise.ts";
import type { Lower, Lowering, Lowerings } from "./lowering.ts";

/** A Gemm that nothing else uses, so that it can take on what is done with its result. */
function absorbable(lowering: Lowering, node: Node, shape: Shape): NodeOf<"contract"> | undefined {
  if (elementCount(node.shape) !== elementCount(shape)) return undefined;
  for (let inner = node; lowering.usedOnce(inner); inner = inner.inputs[0]) {
    if (inner.op === "contract") return isGemm(inner) ? inner : undefined;
    if (inner.op !== "reshape") return undefined;
  }
  return undefined;
}

/** The name of an operand in the shape in which Gemm adds it to its rows, where it has one. */
function addend(lowering: Lowering, node: Node, result: Node, p: MatrixProduct): string | undefined {
  const count = elementCount(node.shape);
  if (count === 1) return lowering.reshaped(node, []);
  if (count === p.columns && isTrailing(node.shape, result.shape))
    return lowering.reshaped(node, [p.columns]);
  return count === elementCount(result.shape) ? lowering.reshaped(node, [p.rows, p.columns]) : undefined;
}

/** Whether a shape is the end of another one. */
function isTrailing(part: Shape, whole: Shape): boolean {
  const wide = part.slice(part.findIndex((size) => size !== 1));
  return wide.every((size, i) => size === whole[whole.length - wide.length + i]);
}

/** x + y and x − y with a matrix product on either side, as one Gemm. */
function sum(op: "add" | "sub"): Lower<"add" | "sub"> {
  const plain = binary(op);
  return (lowering, node) => {
    for (const [side, other] of [
      [0, 1],
      [1, 0],
    ]) {
      // The product must keep its sign: Gemm's is the left one's, or is turned.
      const x = node.inputs[side];
      const product = absorbable(lowering, x, node.shape);
      if (product === undefined || (op === "sub" && side === 0)) continue;
      const p = matrixProduct(lowering, product);
      const y = addend(lowering, node.inputs[other], node, p);
      if (y === undefined) continue;
      const result = gemm(lowering, p, op === "add" ? p.scale : -p.scale, y);
      return lowering.product(result, [p.rows, p.columns], node.shape);
    }
    return plain(lowering, node as never);
  };
}

/** x·c of a matrix product x and a constant c. */
const mul: Lower<"mul"> = (lowering, node) => {
  const [x, y] = node.inputs;
  const product = y.op === "scalar" ? absorbable(lowering, x, node.shape) : undefined;
  if (product === undefined || y.op !== "scalar") return binary("mul")(lowering, node as never);
  const p = matrixProduct(lowering, product);
  const result = gemm(lowering, p, p.scale * y.parameters.value);
  return lowering.product(result, [p.rows, p.columns], node.shape);
};

/** √⟨x, x⟩ as a norm. */
const sqrt: Lower<"sqrt"> = (lowering, node) => {
  const [square] = node.inputs;
  const isNorm = square.op === "contract" && square.inputs[0] === square.inputs[1];
  if (!isNorm || square.shape.length > 0 || !isGemm(square) || !lowering.usedOnce(square)) {
    return unary("sqrt")(lowering, node as never);
  }
  return lowering.emitter.op("ReduceL2", [lowering.elements(square.inputs[0])], { keepdims: 0 });
};

/** Elementwise operations that a product before them does along. */
export const FUSED: Lowerings = { add: sum("add"), sub: sum("sub"), mul, sqrt };
