import type { Guarantee } from "../linalg/bound.ts";
import { formatUpper } from "./format-number.ts";
import { representative } from "./report-cascade.ts";
import type { AuditReport, LayerReport, Problem } from "./schema.ts";

/** The layer with the largest σ (by its upper bound where there is one), or null when no layer has one. */
export function steepestLayer(
  report: AuditReport,
): { readonly layer: LayerReport; readonly index: number } | null {
  let best: { layer: LayerReport; index: number } | null = null;
  let largest = Number.NEGATIVE_INFINITY;
  report.layers.forEach((layer, index) => {
    if (layer.sigma === null || representative(layer.sigma) <= largest) return;
    largest = representative(layer.sigma);
    best = { layer, index };
  });
  return best;
}

/** What a guarantee promises, in one sentence. `failureProbability` is that of the whole report. */
export function guaranteeSentence(guarantee: Guarantee, failureProbability: number | null): string {
  switch (guarantee) {
    case "estimate":
      return "The lower end is certain; the estimate approaches σ from below and says nothing about how much larger σ may be.";
    case "probable":
      return `The lower end is certain; all upper ends hold together except with probability at most ${
        failureProbability === null ? "the one set for the run" : formatUpper(failureProbability, 2)
      } over the random start, in exact arithmetic.`;
    case "proof":
      return "Both ends hold for certain for the stored weights, rounding errors of this computation included.";
  }
}

/** Layers named where several share one problem. */
const NAMED_LAYERS = 3;

/**
 * The report's problems and those of its layers, errors first, none twice. What is said of several layers in the
 * same words is one problem that names the first of them.
 */
export function allProblems(report: AuditReport): readonly Problem[] {
  const own = new Map(report.problems.map((problem) => [`${problem.where}\n${problem.message}`, problem]));
  const shared = new Map<string, { readonly problem: Problem; readonly layers: Set<string> }>();
  for (const { name, sigma, problems } of report.layers) {
    const severity = sigma === null ? "error" : "warning";
    for (const message of problems) {
      if (own.has(`${name}\n${message}`)) continue;
      const key = `${severity}\n${message}`;
      const known = shared.get(key);
      if (known === undefined) {
        shared.set(key, { problem: { severity, where: name, message }, layers: new Set([name]) });
      } else known.layers.add(name);
    }
  }
  const grouped = [...shared.values()].map(({ problem, layers }) => {
    return { ...problem, where: layersText([...layers]) };
  });
  return [...own.values(), ...grouped].sort(
    (a, b) => Number(a.severity === "warning") - Number(b.severity === "warning"),
  );
}

/** `conv1`, or `26 layers (conv1, conv2, conv3, …), each`. */
export function layersText(names: readonly string[]): string {
  if (names.length === 1) return names[0]!;
  const more = names.length > NAMED_LAYERS ? ", …" : "";
  return `${names.length} layers (${names.slice(0, NAMED_LAYERS).join(", ")}${more}), each`;
}

/** How much of [covered, total] is covered: `all`, `99.9 %`; never rounded up to all. */
export function coverageShare([covered, total]: readonly [number, number]): string {
  if (total === 0) return "none";
  if (covered === total) return "all";
  return `${Math.min(99.9, Math.floor((1000 * covered) / total) / 10)} %`;
}
