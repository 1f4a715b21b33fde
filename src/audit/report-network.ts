import { formatCount, formatInterval, formatNumber, formatUpper } from "./format-number.ts";
import type { AuditReport, LocalReport, NetworkReport } from "./schema.ts";

/** The headline every reporter gives: the network's interval, or exactly why there is none. */
export interface NetworkHeadline {
  /** `2.500–1513`, or null where there is no finite upper bound. */
  readonly interval: string | null;
  /** One sentence: what the interval is, or why there is none. */
  readonly sentence: string;
  /** Operators without a finite constant, and why; nodes that share an operator and a reason are one entry. */
  readonly reasons: readonly { readonly node: string; readonly op: string; readonly because: string }[];
}

/** Stretches named where the whole network has no bound. */
const STRETCHES_NAMED = 3;

/** What is known of the whole network's Lipschitz constant (ℓ2, per example). */
export function networkHeadline(report: AuditReport): NetworkHeadline {
  const network = report.network;
  if (network === null) return { interval: null, sentence: noGraphSentence(report), reasons: [] };
  const { lower, upper, guarantee, method } = network.lipschitz;
  if (upper !== null) {
    const how = method === "product" ? "the product of its steps" : "ECLipsE-Fast over its dense layers";
    const better =
      method === "product" || network.product === null
        ? ""
        : ` The product of its steps alone is ${formatUpper(network.product)}.`;
    return {
      interval: formatInterval(lower, upper),
      sentence: `Moving the input by d moves the output by at most ${formatUpper(upper)} · d (ℓ2; ${guarantee}, by ${how}).${better}`,
      reasons: [],
    };
  }
  const atLeast = lower === null || lower === 0 ? "" : ` The constant is ${formatInterval(lower, null)}.`;
  return {
    interval: null,
    sentence: `${noBoundSentence(report)}${atLeast}`,
    reasons: grouped(network.unbounded),
  };
}

/** Nodes named of those that share a reason. */
const NODES_NAMED = 3;

function grouped(unbounded: NetworkReport["unbounded"]): NetworkHeadline["reasons"] {
  const groups = new Map<
    string,
    { readonly op: string; readonly because: string; readonly nodes: string[] }
  >();
  for (const { node, op, because } of unbounded) {
    const key = JSON.stringify([op, because]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { op, because, nodes: [node] });
    else group.nodes.push(node);
  }
  return [...groups.values()].map(({ op, because, nodes }) => {
    const rest = nodes.length - NODES_NAMED;
    const more = rest > 0 ? ` and ${formatCount(rest)} more` : "";
    return { node: `${nodes.slice(0, NODES_NAMED).join(", ")}${more}`, op, because };
  });
}

function noGraphSentence(report: AuditReport): string {
  return `This ${report.model.format} file holds weights without a graph, so how the layers are connected is unknown; every layer is bounded on its own.`;
}

function noBoundSentence(report: AuditReport): string {
  const count = report.network?.unbounded.length ?? 0;
  if (count > 0) {
    return count === 1
      ? "One operator has no finite Lipschitz constant, so the network has no finite bound by these rules."
      : `${count} operators have no finite Lipschitz constant, so the network has no finite bound by these rules.`;
  }
  if (report.settings.guarantee === "estimate") {
    return "Estimates are not bounds: audit with the guarantee probable or proof to bound the network.";
  }
  const open = report.layers.filter((layer) => layer.sigma === null || layer.sigma.upper === null);
  if (open.length > 0) {
    const others = open.length === 1 ? "" : ` and ${open.length - 1} more`;
    return `The layer “${open[0]!.name}”${others} could not be bounded, so neither can the network.`;
  }
  return "Not every node of the graph could be bounded, so neither can the network.";
}

/** A fact about the network beside its headline: a label of one word and a sentence or two. */
export interface NetworkFact {
  readonly label: "seen" | "first" | "stretch" | "ball";
  readonly text: string;
}

/** What else is known of the network: what was seen of its steepness, what to normalise first, where it is bounded. */
export function networkFacts({ network }: AuditReport): readonly NetworkFact[] {
  if (network === null) return [];
  return [seenFact(network), firstFact(network), stretchFact(network), ballFact(network)].filter(
    (fact) => fact !== null,
  );
}

function seenFact({ sampled, notRun, unbounded }: NetworkReport): NetworkFact | null {
  if (notRun !== undefined) {
    const what =
      unbounded.length > 0 ? "The network was not run" : "The network was not run, so its lower end is 0";
    return { label: "seen", text: `${what}: ${notRun.replace(/\.$/, "")}.` };
  }
  if (sampled === undefined || sampled.seen === 0) return null;
  const tried = `${formatCount(sampled.points)} ${sampled.points === 1 ? "point" : "points"} tried`;
  return {
    label: "seen",
    text: `The steepest of ${tried} had a Jacobian of norm ${formatNumber(sampled.seen)}; what was seen is no upper bound.`,
  };
}

function firstFact({ steepest, product }: NetworkReport): NetworkFact | null {
  if (steepest === undefined || product === null) return null;
  return {
    label: "first",
    text: `Normalise “${steepest.layer}” first: with σ = 1 there the bound by products would be ${formatUpper(steepest.upper)} instead of ${formatUpper(product)}.`,
  };
}

function stretchFact({ stretches, lipschitz }: NetworkReport): NetworkFact | null {
  if (lipschitz.upper !== null || stretches === undefined || stretches.length === 0) return null;
  const named = stretches.slice(0, STRETCHES_NAMED).map(({ from, to, layers, upper }) => {
    return `“${from}” to “${to}” (${layers} ${layers === 1 ? "layer" : "layers"}): ${formatUpper(upper)}`;
  });
  return { label: "stretch", text: `The longest parts that have a bound: ${named.join("; ")}.` };
}

function ballFact({ local }: NetworkReport): NetworkFact | null {
  if (local === undefined) return null;
  const { radius, total, points } = local;
  const which =
    points.length === total
      ? `${formatCount(total)} ${total === 1 ? "point" : "points"}`
      : `the first ${formatCount(points.length)} of ${formatCount(total)} points`;
  const known = points.flatMap(({ upper }) => upper ?? []).sort((a, b) => a - b);
  const open = points.length - known.length;
  const bounds =
    known.length === 0
      ? "no finite bound"
      : `bound ${formatUpper(known[0]!)} to ${formatUpper(known.at(-1)!)}, median ${formatUpper(median(known))}${open > 0 ? `, none for ${open}` : ""}`;
  const seen = points.reduce((m, p) => Math.max(m, p.seen), 0);
  const fixed = points.reduce((m, p) => m + p.fixedUnits, 0) / points.length;
  return {
    label: "ball",
    text: `Within ${formatNumber(radius)} of ${which}: ${bounds}; Jacobians there reach ${formatNumber(seen)}; on average ${formatNumber(100 * fixed, 3)} % of the units keep their slope.`,
  };
}

/** The upper middle one of sorted numbers. */
function median(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** Local bounds from the steepest ball down, for tables. */
export function steepestBalls({
  points,
}: LocalReport): readonly (LocalReport["points"][number] & { index: number })[] {
  return points
    .map((point, index) => ({ ...point, index }))
    .sort((a, b) => (b.upper ?? Infinity) - (a.upper ?? Infinity));
}
