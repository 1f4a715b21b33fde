import { formatUpper } from "./format-number.ts";
import type { AuditReport, LayerReport } from "./schema.ts";

/** Limits that a report must keep, for continuous integration. */
export interface Gates {
  /** On the network's upper bound. */
  readonly failAbove?: number | undefined;
  /** On every layer's upper bound. */
  readonly layerLimit?: number | undefined;
}

/** One sentence per limit that is exceeded, or that cannot be shown to hold; empty when all hold. */
export function checkGates(report: AuditReport, gates: Gates): string[] {
  const { failAbove, layerLimit } = gates;
  if (failAbove === undefined && layerLimit === undefined) return [];
  const bounded = report.layers.some((layer) => layer.sigma !== null);
  return [
    ...(bounded ? [] : ["no layer was bounded, so no limit is shown to hold"]),
    ...(failAbove === undefined ? [] : networkFailures(report, failAbove)),
    ...(layerLimit === undefined
      ? []
      : report.layers.filter((layer) => layer.sigma !== null).flatMap((l) => layerFailures(l, layerLimit))),
    ...unauditedFailures(report),
  ];
}

function networkFailures(report: AuditReport, limit: number): string[] {
  const upper = report.network?.lipschitz.upper ?? null;
  if (upper === null)
    return [`the network has no finite upper bound (limit ${limit}): ${whyUnbounded(report)}`];
  return upper <= limit
    ? []
    : [`the network's upper bound ${shown(upper, limit)} is above the limit ${limit}`];
}

function whyUnbounded(report: AuditReport): string {
  const { network, settings } = report;
  if (network === null) return `a ${report.model.format} file has no graph; use --layer-limit`;
  const [first] = network.unbounded;
  if (first !== undefined) return `${first.node} (${first.op}): ${first.because}`;
  if (settings.guarantee === "estimate") return "estimates are no bounds; use --guarantee probable or proof";
  return report.problems.find((problem) => problem.where === "network")?.message ?? "a layer has none";
}

function layerFailures(layer: LayerReport, limit: number): string[] {
  const upper = layer.sigma?.upper ?? null;
  if (upper === null) return [`${layer.name} has no upper bound (limit ${limit})`];
  return upper <= limit
    ? []
    : [`${layer.name}: upper bound ${shown(upper, limit)} is above the limit ${limit}`];
}

/** Few digits, unless they would hide the difference. */
function shown(upper: number, limit: number): string {
  const short = formatUpper(upper);
  return Number(short) > limit && upper > limit * 1.001 ? short : String(upper);
}

function unauditedFailures(report: AuditReport): string[] {
  const names = report.coverage.unaudited ?? [];
  return names.map((name) => `the weight ${name} could not be audited, so no limit on it is known to hold`);
}
