import type { Model, TensorEntry } from "../formats/model.ts";
import { isDerived } from "../network/derived.ts";
import type { Rescaling } from "../network/homogeneity.ts";
import { type SignalGraph, signalGraph } from "../network/homogeneity-graph.ts";
import { sameScale } from "../network/homogeneity-visit.ts";
import type { Content } from "./content.ts";
import { UsageError } from "./errors.ts";
import type { PlanOptions } from "./plan.ts";
import { type AlignOptions, alignChanges } from "./preserve-align.ts";
import { constantFactors } from "./preserve-constants.ts";
import { scaledContent } from "./scaled.ts";
import type { Problem } from "./schema.ts";
import type { Change, ShrinkContext } from "./shrink.ts";

/** How the new network's outputs follow from the old one's (`--preserve`). */
export interface PreserveReport {
  /** new output = scale × old output, up to the rounding of the stored numbers; null where outputs have their own. */
  readonly scale: number | null;
  /** One per output of the graph. */
  readonly outputs: readonly { readonly name: string; readonly scale: number }[];
  /** Biases and other constants that were multiplied along with the weights. */
  readonly constants: readonly { readonly tensor: string; readonly factor: number }[];
  /**
   * Both files run on random inputs: the largest ‖new − scale·old‖/‖scale·old‖ seen. Measured, no bound. null until
   * written.
   */
  readonly checked: { readonly inputs: number; readonly difference: number } | null;
}

/** New biases for changed weights, and what they make of the network. */
export interface Preserved {
  /** New elements of biases and other constants. */
  readonly contents: ReadonlyMap<TensorEntry, Content>;
  readonly report: PreserveReport;
  readonly problems: readonly Problem[];
  readonly graph: SignalGraph;
  readonly rescaling: Rescaling;
}

/** @throws UsageError for a model without a graph. */
export function requireGraph(model: Model): void {
  if (model.onnx !== undefined) return;
  throw new UsageError(
    `--preserve needs to know how layers are connected, which files of this format (${model.format}) do not say`,
    "Export the model to ONNX, or do without --preserve.",
  );
}

/**
 * Multiplies what a network adds (biases, means, bounds of Clip, …) along with its weights, so that its outputs are
 * the old ones times a constant. Weights on one side of a join may be lowered for it.
 * @returns the changes, some of them lowered further; `preserved` is null where a change keeps no promise.
 * @throws UsageError where the outputs cannot be multiples of the old ones, naming the node.
 */
export async function preserveOutputs(
  context: ShrinkContext,
  model: Model,
  changes: readonly Change[],
  options: AlignOptions & { readonly inputs: PlanOptions["inputs"] },
): Promise<{ readonly changes: readonly Change[]; readonly preserved: Preserved | null }> {
  const graph = await signalGraph(model, options.inputs);
  const { changes: aligned, rescaling } = await alignChanges(context, graph, changes, options);
  if (rescaling === undefined) return { changes: aligned, preserved: null };
  const weights = new Map(
    aligned.flatMap(({ group, factor }) =>
      group.entries.filter((e) => !isDerived(e)).map((entry) => [entry, factor ?? 1] as const),
    ),
  );
  const { factors, problems } = await constantFactors(model, rescaling.demands, weights);
  const contents = new Map(
    [...factors].map(([entry, factor]) => [entry, scaledContent(entry, factor, "nearest")] as const),
  );
  const { outputs } = rescaling;
  const [first] = outputs;
  const common = first !== undefined && outputs.every(({ scale }) => sameScale(scale, first.scale));
  const report: PreserveReport = {
    scale: common ? first.scale : null,
    outputs,
    constants: [...factors].map(([{ name }, factor]) => ({ tensor: name, factor })),
    checked: null,
  };
  return { changes: aligned, preserved: { contents, report, problems, graph, rescaling } };
}
