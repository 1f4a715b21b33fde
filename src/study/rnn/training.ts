import { type CompiledFunction, compile, type NativeArray, toNative } from "../../compile.ts";
import type { RandomStream } from "../../linalg/random.ts";
import { type DataArray, DivergenceError, type Tensor, type Trainer } from "../../train.ts";
import { mean } from "../statistics.ts";
import type { SequenceBatch, SequenceTask } from "./tasks.ts";

/** How well a network answers. */
export interface Score {
  readonly loss: number;
  readonly accuracy: number;
}

/** Scores the network that a trainer holds; keeps a compiled function until it is disposed. */
export interface Scorer {
  score(trainer: Trainer, batch: SequenceBatch): Promise<Score>;
  dispose(): void;
}

export function scorer(task: SequenceTask): Scorer {
  const lossOf: CompiledFunction<[Tensor, Tensor], NativeArray> = compile((outputs: Tensor, y: Tensor) =>
    task.loss(outputs, y),
  );
  return {
    async score(trainer, { x, y }) {
      const outputs = await trainer.predict(x);
      const [loss] = await (await lossOf(native(outputs), native(y))).data();
      return { loss: Number(loss), accuracy: task.accuracy(outputs, y) };
    },
    dispose: () => lossOf.dispose(),
  };
}

/** Plain numbers as an array for compiled functions. */
export function native({ data, shape }: DataArray): NativeArray {
  return toNative(data as Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>, [...shape]);
}

export interface TrainingOptions {
  /** Steps of the optimiser at most. */
  readonly steps: number;
  /** Sequences per step. */
  readonly batch: number;
  /** Of the training sequences. */
  readonly random: RandomStream;
  /** Asked now and then whether the network is good enough to stop. Default: never stop before the end. */
  readonly isSolved?: (() => Promise<boolean>) | undefined;
  readonly onStep?: (done: number) => void;
}

/** What happened while a network trained. */
export interface Training {
  /** The mean loss of training batches, each drawn afresh, over stretches of equal length; x is the end of a stretch. */
  readonly curve: { readonly x: number[]; readonly y: number[] };
  /** Steps after which the network was found good enough; null where it never was. */
  readonly solvedAt: number | null;
  /** The loss or a weight was not finite any more; the trainer holds the weights from before. */
  readonly brokeDown: boolean;
}

/** Steps between questions whether a task is solved, which are asked only while the loss is below that share of the memoryless one. */
const CHECK_EVERY = 50;
const CHECK_BELOW = 0.6;
/** Stretches of a loss curve. */
const STRETCHES = 100;

/** Trains on sequences drawn afresh until the task is solved or the steps are used up. */
export async function trainOn(
  task: SequenceTask,
  trainer: Trainer,
  { steps, batch, random, isSolved, onStep }: TrainingOptions,
): Promise<Training> {
  const stretch = Math.ceil(steps / STRETCHES);
  const losses: number[] = [];
  let [solvedAt, brokeDown]: [number | null, boolean] = [null, false];
  while (losses.length < steps && solvedAt === null) {
    try {
      losses.push((await trainer.step(task.draw(random, batch))).loss);
    } catch (error) {
      if (!(error instanceof DivergenceError)) throw error;
      brokeDown = true;
      break;
    }
    const done = losses.length;
    onStep?.(done);
    if (isSolved === undefined || done % CHECK_EVERY !== 0) continue;
    const recent = mean(losses.slice(-CHECK_EVERY))!;
    if (recent < CHECK_BELOW * task.memoryless && (await isSolved())) solvedAt = done;
  }
  const starts = Array.from({ length: Math.ceil(losses.length / stretch) }, (_, i) => i * stretch);
  const curve = {
    x: starts.map((start) => start + stretch),
    y: starts.map((start) => mean(losses.slice(start, start + stretch))!),
  };
  return { curve, solvedAt, brokeDown };
}
