import { tree } from "@jax-js/jax";
import type { CheckpointSource } from "../checkpoint/decode.ts";
import { encodeCheckpoint } from "../checkpoint/encode.ts";
import { type Restored, restoreRun, restoreWeights } from "../checkpoint/restore.ts";
import type { DataArray } from "../data/arrays.ts";
import { TrainError } from "../errors.ts";
import { writeBytes } from "../export/write.ts";
import { type History, HistoryRecorder } from "../monitor/history.ts";
import { type WeightMonitor, weightMonitor } from "../monitor/monitor.ts";
import type { Shape, Tensor, Tree, Variables } from "../types.ts";
import type { WeightUse } from "../weight.ts";
import { checkFinite } from "./divergence.ts";
import { checkBatch, checkInputs, checkLabels, checkNumbers, type FeedBatch, feed } from "./feed.ts";
import { namedLeaves } from "./names.ts";
import { type CheckedOptions, checkTrainerOptions, type TrainerOptions } from "./options.ts";
import { runSize, sliceOf } from "./predict.ts";
import { compilePrograms, type Programs } from "./programs.ts";
import { type StepReport, unpackReport } from "./report.ts";
import { runLent } from "./run-lent.ts";
import { startingCarry } from "./start.ts";
import type { BatchTensors, Carry } from "./train-step.ts";

/** Steps of a power iteration that finds σ₁ of trained weights, from vectors of others, to about a thousandth. */
const SETTLING_STEPS = 100;

/** What came of one step. */
export interface StepResult {
  /** The number of the step, from 0. */
  readonly step: number;
  /** The loss, penalty included, before the step. */
  readonly loss: number;
  /** The norm of its gradient over all parameters, before clipping. */
  readonly gradientNorm: number;
}

/**
 * Trains a network: one compiled function advances the controls, computes loss and gradient, moves the parameters and projects
 * them. It owns every array it makes; calls are carried out one after another, in the order they were made.
 */
