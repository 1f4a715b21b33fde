import type { TensorEntry } from "../formats/model.ts";
import { sourcesOf } from "./homogeneity-constants.ts";
import type { SignalGraph, Step } from "./homogeneity-graph.ts";
import { outputScales } from "./homogeneity-rules.ts";
import { type Demand, Visit } from "./homogeneity-visit.ts";

/**
 * What becomes of a network when weights are multiplied by positive factors and its other constants follow: every
 * value is multiplied by a known number, so the outputs are, too (positive homogeneity, as in ReLU networks).
 */
export interface Rescaling {
  /** What multiplies each value, by key; 1 for the network's inputs. */
  readonly scales: ReadonlyMap<string, number>;
  readonly outputs: readonly { readonly name: string; readonly scale: number }[];
  /** What must become of the stored tensors, one entry per reader. Those of one tensor may contradict each other. */
  readonly demands: readonly Demand[];
}

/** How a value came about, for changing its scale afterwards. */
export interface Origin {
  readonly step: Step;
  /** Stored tensors whose factor multiplies it. */
  readonly weights: readonly TensorEntry[];
  /** Values that multiply it by r when all of them are multiplied by r; null where that is not so simple. */
  readonly carriers: readonly string[] | null;
}

/**
 * Follows factors through a network.
 * @param factorOf the factor of a weight's stored tensor, positive; 1 for every other tensor.
 * @param origins filled as values are met.
 * @throws NotHomogeneous at a node whose output is no multiple of what it was; UnequalBranches where values
 * multiplied by different numbers are added.
 */
export function rescale(
  graph: SignalGraph,
  factorOf: (tensor: TensorEntry) => number,
  origins: Map<string, Origin> = new Map(),
): Rescaling {
  const scales = new Map<string, number>(graph.inputs.map((key) => [key, 1]));
  const demands: Demand[] = [];
  for (const step of graph.steps) {
    const visit = new Visit(step, graph.opset, scales, factorOf);
    const found = outputScales(visit);
    const origin = { step, weights: visit.weights, carriers: visit.carriers };
    step.gives.forEach((key, i) => {
      if (key === undefined) return;
      scales.set(key, found[i]);
      origins.set(key, origin);
    });
    demands.push(...visit.demands);
  }
  const outputs = graph.outputs.map(({ name, operand }) => {
    if (operand.kind === "signal") return { name, scale: scales.get(operand.key) ?? 1 };
    const sources = sourcesOf(operand);
    const reader = `the output "${name}"`;
    for (const tensor of "moved" in sources ? sources.moved : sources.computed) {
      demands.push({ tensor, multiplier: 1, reader });
    }
    return { name, scale: 1 };
  });
  return { scales, outputs, demands };
}
