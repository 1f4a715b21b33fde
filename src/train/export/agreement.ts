import { ShapeError, TrainError } from "../errors.ts";
import type { Module } from "../module.ts";
import type { Shape, Variables } from "../types.ts";
import { type Baked, type BakedWeight, usingBaked } from "./bake.ts";
import { largestDifference, outputsFor, sampleBatches } from "./compare.ts";
import type { Emitted } from "./emit.ts";
import { ExportError } from "./errors.ts";
import type { InputKind } from "./graph.ts";
import { type Batch, loadRuntime, type Runner, runnerOf } from "./runner.ts";

/** A network, its variables as trained (lent), and what they were baked to. */
export interface Exported {
  readonly net: Module;
  readonly variables: Variables;
  readonly baked: Baked;
}

/** How far the file's outputs are from the trained network's, and what ran the file. */
export interface Agreement {
  /** The largest difference, as a share of the largest output. */
  readonly difference: number;
  readonly comparedWith: Runner["name"];
}

/** What float32 sums in another order may differ by, as a share of the largest output. */
const ROUNDING = 1e-4;

/** What outputs are compared on, and how far apart they may be, as a share of the largest. */
interface Comparison {
  readonly inputShape: Shape;
  readonly tolerance: number;
}

/**
 * Runs an exported file on random batches beside the network it came from.
 * @throws ExportError when it computes something else than the baked network, or differs from the trained one by more
 * than `tolerance` and the width of the proofs; ShapeError when the network's own numbers do not fit its input.
 */
export async function checkAgreement(
  { bytes, input }: Pick<Emitted, "bytes" | "input">,
  exported: Exported,
  comparison: Comparison,
): Promise<Agreement> {
  const { trained, own, batches } = await bothOutputs(exported, input, comparison.inputShape);
  const runner = await startRunner(bytes);
  try {
    const file: ArrayLike<number>[] = [];
    for (const batch of batches) file.push(await ranOn(runner, batch));
    checkBaked(runner, largestDifference(file, own));
    const difference = largestDifference(file, trained);
    checkTrained(difference, comparison.tolerance, exported.baked.weights);
    return { difference, comparedWith: runner.name };
  } finally {
    await runner.close();
  }
}

/**
 * How far outputs with baked weights are from those of the trained network, on random batches.
 * @throws ExportError when it is more than `tolerance` and the width of the proofs; ShapeError when the network's own numbers do not fit its input.
 */
export async function checkClose(
  exported: Exported,
  input: InputKind,
  { inputShape, tolerance }: Comparison,
): Promise<number> {
  const { trained, own } = await bothOutputs(exported, input, inputShape);
  const difference = largestDifference(own, trained);
  checkTrained(difference, tolerance, exported.baked.weights);
  return difference;
}

async function bothOutputs({ net, variables, baked }: Exported, input: InputKind, inputShape: Shape) {
  const batches = sampleBatches(inputShape, input);
  const trained = await fitting(inputShape, () => outputsFor(net, variables, batches));
  const own = await usingBaked(baked, (marked) => outputsFor(net, marked, batches));
  return { batches, trained, own };
}

async function startRunner(bytes: Uint8Array): Promise<Runner> {
  const runtime = await loadRuntime();
  return runnerOf(bytes, runtime).catch((error: unknown) => {
    throw new ExportError(
      `onnxruntime refuses the exported file, so nothing was written: ${messageOf(error)}`,
    );
  });
}

async function ranOn(runner: Runner, batch: Batch) {
  return runner.run(batch).catch((error: unknown) => {
    throw new ExportError(
      `${runner.name} cannot run the exported file on a batch of ${batch.shape[0]}, so nothing was written: ${messageOf(error)}`,
    );
  });
}

/** @throws ShapeError where jax-js finds that arrays do not fit. */
async function fitting<T>(inputShape: Shape, compute: () => Promise<T>): Promise<T> {
  try {
    return await compute();
  } catch (error) {
    if (error instanceof TrainError) throw error;
    throw new ShapeError(
      `The network cannot be applied to inputs of [${inputShape}] with these params and state: ${messageOf(error)}. ` +
        "Are they those that this network's init made for this inputShape?",
    );
  }
}

function checkBaked(runner: Runner, difference: number): void {
  if (difference <= ROUNDING) return;
  throw new ExportError(
    `In ${runner.name} the exported file computes something else than the network: outputs differ by ` +
      `${percent(difference)} of the largest, more than rounding explains (${percent(ROUNDING)}). Nothing was written. A ` +
      "module whose emit does not match its apply is the cause; please report it if the module is lipschitz's own.",
  );
}

/**
 * Outputs may differ by the tolerance and by what proofs cost: bounds of large convolutions lie a percent or two above σ,
 * and that much a weight shrinks however well it was trained.
 */
function checkTrained(difference: number, tolerance: number, weights: readonly BakedWeight[]): void {
  const proofs = weights.reduce((sum, { shrunkBy, excess }) => sum + Math.max(0, shrunkBy - excess), 0);
  if (difference <= tolerance + proofs) return;
  throw new ExportError(
    `The exported network would differ from the trained one by ${percent(difference)} of its largest output; at most ` +
      `${percent(tolerance + proofs)} is allowed. Nothing was written. ${causeOf(weights)}, or allow more with the option ` +
      "tolerance.",
  );
}

function causeOf(weights: readonly BakedWeight[]): string {
  const [worst] = weights.toSorted((a, b) => b.excess - a.excess);
  if (worst === undefined || worst.excess === 0) {
    return "No weight was above its cap for certain: look for cancellation, outputs far smaller than the layers' own";
  }
  return (
    `${worst.name} is ${percent(worst.excess)} above what its control promises: its power iteration has not converged. ` +
    "Call advance(params, state) a few more times before exporting (project, for a control that acts after the step)"
  );
}

function percent(share: number): string {
  return Number.isNaN(share) ? "an amount that is not finite," : `${Number((100 * share).toPrecision(3))} %`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
