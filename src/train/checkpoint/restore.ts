import { torchName } from "../export/torch-names.ts";
import type { Carry } from "../trainer/train-step.ts";
import type { WeightUse } from "../weight.ts";
import { CheckpointError } from "./checkpoint-error.ts";
import { type CheckpointSource, usingWeights } from "./decode.ts";
import { fitted } from "./fit.ts";

/** What was restored; the caller's. */
export interface Restored {
  readonly carry: Carry;
  /** Steps that had been taken. */
  readonly steps: number;
  /** Whether vectors of controls were missing, so that they must be estimated again. */
  readonly needsEstimates: boolean;
}

/**
 * The whole of a run from its checkpoint. Lends `carry`, whose vectors of penalty and monitor are kept where the file has
 * none: they are estimates, and may be switched on for the rest of a run.
 * @throws CheckpointError for a file that is no checkpoint or does not fit; FormatError for one that cannot be read.
 */
export async function restoreRun(
  source: CheckpointSource,
  carry: Carry,
  uses: readonly WeightUse[],
): Promise<Restored> {
  const isEstimate = estimates(uses);
  return usingWeights(source, async (weights) => {
    if (weights.steps === null) {
      throw new CheckpointError(
        `${weights.name} is not a checkpoint of a run: it holds weights alone. Take them up with load(), which starts a new run.`,
      );
    }
    const { tree, missing } = await fitted(weights, carry, {
      namesOf: (path) => [path],
      isOptional: (path) => isObserver(path) || isEstimate(path),
      isUnexpected: (name) => !isObserver(name),
    });
    return { carry: tree as Carry, steps: weights.steps, needsEstimates: missing.some(isEstimate) };
  });
}

/**
 * Parameters (and averages of normalisation layers) from a checkpoint, or from any safetensors file with names that are the paths
 * of this network's arrays, or PyTorch's for them, as exportSafetensors writes. Lends `carry`; everything else in it is kept.
 * @throws CheckpointError for a file that does not fit; FormatError for one that cannot be read.
 */
export async function restoreWeights(
  source: CheckpointSource,
  carry: Carry,
  uses: readonly WeightUse[],
): Promise<Restored> {
  const isEstimate = estimates(uses);
  const namesIn = (path: string) => {
    const withoutPart = path.slice(path.indexOf(".") + 1);
    return [path, withoutPart, torchName(withoutPart)];
  };
  const isWeight = (path: string) => /^(params|state)\./.test(path) && !isEstimate(path);
  return usingWeights(source, async (weights) => {
    const { tree } = await fitted(weights, carry, {
      namesOf: (path) => (isWeight(path) ? namesIn(path) : []),
      isOptional: (path) => !isWeight(path),
      isUnexpected: (name) => weights.steps === null || /^params\./.test(name),
    });
    return { carry: tree as Carry, steps: 0, needsEstimates: true };
  });
}

/** Vectors of penalty and monitor. */
function isObserver(path: string): boolean {
  return /^(penalty|monitor)\b/.test(path);
}

/** Tells which paths of a carry hold what a control estimates of its weight. */
function estimates(uses: readonly WeightUse[]): (path: string) => boolean {
  const prefixes = uses.map(({ path, slot }) => `${["state", ...path, slot.name].join(".")}.`);
  return (path) => prefixes.some((prefix) => path.startsWith(prefix));
}
