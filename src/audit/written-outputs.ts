import type { FloatType } from "../formats/dtype.ts";
import type { Model, TensorEntry } from "../formats/model.ts";
import type { Network } from "../network/network.ts";
import { type Content, floatTypeOf } from "./content.ts";
import type { NormalizeOptions, NormalizeReport } from "./normalize-schema.ts";
import { compareOutputs, type OutputsReport, pointsFor, runnable } from "./output-change.ts";
import { type Preserved, type PreserveReport, requireGraph } from "./preserve.ts";
import { checkPreserved } from "./preserve-check.ts";
import { deriveSeed } from "./seeds.ts";
import type { ShrinkContext } from "./shrink.ts";

/** Names the random inputs among the seeds; no layer has this number. */
const INPUTS_SEED = 2 ** 32;

/**
 * The network as it was, where outputs are to be kept or compared, with the data looked at: a model that cannot be
 * run, or points that do not fit it, are refused before anything is measured.
 * @throws UsageError, FormatError
 */
export async function runnableOriginal(
  model: Model,
  { preserve, data, inputs }: NormalizeOptions,
  memory: number,
): Promise<Network> {
  if (preserve === true) requireGraph(model);
  const why = preserve === true ? "--preserve" : "--data";
  const network = await runnable(model, why, { inputs, memory });
  if (data !== undefined) await (await pointsFor(network, data)).close();
  return network;
}

/** What running the written file tells. */
export interface Inspection {
  /** Runs the file as written. @throws PromiseError where its outputs are not what they should be. */
  readonly inspect: (written: Model) => Promise<void>;
  /** The report with what was seen. */
  completed(report: NormalizeReport): NormalizeReport;
}

/** @param original the network as it was. */
export function inspectionOf(
  original: Network,
  contents: ReadonlyMap<TensorEntry, Content>,
  preserved: Preserved | null,
  { settings }: ShrinkContext,
  { data, inputs, onProgress }: NormalizeOptions,
): Inspection {
  let checked: PreserveReport["checked"] = null;
  let outputs: OutputsReport | undefined;
  return {
    async inspect(written) {
      const { signal, memory, seed } = settings;
      const renewed = await runnable(written, "normalize", { inputs, memory });
      if (preserved !== null) {
        const { rescaling, graph } = preserved;
        const types = new Set<FloatType>([...contents.keys()].map(floatTypeOf));
        const networks = { old: original, renewed, graph, types, ...rescaling };
        checked = await checkPreserved(networks, deriveSeed(seed, INPUTS_SEED), signal);
      }
      if (data === undefined) return;
      const pointBytes = 8 * (original.inputs[0]?.size ?? 0);
      outputs = await compareOutputs(original, renewed, {
        data,
        scales: new Map(preserved?.rescaling.outputs.map(({ name, scale }) => [name, scale])),
        signal,
        onPoint: (index, count, layer) => {
          const done = { bytes: pointBytes * index, totalBytes: pointBytes * count };
          onProgress?.({ phase: "comparing", layer, index: 0, count: 1, ...done });
        },
      });
    },
    completed: (report) => ({
      ...report,
      ...(report.preserve === undefined ? {} : { preserve: { ...report.preserve, checked } }),
      ...(outputs === undefined ? {} : { outputs }),
    }),
  };
}
