import type { Guarantee } from "../linalg/bound.ts";
import { times } from "../network/join.ts";
import {
  type Propagation,
  propagate,
  type Sensitivities,
  stepFactor,
  upperOf,
} from "../network/propagate.ts";
import type { GraphNode, GraphPlan, WeightUse } from "../network/use.ts";
import { weakest } from "./measure.ts";
import type { NetworkReport, SigmaReport } from "./schema.ts";

/** σ of a use, or null where none is known. */
export type SigmaOf = (use: WeightUse) => SigmaReport | null;

/** Stretches listed where the whole network has no bound. */
const STRETCHES_SHOWN = 5;

/**
 * The bound of a whole network by rules alone: the products along its ways, joined where they meet, rounded up after
 * each operation. With an operator that has no finite constant, or a weight whose norm is not known, `upper` and
 * `product` are null, the cascade ends there, and the longest stretches between such places are listed.
 */
export function networkReport(graph: GraphPlan, sigmaOf: SigmaOf, asked: Guarantee): NetworkReport {
  const shown = (use: WeightUse) => {
    const sigma = sigmaOf(use);
    return sigma?.upper ?? sigma?.estimate;
  };
  const bounds = propagate(graph, shown);
  const proper = propagate(graph, (use) => sigmaOf(use)?.upper ?? undefined);
  return {
    lipschitz: {
      lower: 0,
      upper: proper.upper,
      guarantee: guaranteeOf(graph, sigmaOf, asked),
      method: "product",
    },
    product: proper.upper,
    cascade: cascadeOf(graph, bounds, sigmaOf),
    unbounded: graph.nodes.flatMap(({ node, op, unbounded }) =>
      unbounded === undefined ? [] : [{ node, op, because: unbounded }],
    ),
    ...(proper.upper === null ? { stretches: proper.stretches.slice(0, STRETCHES_SHOWN) } : {}),
    ...firstToNormalise(graph, proper, sigmaOf),
  };
}

/** Every use of a weight in the graph. */
export function usesOf(graph: GraphPlan): readonly WeightUse[] {
  return graph.nodes.flatMap((node) =>
    node.steps.flatMap(({ factor }) => ("use" in factor ? [factor.use] : [])),
  );
}

function guaranteeOf(graph: GraphPlan, sigmaOf: SigmaOf, asked: Guarantee): Guarantee {
  const sigmas = usesOf(graph).map((use) => sigmaOf(use)?.guarantee ?? asked);
  return sigmas.length === 0 ? asked : sigmas.reduce(weakest, "proof");
}

/** Node by node, as long as what it gives depends on nothing but the network's inputs. */
function cascadeOf(graph: GraphPlan, { nodes }: Propagation, sigmaOf: SigmaOf): NetworkReport["cascade"] {
  const cascade: NetworkReport["cascade"][number][] = [];
  for (const { node, result, taken } of nodes) {
    const cumulative = result === null ? null : upperOf(graph, result);
    if (cumulative === null) continue;
    if (taken.length > 1 || node.steps.length === 0) {
      const before = taken.reduce((m, reach) => Math.max(m, steepness(graph, reach)), 0);
      const factor = before === 0 ? 1 : cumulative / before;
      cascade.push({ node: node.node, op: node.op, factor, cumulative, because: joinReason(node) });
      continue;
    }
    let running = steepness(graph, taken[0]!);
    for (const step of node.steps) {
      const sigma = "use" in step.factor ? sigmaOf(step.factor.use) : null;
      const factor = stepFactor(step, () => sigma?.upper ?? sigma?.estimate)!;
      running = times(running, factor);
      const estimated = sigma !== null && sigma.upper === null;
      const because = estimated ? `${step.because} (an estimate, not a bound)` : step.because;
      cascade.push({ node: node.node, op: node.op, factor, cumulative: running, because });
    }
  }
  return cascade;
}

function steepness(graph: GraphPlan, reach: Sensitivities): number {
  return upperOf(graph, reach) ?? 0;
}

function joinReason(node: GraphNode): string {
  return node.because ?? (node.join === "sum" ? "branches are added" : "branches are put side by side");
}

/** The layer whose norm, brought down to 1, lowers the network's bound most. */
function firstToNormalise(
  graph: GraphPlan,
  bounds: Propagation,
  sigmaOf: SigmaOf,
): Pick<NetworkReport, "steepest"> {
  const { upper } = bounds;
  if (upper === null) return {};
  let best: NetworkReport["steepest"];
  for (const use of new Set(usesOf(graph))) {
    if (!((sigmaOf(use)?.upper ?? 0) > 1)) continue;
    const without = propagate(graph, (other) =>
      other === use ? 1 : (sigmaOf(other)?.upper ?? undefined),
    ).upper;
    if (without !== null && without < (best?.upper ?? upper)) best = { layer: use.name, upper: without };
  }
  return best === undefined ? {} : { steepest: best };
}

/** Why a network with a graph has no finite bound, where `unbounded` does not say it; null when it has one. */
export function missingBoundReason(graph: GraphPlan, network: NetworkReport): string | null {
  if (network.lipschitz.upper !== null || network.unbounded.length > 0) return null;
  if (network.cascade.some((step) => step.because.endsWith("(an estimate, not a bound)"))) return null;
  const seen = new Set(network.cascade.map((step) => step.node));
  const missing = graph.nodes.find((node) => !seen.has(node.node));
  return missing === undefined ? null : `no finite bound of ${missing.node}, so none of the whole network`;
}
