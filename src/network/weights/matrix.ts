import { floatAttribute, intAttribute, stringAttribute } from "../attributes.ts";
import { einsumEquation } from "../operators/einsum.ts";
import type { Site } from "../scope.ts";
import { reshapedView, transposedView } from "../strided-view.ts";
import { denseAction, type WeightRule, weightAt } from "./finding.ts";

/** Inputs 0 and 1, those that are constant while the other is not. */
function constantOperands(site: Site): readonly number[] {
  const constant = [0, 1].map((i) => site.scope.isConstant(site.node.inputs[i] ?? ""));
  return [0, 1].filter((i) => constant[i] && !constant[1 - i]);
}

const matMul: WeightRule = (site) =>
  constantOperands(site).flatMap((index) =>
    weightAt(site, index, ({ view }) => {
      const regrouped = intAttribute(site.node, index === 0 ? "transBatchA" : "transBatchB") === 1;
      if (regrouped && view.shape.length > 2) return "its batch axis is transposed by the operator";
      return denseAction(view, Math.abs(floatAttribute(site.node, "alpha") ?? 1));
    }),
  );

const gemm: WeightRule = (site) =>
  constantOperands(site).flatMap((index) =>
    weightAt(site, index, ({ view }) =>
      view.shape.length === 2
        ? denseAction(view, Math.abs(floatAttribute(site.node, "alpha") ?? 1))
        : `Gemm takes matrices, got ${view.shape.length} dimensions`,
    ),
  );

/**
 * The roles of a constant operand's labels in an Einsum of two operands: batch (in all three), free (the constant's
 * own, kept) and contracted (shared, summed); null when some label plays another part, so that the product is no
 * plain matrix product.
 */
export function einsumRoles(equation: string, constant: number) {
  const parsed = einsumEquation(equation);
  if (parsed?.operands.length !== 2) return null;
  const labels = parsed.operands[constant];
  const other = parsed.operands[1 - constant];
  const { result } = parsed;
  const repeated = [labels, other, result].some((t) => new Set(t).size !== t.length);
  const lost = [...labels].some((c) => !other.includes(c) && !result.includes(c));
  const summed = [...other].some((c) => !labels.includes(c) && !result.includes(c));
  if (repeated || lost || summed) return null;
  const batch = [...labels].filter((c) => other.includes(c) && result.includes(c));
  const free = [...labels].filter((c) => !other.includes(c));
  const contracted = [...labels].filter((c) => !result.includes(c));
  return { labels, other, batch, free, contracted };
}

const einsum: WeightRule = (site) =>
  constantOperands(site).flatMap((index) =>
    weightAt(site, index, ({ view }) => {
      const roles = einsumRoles(stringAttribute(site.node, "equation") ?? "", index);
      if (roles === null || roles.labels.length !== view.shape.length || site.node.inputs.length !== 2) {
        return "this Einsum is no plain matrix product";
      }
      const groups = [roles.batch, roles.free, roles.contracted];
      const order = groups.flat().map((c) => roles.labels.indexOf(c));
      const grouped = transposedView(view, order);
      const sizes = groups.map((g) => g.reduce((n, c) => n * view.shape[roles.labels.indexOf(c)], 1));
      const matrices = grouped && reshapedView(grouped, sizes);
      return matrices ? denseAction(matrices) : "its matrices do not lie one after another in the file";
    }),
  );

/** com.microsoft's Attention holds one matrix for query, key and value; ai.onnx's holds none. */
const attention: WeightRule = (site) =>
  site.node.domain === "com.microsoft" ? weightAt(site, 1, ({ view }) => denseAction(view)) : [];

/** Products with a stored matrix. */
export const matrixWeights: Readonly<Record<string, WeightRule>> = {
  MatMul: matMul,
  FusedMatMul: matMul,
  Gemm: gemm,
  FusedGemm: gemm,
  Einsum: einsum,
  Attention: attention,
};
