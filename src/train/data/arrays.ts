import { ShapeError, TrainError } from "../errors.ts";
import type { Shape } from "../types.ts";

/** Numbers with their shape, row-major, the first axis counting examples. */
export interface DataArray {
  readonly data: Float32Array | Int32Array;
  readonly shape: Shape;
  /** For class numbers: how many classes there are. */
  readonly classes?: number;
}

/** What may be given as an array of a dataset: any typed array of numbers, with its shape (one axis if left out). */
export interface GivenArray {
  readonly data:
    | Float32Array
    | Float64Array
    | Int32Array
    | Uint32Array
    | Int16Array
    | Uint16Array
    | Int8Array
    | Uint8Array
    | Uint8ClampedArray;
  readonly shape?: Shape;
}

const INTEGERS = [Int32Array, Uint32Array, Int16Array, Uint16Array, Int8Array, Uint8Array, Uint8ClampedArray];

/**
 * The array in a type that networks take, float32 or int32, checked.
 * @throws ShapeError when data and shape disagree; TrainError for anything that is not numbers, NaN, infinities, and whole
 * numbers beyond int32.
 */
export function checkedArray(name: string, given: GivenArray): DataArray {
  const data = given?.data;
  if (data instanceof Float32Array || data instanceof Float64Array) {
    const numbers = Float32Array.from(data);
    checkFinite(name, data, numbers);
    return { data: numbers, shape: checkedShape(name, given, data.length) };
  }
  if (INTEGERS.some((Integers) => data instanceof Integers)) {
    const numbers = Int32Array.from(data);
    const beyond = numbers.findIndex((n, i) => n !== data[i]);
    if (beyond >= 0) {
      throw new TrainError(
        `dataset: ${name} holds ${data[beyond]} (element ${beyond}), which is not an int32.`,
      );
    }
    return { data: numbers, shape: checkedShape(name, given, data.length) };
  }
  throw new TrainError(
    `dataset: ${name} must be { data, shape } with data a typed array of numbers, such as a Float32Array; got ${describe(given)}.`,
  );
}

/** @throws TrainError when a class number is negative or not below `classes`. */
export function checkClasses(what: string, name: string, data: DataArray["data"], classes: number): void {
  const wrong = data.findIndex((label) => label < 0 || label >= classes);
  if (wrong < 0) return;
  throw new TrainError(
    `${what}: label ${wrong} of ${name} is ${data[wrong]}; with ${classes} classes labels are 0 to ${classes - 1}.`,
  );
}

/** The position of the first NaN or infinity, or −1. */
export function firstNotFinite(data: ArrayLike<number>): number {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return i;
  return -1;
}

function checkFinite(name: string, given: ArrayLike<number>, numbers: Float32Array): void {
  const wrong = firstNotFinite(numbers);
  if (wrong < 0) return;
  const reason = Number.isFinite(given[wrong])
    ? `${given[wrong]}, which is infinite in float32`
    : `${given[wrong]}`;
  throw new TrainError(
    `dataset: ${name} holds ${reason} (element ${wrong} of ${given.length}). Remove or replace such examples first.`,
  );
}

function checkedShape(name: string, given: GivenArray, length: number): Shape {
  const shape = given.shape ?? [length];
  if (!Array.isArray(shape) || shape.length === 0 || !shape.every((n) => Number.isSafeInteger(n) && n >= 1)) {
    throw new ShapeError(
      `dataset: the shape of ${name} must be a list of whole numbers of 1 or more; got [${shape}].`,
    );
  }
  const needed = shape.reduce((product, n) => product * n, 1);
  if (needed === length) return [...shape];
  throw new ShapeError(`dataset: ${name} has ${length} numbers, but its shape [${shape}] needs ${needed}.`);
}

function describe(given: unknown): string {
  if (given === null || typeof given !== "object") return String(given);
  const inner = "data" in given ? (given as { data: unknown }).data : given;
  return `${"data" in given ? "data: " : ""}${(inner as object)?.constructor?.name ?? String(inner)}`;
}
