import type { Guarantee } from "../linalg/bound.ts";
import { down, mulUp } from "../linalg/rounding.ts";
import type { ChainStep, WeightPlan, WeightUse } from "../network/use.ts";
import { weakest } from "./measure.ts";
import type { NetworkReport, SigmaReport } from "./schema.ts";

/** σ of a use, or null where none is known. */
export type SigmaOf = (use: WeightUse) => SigmaReport | null;

/** Steps that keep every distance: with one linear layer among them, the network is as steep as that layer. */
const ISOMETRIES = new Set([
  "Identity",
  "Flatten",
  "Reshape",
  "Squeeze",
  "Unsqueeze",
  "Transpose",
  "Add",
  "Sub",
]);

/**
 * The bound of a whole network that is a pure chain: the product of its steps, rounded up after each.
 * Without a chain, or with a factor missing, both `upper` and `product` are null and the cascade ends there.
 */
export function networkReport(plan: WeightPlan, sigmaOf: SigmaOf, asked: Guarantee): NetworkReport {
  const chain = plan.chain ?? [];
  const cascade: NetworkReport["cascade"][number][] = [];
  let cumulative = 1;
  let guarantee: Guarantee = chain.some((step) => "use" in step.factor) ? "proof" : asked;
  let bounded = plan.chain !== null && plan.unbounded.length === 0;
  for (const step of chain) {
    const sigma = "use" in step.factor ? sigmaOf(step.factor.use) : null;
    const factor = "constant" in step.factor ? step.factor.constant : (sigma?.upper ?? sigma?.estimate);
    guarantee = weakest(guarantee, sigma?.guarantee ?? (factor === undefined ? asked : guarantee));
    if (factor === undefined) {
      bounded = false;
      break;
    }
    if (sigma !== null && sigma.upper === null) bounded = false;
    cumulative = times(cumulative, factor);
    const because = sigma?.upper === null ? `${step.because} (an estimate, not a bound)` : step.because;
    cascade.push({ node: step.node, op: step.op, factor, cumulative, because });
  }
  const product = bounded && Number.isFinite(cumulative) ? cumulative : null;
  return {
    lipschitz: { lower: lowerBound(chain, sigmaOf), upper: product, guarantee, method: "product" },
    product,
    cascade: cascade.filter((step) => Number.isFinite(step.cumulative)),
    unbounded: plan.unbounded,
  };
}

/** Why a network with a graph has no finite bound, where `unbounded` does not say it; null when it has one. */
export function missingBoundReason(plan: WeightPlan, network: NetworkReport): string | null {
  if (network.lipschitz.upper !== null || plan.unbounded.length > 0) return null;
  if (plan.chain === null) {
    const where = plan.branching === undefined ? "" : `: ${plan.branching.replace(/\.$/, "")}`;
    return `the graph branches${where}; a whole-network bound is given for chains only`;
  }
  if (network.cascade.some((step) => step.because.endsWith("(an estimate, not a bound)"))) return null;
  const missing = plan.chain[network.cascade.length];
  return missing === undefined ? null : `no finite bound of ${missing.node}, so none of the whole network`;
}

/** a·b rounded up; exact when either is 1. */
function times(a: number, b: number): number {
  if (a === 1) return b;
  return b === 1 ? a : mulUp(a, b);
}

/** 0 in general; σ's own lower bound where a single linear layer is all that changes distances. */
function lowerBound(chain: readonly ChainStep[], sigmaOf: SigmaOf): number {
  const others = chain.filter((step) => "constant" in step.factor);
  const uses = chain.flatMap((step) => ("use" in step.factor ? [step.factor.use] : []));
  const [only] = uses;
  if (only === undefined || uses.length > 1) return 0;
  if (only.layout.kind === "convolution" && only.layout.geometry.inputSize === undefined) return 0;
  if (only.operator === "recurrent" || only.operator === "embedding") return 0;
  if (
    !others.every(
      (step) => ISOMETRIES.has(step.op) && "constant" in step.factor && step.factor.constant === 1,
    )
  )
    return 0;
  return down(sigmaOf(only)?.lower ?? 0);
}
