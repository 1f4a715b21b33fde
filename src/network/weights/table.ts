import { isFloatType } from "../../formats/dtype.ts";
import { isKnownDomain } from "../operators/domain.ts";
import type { Site } from "../scope.ts";
import { convolutionWeights } from "./convolution.ts";
import { embeddingAction, type Finding, matrixLayout, type WeightRule, weightAt } from "./finding.ts";
import { matrixWeights } from "./matrix.ts";
import { quantizedTable, quantizedWeights } from "./quantized.ts";

/** Rows of a stored table picked by indices that the network computes: an embedding. */
const gather: WeightRule = (site) => {
  const [table, indices] = site.node.inputs;
  const { shape, dtype } = site.scope.value(table ?? "");
  if ((shape?.length ?? 0) < 2 || site.scope.isConstant(indices ?? "")) return [];
  const quantised = quantizedTable(site);
  return quantised === null && isFloatType(dtype) ? weightAt(site, 0, embeddingAction) : (quantised ?? []);
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

const RULES: ReadonlyMap<string, WeightRule> = new Map([
  ...Object.entries(convolutionWeights),
  ...Object.entries(matrixWeights),
  ...Object.entries(quantizedWeights),
  ["Gather", gather],
  ["EmbedLayerNormalization", (site) => [2, 3, 4].flatMap((index) => weightAt(site, index, embeddingAction))],
  ...["RNN", "GRU", "LSTM"].map((op) => [op, recurrent] as const),
]);

function ruleFor(site: Site): WeightRule | undefined {
  return isKnownDomain(site.node) ? RULES.get(site.node.opType) : undefined;
}

/** True when it is known which inputs of the node are weights. */
export function hasWeightRule(site: Site): boolean {
  return ruleFor(site) !== undefined;
}

/** The weights a node applies as linear operators, and those it holds in a form that is not audited. */
export function weightsOf(site: Site): readonly Finding[] {
  return ruleFor(site)?.(site) ?? [];
}
