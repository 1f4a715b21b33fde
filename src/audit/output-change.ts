import type { Points } from "../formats/data/points.ts";
import { readPoints } from "../formats/data/points.ts";
import type { Model } from "../formats/model.ts";
import { forward, outputsOf } from "../network/evaluate.ts";
import { type ImportOptions, importOnnx } from "../network/import-onnx.ts";
import { type Network, NetworkError } from "../network/network.ts";
import { pacer } from "./certify-pause.ts";
import { UsageError } from "./errors.ts";
import { pointShape } from "./point-shape.ts";

/** Where points are: a path (Node), a Blob or File, or bytes. They are opened twice. */
export type PointsSource = string | Blob | Uint8Array;

/**
 * Points that outputs are compared on. Two runs of a small convolutional network take milliseconds, of a large one
 * seconds; medians over five hundred say as much as over fifty thousand.
 */
export const MAX_COMPARED_POINTS = 500;

/** How the outputs of a network changed over some points, with the old ones multiplied by `scales`. Measured, no bound. */
export interface OutputsReport {
  readonly file: string;
  /** Points compared: the file's first. */
  readonly points: number;
  /** Points in the file. */
  readonly total: number;
  /** What the old outputs were multiplied by before they were compared, one per output; 1 without `preserve`. */
  readonly scales: readonly { readonly name: string; readonly scale: number }[];
  /** ‖new − scale·old‖/‖scale·old‖ over all outputs of a point; null where an output is not finite or was zero. */
  readonly change: { readonly median: number | null; readonly max: number | null };
  /** Share of points whose largest score stays the same; null unless the output is one vector of scores. */
  readonly argmaxKept: number | null;
}

/**
 * The network of an ONNX model, for running it.
 * @param why the option that needs it, for the error.
 * @throws UsageError for another model, naming the node that cannot be run.
 */
export async function runnable(model: Model, why: string, options: ImportOptions): Promise<Network> {
  const [{ name: file }] = model.sources as readonly [Model["sources"][0]];
  if (model.onnx === undefined) {
    throw new UsageError(
      `${why} runs the network, and files of this format (${model.format}) do not say how layers are connected`,
      `Export the model to ONNX, or leave out ${why}.`,
    );
  }
  try {
    return await importOnnx(model, options);
  } catch (error) {
    if (!(error instanceof NetworkError)) throw error;
    throw new UsageError(`${why} runs the network, which is not possible here: ${file}: ${error.message}`);
  }
}

/**
 * The points of a file for a network of one input.
 * @throws UsageError for a network of several inputs; FormatError when the file does not hold such points.
 */
export async function pointsFor(network: Network, data: PointsSource): Promise<Points> {
  return readPoints(data, pointShape(network));
}

/** What comparing needs besides the networks. */
export interface CompareOptions {
  readonly data: PointsSource;
  /** By output name; 1 where absent. */
  readonly scales: ReadonlyMap<string, number>;
  readonly signal: AbortSignal | undefined;
  readonly onPoint?: (index: number, count: number, file: string) => void;
}

/**
 * Runs two networks of the same form on the first points of a file.
 * @throws FormatError when a point cannot be read; the signal's reason when aborted.
 */
export async function compareOutputs(
  old: Network,
  renewed: Network,
  { data, scales, signal, onPoint }: CompareOptions,
): Promise<OutputsReport> {
  const points = await pointsFor(old, data);
  const wanted = old.outputs.map(({ name }) => ({ name, scale: scales.get(name) ?? 1 }));
  const factors = wanted.map(({ scale }) => scale);
  const pause = pacer(signal);
  try {
    const count = Math.min(points.count, MAX_COMPARED_POINTS);
    const changes: number[] = [];
    let kept = 0;
    for (let index = 0; index < count; index++) {
      await pause();
      onPoint?.(index, count, points.file);
      const x = [await points.read(index, index + 1)];
      const before = outputsOf(old, forward(old, x));
      await pause();
      const after = outputsOf(renewed, forward(renewed, x));
      changes.push(relativeChange(before, after, factors));
      if (argmax(before[0]!) === argmax(after[0]!)) kept += 1;
    }
    return {
      file: points.file,
      points: count,
      total: points.count,
      scales: wanted,
      change: { median: finite(median(changes)), max: finite(Math.max(...changes)) },
      argmaxKept: givesScores(old) ? kept / count : null,
    };
  } finally {
    await points.close();
  }
}

/** ‖new − scale·old‖/‖scale·old‖ over all outputs together; 0 where nothing changed. */
export function relativeChange(
  before: readonly Float64Array[],
  after: readonly Float64Array[],
  scales: readonly number[],
): number {
  let moved = 0;
  let size = 0;
  before.forEach((old, o) => {
    for (let i = 0; i < old.length; i++) {
      const wanted = scales[o]! * old[i]!;
      moved = Math.hypot(moved, after[o]![i]! - wanted);
      size = Math.hypot(size, wanted);
    }
  });
  return moved === 0 ? 0 : moved / size;
}

function argmax(x: Float64Array): number {
  return x.reduce((best, value, i) => (value > x[best]! ? i : best), 0);
}

/** True for one output that is one vector of at least two numbers. */
function givesScores({ outputs }: Network): boolean {
  const [output] = outputs;
  return (
    outputs.length === 1 &&
    output !== undefined &&
    output.ref.size >= 2 &&
    output.shape.at(-1) === output.ref.size
  );
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function finite(x: number): number | null {
  return Number.isFinite(x) ? x : null;
}