export class Trainer {
  readonly #options: CheckedOptions;
  readonly #outputShape: Shape;
  readonly #uses: readonly WeightUse[];
  readonly #parameters: readonly string[];
  readonly #programs: Programs;
  readonly #history: HistoryRecorder;
  #carry: Carry;
  #steps = 0;
  #lastReport: StepReport | undefined;
  #checkpoint: string | null = null;
  #isDisposed = false;
  #disposal: Promise<void> | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(options: CheckedOptions) {
    const { net, inputShape, device, threads } = options;
    this.#options = options;
    this.#outputShape = net.outputShape(inputShape);
    this.#uses = net.weights(inputShape);
    const monitor: WeightMonitor | null = options.every === null ? null : weightMonitor(this.#uses);
    this.#programs = compilePrograms(
      { ...options, monitor },
      { device, ...(threads === undefined ? {} : { threads }) },
    );
    this.#carry = startingCarry(options, monitor);
    this.#parameters = namedLeaves(this.#carry.params).map(({ name }) => name);
    this.#history = new HistoryRecorder(monitor?.names ?? [], options.every);
  }

  /** The parameters, lent until the next step: for `exportOnnx`, `bound`. Write `.ref` to keep an array longer. */
  get params(): Tree {
    return this.#carry.params;
  }

  /** The state of the network (vectors of controls, averages), lent until the next step. */
  get state(): Tree {
    return this.#carry.state;
  }

  /** Steps taken so far, those before a resumed checkpoint included: the number of the next step. */
  get steps(): number {
    return this.#steps;
  }

  /** What the monitor recorded since this trainer was made; empty series without one. */
  get history(): History {
    return this.#history;
  }

  /**
   * One step of the optimiser on a batch. Arrays of jax-js or of compiled functions in it are lent.
   * @throws DivergenceError when the loss or a parameter is no longer finite (the parameters stay those from before);
   * ShapeError, TrainError for a batch that does not fit, labels included; what the compiler throws for a loss that cannot be compiled.
   */
  step(batch: FeedBatch): Promise<StepResult> {
    return this.#inTurn(() => this.#step(batch));
  }

  /**
   * The network's outputs for inputs { data, shape } of any number, in evaluation mode: [examples, ...output].
   * @throws ShapeError when the inputs do not fit; TrainError for anything but plain numbers with their shape.
   */
  predict(x: DataArray): Promise<DataArray> {
    return this.#inTurn(() => this.#predict(x));
  }

  /** The whole of the run, as the bytes of a checkpoint file. */
  checkpoint(): Promise<Uint8Array> {
    return this.#inTurn(() => encodeCheckpoint(this.#carry, this.#steps));
  }

  /**
   * Writes a checkpoint, whole or not at all, in place of one that was there.
   * @throws WriteError when it cannot be written.
   */
  save(path: string): Promise<void> {
    return this.#inTurn(async () => {
      await writeBytes(path, await encodeCheckpoint(this.#carry, this.#steps));
      this.#checkpoint = path;
    });
  }

  /**
   * Goes on from a checkpoint (a path, or bytes): with the same batches, every later step is the one that a run never stopped
   * would have made. Vectors of controls that the file lacks are estimated from its weights, which hard controls then project.
   * @throws CheckpointError naming what differs when the file does not fit this network, FormatError when it cannot be read;
   * the trainer is then as it was.
   */
  resume(source: CheckpointSource): Promise<void> {
    return this.#inTurn(async () => {
      const restored = await restoreRun(source, this.#carry, this.#uses);
      await this.#continueFrom(restored);
      this.#checkpoint = typeof source === "string" ? source : null;
    });
  }

  /**
   * Starts a new run from the weights of a checkpoint, or of a safetensors file whose names are paths ("1.runningMean") or
   * PyTorch's ("1.running_mean"), such as exportSafetensors writes: step 0, a fresh optimiser, vectors of controls estimated from the weights, and the weights moved into what hard controls allow.
   * @throws CheckpointError, FormatError, as `resume`.
   */
  load(source: CheckpointSource): Promise<void> {
    return this.#inTurn(async () => {
      await this.#continueFrom(await restoreWeights(source, this.#carry, this.#uses));
      const fresh = await this.#programs.restart(tree.ref(this.#carry.params));
      this.#replace({ optimizer: fresh });
      this.#checkpoint = null;
    });
  }

  /** Frees every array and compiled function, once the calls before it have ended. */
  dispose(): Promise<void> {
    this.#disposal ??= this.#inTurn(async () => {
      this.#isDisposed = true;
      tree.dispose(this.#carry as never);
      for (const program of Object.values(this.#programs)) program.dispose();
    });
    return this.#disposal;
  }

  async #step(batch: FeedBatch): Promise<StepResult> {
    checkBatch("step", batch, this.#options.inputShape);
    checkLabels("step", batch, this.#outputShape);
    const given = feed(batch);
    const next = await runLent(this.#carry, given as never, (carry, arrays) =>
      this.#programs.step(carry as Carry, arrays as BatchTensors),
    );
    const step = this.#steps;
    const report = unpackReport(await next.report.data(), this.#parameters.length);
    try {
      checkFinite(report, {
        step,
        batch,
        parameters: this.#parameters,
        before: this.#lastReport,
        checkpoint: this.#checkpoint,
      });
    } catch (error) {
      tree.dispose(next.carry as never);
      throw error;
    }
    this.#replace(next.carry);
    this.#history.record(step, report);
    this.#lastReport = report;
    this.#steps++;
    return { step, loss: report.loss, gradientNorm: report.gradientNorm };
  }

  async #predict(x: DataArray): Promise<DataArray> {
    const { inputShape } = this.#options;
    checkNumbers("predict", "x", x);
    checkInputs("predict", x.shape, inputShape);
    const examples = x.shape[0];
    const outputShape = this.#outputShape;
    const width = outputShape.reduce((product, n) => product * n, 1);
    const data = new Float32Array(examples * width);
    const size = runSize(examples);
    for (let start = 0; start < examples; start += size) {
      const inputs = feed({ x: sliceOf(x, start, size) });
      const { params, state } = this.#carry;
      const outputs = await runLent({ params, state }, inputs.x as never, (variables, part) =>
        this.#programs.predict(variables as unknown as Variables, part as Tensor),
      );
      const computed = await outputs.data();
      data.set(computed.subarray(0, (examples - start) * width) as Float32Array, start * width);
    }
    return { data, shape: [examples, ...outputShape] };
  }

  async #continueFrom({ carry, steps, needsEstimates }: Restored): Promise<void> {
    this.#replace(carry);
    this.#steps = steps;
    this.#lastReport = undefined;
    if (!needsEstimates) return;
    for (let i = 0; i < SETTLING_STEPS; i++) {
      const { params, state } = this.#carry;
      this.#replace(await this.#programs.settle(tree.ref({ params, state })));
    }
  }

  /** Takes over parts of the carry in the place of those held. */
  #replace(parts: Partial<Carry>): void {
    const replaced = { ...this.#carry, ...parts };
    for (const name of Object.keys(parts) as (keyof Carry)[]) tree.dispose(this.#carry[name] as never);
    this.#carry = replaced;
  }

  /** Runs a task when those before it have ended, whether they failed or not. */
  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(() => {
      if (this.#isDisposed) throw new TrainError("This trainer was disposed; create another one.");
      return task();
    });
    this.#queue = turn.catch(() => undefined);
    return turn;
  }
}

/**
 * A trainer for a network, its parameters drawn from `seed`.
 * @throws TrainError for options that are unknown, missing or out of range; ShapeError when `inputShape` does not fit.
 */
export function createTrainer(options: TrainerOptions): Trainer {
  return new Trainer(checkTrainerOptions(options));
}
