import { FormatError } from "../errors.ts";
import { elementCount, showShape } from "../shape.ts";
import type { DataArray } from "./array.ts";
import { type DataFile, type DataSource, openData } from "./open.ts";

/** Points of a data file, read in blocks. */
export interface Points {
  /** The file they come from. */
  readonly file: string;
  readonly count: number;
  /** Numbers per point. */
  readonly size: number;
  /** Points [start, end), one after another, each row-major; every number is finite. */
  read(start: number, end: number): Promise<Float64Array>;
  close(): Promise<void>;
}

/**
 * Points for a network: the array `x` of an .npz archive, or the one array of an .npy or IDX file.
 * @param shape of one point: the network's input without its batch axis. The file holds [n, …shape], or [n, size],
 * or one point alone; axes of length 1 may be left out or added.
 * @throws FormatError when the file cannot be read as such points; `read` throws where a number is not finite.
 */
export async function readPoints(source: DataSource, shape: readonly number[]): Promise<Points> {
  const data = await openData(source);
  try {
    return pointsOf(data, shape);
  } catch (cause) {
    await data.close();
    throw cause;
  }
}

/** The points of an open file, which then belong to it. */
export function pointsOf(data: DataFile, shape: readonly number[]): Points {
  const array = arrayNamed(data, "x");
  const count = pointCount(array, shape);
  const size = sizeOf(shape);
  return {
    file: data.file,
    count,
    size,
    async read(start, end) {
      const values = await array.read(size * start, size * end);
      const bad = values.findIndex((value) => !Number.isFinite(value));
      if (bad < 0) return values;
      const where = start + Math.floor(bad / size);
      throw new FormatError("corrupt", `point ${where} holds ${values[bad]}.`, {
        ...placeOf(array),
        hint: "Leave such points out, or find where they come from.",
      });
    },
    close: () => data.close(),
  };
}

/** The file's one array, or the one of this name in an archive. */
export function arrayNamed({ file, content }: DataFile, name: "x" | "y"): DataArray {
  if (!(content instanceof Map)) return content as DataArray;
  const found = content.get(name);
  if (found !== undefined) return found();
  const names = [...content.keys()];
  const shown = names.slice(0, 10).map((each) => `"${each}"`);
  const held =
    names.length === 0 ? "it is empty" : `it holds ${shown.join(", ")}${names.length > 10 ? ", …" : ""}`;
  throw new FormatError("not-found", `no array "${name}" in this archive; ${held}.`, {
    file,
    hint: "Save points and labels with numpy.savez(FILE, x=points, y=labels).",
  });
}

export function placeOf(array: DataArray): { readonly file: string; readonly tensor?: string } {
  return { file: array.file, ...(array.name === undefined ? {} : { tensor: array.name }) };
}

function pointCount(array: DataArray, shape: readonly number[]): number {
  const total = sizeOf(array.shape);
  const size = sizeOf(shape);
  // One point alone needs no axis to count it.
  const alone = total === size && !(array.shape[0] === 1 && array.shape.length > 1);
  const [count, own] = alone ? [1, array.shape] : [array.shape[0] ?? 1, array.shape.slice(1)];
  const fail = (what: string, hint: string): never => {
    throw new FormatError("bad-shape", what, { ...placeOf(array), hint });
  };
  const wanted = `Give points as ${showShape(["n", ...shape])}, or flattened as ${showShape(["n", size])}.`;
  if (total === 0) return fail(`shape ${showShape(array.shape)} holds no points.`, wanted);
  if (sizeOf(own) !== size) {
    const got = `shape ${showShape(array.shape)} has ${numbers(sizeOf(own))} per point`;
    return fail(`${got}, but the network takes ${showShape(shape)}, ${numbers(size)}.`, wanted);
  }
  if (!sameOrder(own, shape)) {
    const what = `points of shape ${showShape(own)} are as large as the network's ${showShape(shape)}, but their axes differ.`;
    return fail(
      what,
      `Bring the axes in order, such as x.transpose(0, 3, 1, 2), or flatten them on purpose to ${showShape(["n", size])}.`,
    );
  }
  return count;
}

/** True where both shapes read the same numbers in the same order for certain: alike, or one of them flat. */
function sameOrder(own: readonly number[], wanted: readonly number[]): boolean {
  const [a, b] = [own, wanted].map((shape) => shape.filter((size) => size !== 1));
  return a.length <= 1 || b.length <= 1 || (a.length === b.length && a.every((size, i) => size === b[i]));
}

function sizeOf(shape: readonly number[]): number {
  return elementCount(shape) ?? Number.NaN;
}

function numbers(count: number): string {
  return count === 1 ? "1 number" : `${count} numbers`;
}
