import { checkCount, checkOptions } from "../checks.ts";
import { ShapeError, TrainError } from "../errors.ts";
import { checkClasses, checkedArray, type DataArray, type GivenArray } from "./arrays.ts";
import { type Batch, type Batches, type BatchesOptions, shuffledBatches } from "./batches.ts";

export interface DatasetOptions {
  /** How many classes the whole numbers in `y` tell apart; required when y holds whole numbers. */
  readonly classes?: number;
}

/** Examples that were checked: arrays of one length, float32 without NaN or infinities, labels within their classes. */
export interface Dataset {
  /** How many examples. */
  readonly size: number;
  /** All of them, as one batch. */
  readonly all: Batch;
  /**
   * Shuffled batches of a size.
   * @throws TrainError when there are fewer examples than a batch has, or options do not fit.
   */
  batches(options: BatchesOptions): Batches;
}

/**
 * Examples to train on: arrays by name, `x` the inputs and `y` the targets of supervised learning, each { data, shape } with
 * examples along the first axis. Data are copied and checked here once, so that no step has to.
 * @throws ShapeError when lengths or shapes disagree; TrainError for NaN, infinities, labels out of range.
 */
export function dataset(arrays: Readonly<Record<string, GivenArray>>, options: DatasetOptions = {}): Dataset {
  checkOptions("dataset", options, ["classes"]);
  if (!arrays || !("x" in arrays)) {
    throw new TrainError(
      "dataset takes arrays by name, and x, the inputs, is not among them: dataset({ x, y }).",
    );
  }
  const checked = Object.fromEntries(
    Object.entries(arrays).map(([name, given]) => [name, checkedArray(name, given)]),
  );
  const size = checked.x.shape[0];
  for (const [name, { shape }] of Object.entries(checked)) {
    if (shape[0] === size) continue;
    throw new ShapeError(`dataset: x holds ${size} examples, but ${name} holds ${shape[0]}.`);
  }
  const all: Batch = checked.y ? { ...checked, y: withClasses(checked.y, options.classes) } : checked;
  return { size, all, batches: (batchOptions) => shuffledBatches(all, size, batchOptions) };
}

function withClasses(y: DataArray, classes: number | undefined): DataArray {
  if (classes === undefined) {
    if (y.data instanceof Float32Array) return y;
    throw new TrainError(
      "dataset: y holds whole numbers; say how many classes they tell apart: dataset({ x, y }, { classes: 10 }).",
    );
  }
  checkCount("dataset", "classes", classes);
  if (!(y.data instanceof Int32Array)) {
    throw new TrainError(
      "dataset: classes was given, but y holds real numbers. Give labels as an Int32Array.",
    );
  }
  checkClasses("dataset", "y", y.data, classes);
  return { ...y, classes };
}
