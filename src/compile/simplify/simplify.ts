import type { Graph } from "../graph.ts";
import { ACTIVATIONS } from "./activations.ts";
import { ALGEBRA } from "./algebra.ts";
import { Builder, type Rule, type Rules } from "./builder.ts";
import { CONTRACTIONS } from "./contraction.ts";
import { CONVOLUTIONS } from "./convolution.ts";
import { ELEMENTWISE, expandLast, leadingAxesDropped, reshapeLast } from "./elementwise-views.ts";
import { LOGISTIC } from "./logistic.ts";
import { OUTER_PRODUCTS } from "./outer-products.ts";
import { POOLING } from "./pooling.ts";
import { raiseTranspositions } from "./raise.ts";
import { rebuild } from "./rebuild.ts";
import { foldScalars } from "./scalars.ts";
import { joinSums } from "./sums.ts";
import { TANH } from "./tanh.ts";
import { transposeLast } from "./transpositions.ts";
import { VIEWS } from "./views.ts";

const ELEMENTWISE_RULES: Rules = Object.fromEntries(
  ELEMENTWISE.map((op) => [op, [foldScalars, expandLast, leadingAxesDropped, reshapeLast, transposeLast]]),
);

const RULES = joined([
  ELEMENTWISE_RULES,
  VIEWS,
  OUTER_PRODUCTS,
  ALGEBRA,
  TANH,
  LOGISTIC,
  ACTIVATIONS,
  CONTRACTIONS,
  CONVOLUTIONS,
  POOLING,
]);

function joined(sets: readonly Rules[]): Rules {
  const all: Record<string, readonly Rule<never>[]> = {};
  for (const set of sets as readonly Record<string, readonly Rule<never>[]>[]) {
    for (const [op, rules] of Object.entries(set)) all[op] = [...(all[op] ?? []), ...rules];
  }
  return all as Rules;
}

/** The same computation in fewer and cheaper operations. */
export function simplify(graph: Graph): Graph {
  const build = new Builder(RULES);
  const simple = joinSums(rebuild(graph, build), build);
  return raiseTranspositions(simple, new Builder({}));
}
