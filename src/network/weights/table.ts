import { isFloatType } from "../../formats/dtype.ts";
import type { Site } from "../scope.ts";
import { isKnownDomain } from "../shapes/table.ts";
import { convolutionWeights } from "./convolution.ts";
import { type Finding, matrixLayout, type WeightRule, weightAt } from "./finding.ts";
import { matrixWeights } from "./matrix.ts";

function lookup(site: Site, index: number): readonly Finding[] {
  return weightAt(site, index, ({ view }) => {
    const layout = view.shape.length === 2 ? matrixLayout(view) : null;
    if (layout !== null) return { operator: "embedding", layout };
    return `a lookup table of ${view.shape.length} dimensions is not audited`;
  });
}

/** Rows of a stored table picked by indices that the network computes: an embedding. */
const gather: WeightRule = (site) => {
  const [table, indices] = site.node.inputs;
  const real = isFloatType(site.scope.value(table ?? "").dtype);
  const single = (site.scope.value(table ?? "").shape?.length ?? 0) < 2;
  if (!real || single || site.scope.isConstant(indices ?? "")) return [];
  return lookup(site, 0);
};

/** W and R, [directions, gates·hidden, input or hidden]. */
const recurrent: WeightRule = (site) =>
  [1, 2].flatMap((index) =>
    weightAt(site, index, ({ view }) => {
      const layout = view.shape.length === 3 ? matrixLayout(view) : null;
      if (layout === null)
        return "recurrent weights must be [directions, gates·hidden, inputs] in this order";
      return { operator: "recurrent", layout };
    }),
  );

/** Operators on quantised numbers: their stored matrices are listed, not audited. */
const quantised: WeightRule = (site) =>
  site.node.inputs.flatMap((name): readonly Finding[] => {
    const tensor = site.scope.tensor(name);
    if (tensor === undefined || tensor.shape.length < 2) return [];
    const because = `quantised weight (${tensor.dtype}) of ${site.node.opType} "${site.scope.prefix}${site.node.name}"`;
    return [{ skipped: { tensor, because, warn: true } }];
  });

const QUANTISED = [
  ..."QLinearConv ConvInteger QLinearMatMul MatMulInteger MatMulIntegerToFloat DynamicQuantizeMatMul".split(
    " ",
  ),
  ..."DequantizeLinear MatMulNBits MatMulBnb4 GatherBlockQuantized QGemm QAttention".split(" "),
  ..."DynamicQuantizeLSTM QEmbedLayerNormalization QMoE".split(" "),
];

const RULES: ReadonlyMap<string, WeightRule> = new Map([
  ...Object.entries(convolutionWeights),
  ...Object.entries(matrixWeights),
  ["Gather", gather],
  ["EmbedLayerNormalization", (site) => [2, 3, 4].flatMap((index) => lookup(site, index))],
  ...["RNN", "GRU", "LSTM"].map((op) => [op, recurrent] as const),
  ...QUANTISED.map((op) => [op, quantised] as const),
]);

/** The weights a node applies as linear operators, and those it holds in a form that is not audited. */
export function weightsOf(site: Site): readonly Finding[] {
  const rule = isKnownDomain(site.node) ? RULES.get(site.node.opType) : undefined;
  return rule?.(site) ?? [];
}
