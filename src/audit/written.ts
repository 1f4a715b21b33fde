import type { Model, TensorEntry } from "../formats/model.ts";
import { openModel } from "../formats/open.ts";
import type { WeightPlan, WeightUse } from "../network/use.ts";
import { stageFiles } from "../platform/staging.ts";
import type { Content } from "./content.ts";
import { PromiseError } from "./errors.ts";
import type { WeightGroup } from "./groups.ts";
import { boundOf } from "./network-factor.ts";
import type { NormalizeProgress } from "./normalize-schema.ts";
import { type PlanOptions, planModel } from "./plan.ts";
import { type Change, type GroupMeasurement, measureGroup, type ShrinkContext } from "./shrink.ts";

/** What the written file is certified to keep. */
export interface Claim {
  readonly changes: readonly Change[];
  readonly to: number;
  readonly network: number | undefined;
  /** Input sizes that the input's plan was made with. */
  readonly inputs: PlanOptions["inputs"];
  /** Looks at the copy once its norms are right. */
  readonly inspect: ((written: Model) => Promise<void>) | undefined;
}

type Report = ((progress: NormalizeProgress) => void) | undefined;

/**
 * Writes every file of the changed model to a staging folder, opens the copy as any reader would, measures all
 * selected weights in it, and only then gives the files their names.
 */
export async function certifyAndPlace(
  context: ShrinkContext,
  model: Model,
  plan: WeightPlan,
  contents: ReadonlyMap<TensorEntry, Content>,
  claim: Claim,
  outPath: string,
  onProgress: Report,
): Promise<void> {
  const { signal } = context.settings;
  const replace = (entry: TensorEntry) => contents.get(entry)!.read(0, entry.byteLength);
  const files = model.rewrite(new Set(contents.keys()), replace);
  const totalBytes = model.sources.reduce((sum, source) => sum + source.byteLength, 0);
  const stage = await stageFiles(outPath, {
    names: files.map((file) => file.relativeName),
    inputs: model.sources.map((source) => source.name),
  });
  try {
    let bytes = 0;
    for (const [index, file] of files.entries()) {
      const layer = file.relativeName || outPath;
      await stage.write(
        file.relativeName,
        watched(file.chunks(), signal, (n) => {
          bytes += n;
          onProgress?.({ phase: "writing", layer, index, count: files.length, bytes, totalBytes });
        }),
      );
    }
    await certify(context, plan, claim, stage.mainPath, onProgress);
    signal?.throwIfAborted();
    await stage.place();
  } finally {
    await stage.discard();
  }
}

async function* watched(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    onBytes(chunk.length);
    yield chunk;
  }
}

/** @throws PromiseError when the file as written does not keep the promise. */
async function certify(
  context: ShrinkContext,
  plan: WeightPlan,
  claim: Claim,
  path: string,
  onProgress: Report,
): Promise<void> {
  const written = await openModel(path);
  try {
    const again = await planModel(written, { inputs: claim.inputs });
    if (again.uses.length !== plan.uses.length) {
      throw new PromiseError("the file as written has other layers than the input; nothing was kept");
    }
    const twin = new Map<WeightUse, WeightUse>(plan.uses.map((use, i) => [use, again.uses[i]!]));
    const groups = claim.changes.map(({ group }) => twinGroup(group, twin));
    const measured = await measureWritten(context, again, groups, claim, onProgress);
    const bound = claim.network === undefined ? null : boundOf(context, again, groups, measured).upper;
    if (claim.network !== undefined && !(bound !== null && bound <= claim.network)) {
      throw new PromiseError(`the file as written has the network bound ${bound}, above ${claim.network}`);
    }
    await claim.inspect?.(written);
  } finally {
    await written.close();
  }
}

async function measureWritten(
  context: ShrinkContext,
  plan: WeightPlan,
  groups: readonly WeightGroup[],
  claim: Claim,
  onProgress: Report,
): Promise<GroupMeasurement[]> {
  const sizes = groups.map((group) => group.uses.length * group.entries[0]!.byteLength);
  const totalBytes = sizes.reduce((a, b) => a + b, 0);
  const measured: GroupMeasurement[] = [];
  let bytes = 0;
  for (const [index, group] of groups.entries()) {
    context.settings.signal?.throwIfAborted();
    const layer = group.uses[0]!.name;
    const onBytes = (n: number) => {
      bytes = Math.min(totalBytes, bytes + n);
      onProgress?.({ phase: "certifying", layer, index, count: groups.length, bytes, totalBytes });
    };
    // The same random start as when these numbers were accepted: equal bytes give equal bounds.
    const { attempt } = claim.changes[index]!.after;
    const own = { ...context, indexOf: (use: WeightUse) => plan.uses.indexOf(use), onBytes };
    const result = await measureGroup(own, group, group.entries[0]!, attempt);
    if (claim.network === undefined && !(result.upper !== null && result.upper <= claim.to)) {
      throw new PromiseError(`${layer}: as written its upper bound is ${result.upper}, above ${claim.to}`);
    }
    measured.push(result);
  }
  return measured;
}

function twinGroup(group: WeightGroup, twin: ReadonlyMap<WeightUse, WeightUse>): WeightGroup {
  const uses = group.uses.map((use) => twin.get(use)!);
  return { uses, entries: [...new Set(uses.map((use) => use.weight))] };
}
