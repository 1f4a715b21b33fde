import { FormatError } from "../errors.ts";
import { showShape } from "../shape.ts";
import type { DataArray } from "./array.ts";
import { type LabelValues, labelValues, type PointValues, pointValues } from "./memory.ts";
import { type DataFile, type DataSource, openData } from "./open.ts";
import { arrayNamed, type Points, placeOf, pointsOf } from "./points.ts";

/** Points of a data file with the class of each. */
export interface LabelledPoints extends Points {
  /** One per point, from 0 to classes − 1. */
  readonly labels: Int32Array;
  /** The files read: that of the points first, that of the labels where it is another. */
  readonly files: readonly string[];
}

/** Where points and labels are: one .npz archive with `x` and `y`, a file for each, or arrays at hand. */
export interface LabelledSources {
  readonly points: DataSource | PointValues;
  readonly labels?: DataSource | LabelValues | undefined;
}

/**
 * Labelled points for a classifier. Labels are read at once, points in blocks.
 * @param expected the shape of one point (`readPoints`), and how many classes the network tells apart.
 * @throws FormatError when either cannot be read: the shapes, a label that is no class, labels that are not as many
 * as points.
 */
export async function readLabelled(
  sources: LabelledSources,
  expected: { readonly shape: readonly number[]; readonly classes: number },
): Promise<LabelledPoints> {
  const data = await openPoints(sources.points, expected.shape);
  try {
    const points = pointsOf(data, expected.shape);
    const { labels, file } = await withLabels(sources, data, (array) =>
      readLabels(array, points.count, expected.classes),
    );
    return { ...points, labels, files: file === data.file ? [file] : [data.file, file] };
  } catch (cause) {
    await data.close();
    throw cause;
  }
}

async function openPoints(source: DataSource | PointValues, shape: readonly number[]): Promise<DataFile> {
  if (!(source instanceof Float32Array || source instanceof Float64Array)) return openData(source);
  const size = shape.reduce((product, each) => product * each, 1);
  return pointValues(source, size);
}

function isLabelValues(source: DataSource | LabelValues): source is LabelValues {
  return Array.isArray(source) || source instanceof Int32Array;
}

async function withLabels(
  { labels: source }: LabelledSources,
  data: DataFile,
  read: (array: DataArray) => Promise<Int32Array>,
): Promise<{ readonly labels: Int32Array; readonly file: string }> {
  if (source === undefined) {
    if (data.content instanceof Map) return { labels: await read(arrayNamed(data, "y")), file: data.file };
    throw new FormatError("not-found", "points without labels.", {
      file: data.file,
      hint: "Give the labels' file too (--labels), or both in one: numpy.savez(FILE, x=points, y=labels).",
    });
  }
  const file = isLabelValues(source) ? labelValues(source) : await openData(source);
  try {
    return { labels: await read(arrayNamed(file, "y")), file: file.file };
  } finally {
    await file.close();
  }
}

async function readLabels(array: DataArray, count: number, classes: number): Promise<Int32Array> {
  const { shape } = array;
  const fail = (what: string, hint: string): never => {
    throw new FormatError("bad-shape", what, { ...placeOf(array), hint });
  };
  const [n, ...rest] = shape;
  const width = rest.reduce((product, size) => product * size, 1);
  if (n === count && width === classes && classes > 1) {
    fail(`labels of shape ${showShape(shape)} look one-hot.`, "Save class numbers: y.argmax(axis=1).");
  }
  if ((n ?? 1) * width !== count || width > 1) {
    fail(`labels of shape ${showShape(shape)} for ${count} points.`, `Give one label per point: [${count}].`);
  }
  const values = await array.read(0, count);
  const bad = values.findIndex((value) => !(Number.isInteger(value) && value >= 0 && value < classes));
  if (bad < 0) return Int32Array.from(values);
  throw new FormatError(
    "corrupt",
    `label ${values[bad]} of point ${bad} is not a class: whole numbers from 0 to ${classes - 1} are.`,
    { ...placeOf(array), ...(values[bad] === classes ? { hint: "Classes count from 0." } : {}) },
  );
}
