import { checkOptions, checkPositive } from "../checks.ts";
import { ShapeError, TrainError } from "../errors.ts";
import type { Shape } from "../types.ts";

/** Where a long export is. */
export interface ExportProgress {
  readonly phase: "baking" | "comparing" | "auditing" | "writing";
  /** The weight being baked. */
  readonly layer?: string;
  /** Its place, from 0, among `count` weights. */
  readonly index?: number;
  readonly count?: number;
}

/** How a network is exported. */
export interface ExportOptions {
  /** The shape of one input, without the batch axis. */
  readonly inputShape: Shape;
  /** Where the file goes; it appears whole or not at all, in the place of one that was there. Without it only bytes are made. */
  readonly path?: string;
  /** How far exported outputs may be from the trained network's, as a share of the largest; default 0.02. */
  readonly tolerance?: number;
  readonly onProgress?: ((progress: ExportProgress) => void) | undefined;
}

const TOLERANCE = 0.02;

/** The options with their defaults. @throws TrainError, ShapeError for those that make no sense. */
export function checkExportOptions(what: string, options: ExportOptions) {
  checkInputShape(what, options);
  checkOptions(what, options, ["inputShape", "path", "tolerance", "onProgress"]);
  const { inputShape, path, tolerance = TOLERANCE, onProgress } = options;
  if (path !== undefined && (typeof path !== "string" || path === "")) {
    throw new TrainError(`${what}: path must be a file's name; got ${JSON.stringify(path)}.`);
  }
  return { inputShape, path, onProgress, tolerance: checkPositive(what, "tolerance", tolerance) };
}

/** @throws ShapeError unless the options give a shape. */
export function checkInputShape(what: string, options: { readonly inputShape: Shape }): void {
  const shape: unknown = options?.inputShape;
  if (Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 1)) return;
  throw new ShapeError(
    `${what} needs the option inputShape, the shape of one input without the batch axis, as in { inputShape: [784] }; ` +
      `got ${JSON.stringify(shape) ?? "none"}.`,
  );
}
