import { mulUp } from "../linalg/rounding.ts";
import { formatPowerUpper, formatUpper } from "./format-number.ts";
import type { AuditReport, SigmaReport } from "./schema.ts";

/** One step of the running product that reporters draw. */
export interface CascadeStep {
  readonly name: string;
  readonly op: string;
  readonly factor: number;
  /** The running product; 0 or ∞ beyond the range of float64. */
  readonly cumulative: number;
  /** log₁₀ of the running product: 1,000 layers can leave the range of float64. −∞ after a zero factor. */
  readonly log10: number;
  readonly because: string;
  /** Index in `report.layers`, or null where the step is no weight. */
  readonly layer: number | null;
}

export interface Cascade {
  /** True when the last value is an upper bound of the whole network. */
  readonly isBound: boolean;
  /** What the curve is, in one sentence. */
  readonly caption: string;
  readonly steps: readonly CascadeStep[];
}

/** The running product along the network where its graph gives one, else over the layers in file order. */
export function cascadeOf(report: AuditReport): Cascade {
  const network = report.network;
  return network !== null && network.cascade.length > 0 ? graphCascade(report, network) : fileCascade(report);
}

function graphCascade(report: AuditReport, network: NonNullable<AuditReport["network"]>): Cascade {
  const layerOf = new Map(report.layers.map((layer, index) => [layer.name, index]));
  let log10 = 0;
  const steps = network.cascade.map(({ node, op, factor, cumulative, because }) => {
    log10 = inRange(cumulative) ? Math.log10(cumulative) : log10 + Math.log10(factor);
    return { name: node, op, factor, cumulative, log10, because, layer: layerOf.get(node) ?? null };
  });
  const isBound = network.product !== null && network.lipschitz.guarantee !== "estimate";
  const caption = isBound
    ? "Bound of each value from the input on, in the graph's order; branches add where they meet. Where it ends, the network's bound by products ends."
    : "Bound of each value from the input on, as far as there is one; it is not a bound on the whole network.";
  return { isBound, caption, steps };
}

/** Steps that point at no layer, for a page that does not list them all. */
export function unlinked(cascade: Cascade): Cascade {
  return { ...cascade, steps: cascade.steps.map((step) => ({ ...step, layer: null })) };
}

/** True where a running product in float64 is accurate: neither overflowed nor subnormal. */
function inRange(product: number): boolean {
  return product >= 1e-300 && product <= 1e300;
}

/** A step's running product, rounded up, also where it is too large or small for float64. */
export function formatCumulative({ cumulative, log10 }: CascadeStep): string {
  return inRange(cumulative) ? formatUpper(cumulative) : formatPowerUpper(log10);
}

/** The value a layer is judged by: its upper bound, else its estimate, else the lower bound. */
export function representative(sigma: SigmaReport): number {
  return sigma.upper ?? sigma.estimate ?? sigma.lower;
}

function fileCascade(report: AuditReport): Cascade {
  let log10 = 0;
  let cumulative = 1;
  const steps: CascadeStep[] = [];
  report.layers.forEach((layer, index) => {
    if (layer.sigma === null) return;
    const factor = representative(layer.sigma);
    log10 += Math.log10(factor);
    cumulative = mulUp(cumulative, factor);
    steps.push({
      name: layer.name,
      op: layer.operator,
      factor,
      cumulative,
      log10,
      because: factorReason(layer.sigma),
      layer: index,
    });
  });
  const omitted = report.layers.length - steps.length;
  const gap = omitted === 0 ? "" : ` ${omitted} ${omitted === 1 ? "layer" : "layers"} without a σ left out.`;
  return {
    isBound: false,
    caption: `Cumulative product in file order: shows growth, not a bound on the network.${gap}`,
    steps,
  };
}

function factorReason(sigma: SigmaReport): string {
  if (sigma.upper !== null) return "upper bound of σ";
  return sigma.estimate === undefined ? "lower bound of σ" : "estimate of σ";
}
