import type { RunMatrix, SlopeRange } from "../eclipse.ts";
import type { RandomStream } from "../random.ts";
import { scaleToUnit } from "../rounding.ts";
import { singularValuesSmall } from "../svd.ts";
import { gaussian, matrixProduct } from "./matrices.ts";

/** A run of dense layers that was made up. */
export interface SampleRun {
  readonly name: string;
  readonly layers: readonly RunMatrix[];
  readonly slopes: readonly SlopeRange[];
}

/** An exact matrix of a run. */
export function runMatrix(entries: Float64Array, rows: number, cols: number, error = 0): RunMatrix {
  return { rows, cols, entries, error };
}

/** The same slopes for all units. */
export function sameSlopes(units: number, min: number, max: number): SlopeRange {
  return { min: new Float64Array(units).fill(min), max: new Float64Array(units).fill(max) };
}

/** Slopes [0, 1] behind every layer but the last. */
export function reluSlopes(layers: readonly RunMatrix[]): SlopeRange[] {
  return layers.slice(0, -1).map(({ rows }) => sameSlopes(rows, 0, 1));
}

/** A range of slopes of one of the kinds that activations have, or that are awkward. */
function range(random: RandomStream, kind: number): readonly [number, number] {
  const a = random.normal();
  switch (kind) {
    case 0:
      return [0, 1];
    case 1:
      return [0, 0];
    case 2:
      return [1, 1];
    case 3:
      return [-0.128905, 1.128905];
    case 4:
      return [0.01, 1];
    case 5:
      return [-1, 1];
    case 6:
      return [a, a];
    case 7:
      return [-1 - Math.abs(a), -0.3];
    case 8:
      return [1, 1 + 1e-15 * Math.abs(a)];
    case 9:
      return [0, 1e-300];
    case 10:
      return [-1e-9, 1e4];
    default: {
      const b = random.normal();
      return [Math.min(a, b), Math.max(a, b)];
    }
  }
}

const KINDS = 12;

/** One kind for the whole layer, or one drawn for each unit. */
function randomSlopes(random: RandomStream, units: number): SlopeRange {
  const mixed = random.uniform() < 0.6;
  const one = Math.floor(random.uniform() * KINDS);
  const min = new Float64Array(units);
  const max = new Float64Array(units);
  for (let i = 0; i < units; i++) {
    const kind = mixed ? Math.floor(random.uniform() * KINDS) : one;
    [min[i], max[i]] = range(random, kind);
  }
  return { min, max };
}

const FAMILIES: readonly (readonly [
  string,
  (random: RandomStream, rows: number, cols: number) => Float64Array,
])[] = [
  ["gaussian", gaussian],
  ["nonnegative", (random, rows, cols) => gaussian(random, rows, cols).map(Math.abs)],
  ["integers", (random, rows, cols) => gaussian(random, rows, cols).map((x) => Math.round(2 * x))],
  ["constant", (random, rows, cols) => new Float64Array(rows * cols).fill(random.normal())],
  [
    "rank one",
    (random, rows, cols) =>
      matrixProduct(gaussian(random, rows, 1), gaussian(random, 1, cols), rows, 1, cols),
  ],
  [
    "ties",
    (_, rows, cols) => Float64Array.from({ length: rows * cols }, (_v, i) => (i % (cols + 1) === 0 ? 1 : 0)),
  ],
  ["sparse", (random, rows, cols) => gaussian(random, rows, cols).map((x) => (x > 0.5 ? x : 0))],
  ["zero", (_, rows, cols) => new Float64Array(rows * cols)],
  [
    "mixed magnitudes",
    (random, rows, cols) => gaussian(random, rows, cols).map((x, i) => x * 10 ** (((i * 7) % 21) - 10)),
  ],
  ["denormal", (random, rows, cols) => gaussian(random, rows, cols).map((x) => x * 1e-310)],
  ["tiny", (random, rows, cols) => gaussian(random, rows, cols).map((x) => x * 1e-150)],
  ["huge", (random, rows, cols) => gaussian(random, rows, cols).map((x) => x * 1e150)],
];

/** A run of one to four layers of widths one to six; the index picks the family, every fourth run mixes them. */
export function randomRun(random: RandomStream, index: number): SampleRun {
  const depth = 1 + Math.floor(random.uniform() * 4);
  const widths = Array.from({ length: depth + 1 }, () => 1 + Math.floor(random.uniform() * 6));
  const names: string[] = [];
  const layers = Array.from({ length: depth }, (_, i) => {
    // Mild families are as frequent as all the extreme ones together.
    const pick =
      index % 4 === 3
        ? Math.floor(random.uniform() * FAMILIES.length)
        : index % 2 === 0
          ? index % 3
          : index % FAMILIES.length;
    const [name, make] = FAMILIES[pick]!;
    names.push(name);
    return runMatrix(make(random, widths[i + 1]!, widths[i]!), widths[i + 1]!, widths[i]!);
  });
  const relu = random.uniform() < 0.3;
  const slopes = relu
    ? reluSlopes(layers)
    : layers.slice(0, -1).map(({ rows }) => randomSlopes(random, rows));
  return { name: names.join(", "), layers, slopes };
}

/** A nonnegative number m · 2^e beyond float64's range. */
export interface Wide {
  readonly mantissa: number;
  readonly exponent: number;
}

/** Whether a bound is at least the share of a wide number; null stands for infinity. */
export function reaches(bound: number | null, { mantissa, exponent }: Wide, share: number): boolean {
  if (bound === null || bound === Number.POSITIVE_INFINITY) return true;
  let [left, right] = [bound + 2e-323, mantissa * share];
  for (let e = exponent; e > 0; e--) left /= 2;
  for (let e = exponent; e < 0; e++) {
    if (right < 2 ** -900) left *= 2;
    else right /= 2;
  }
  return left >= right;
}

/** Patterns of slopes tried per run: all of them up to six loose units. */
const MOST_PATTERNS = 64;

/**
 * The largest value over vertices of the slope ranges of ‖rows · D_{m−1} W_{m−1} … D₁W₁‖, for the last matrix and for
 * each row of `functionals` times it. The maximum over all slopes is at a vertex, where all vertices are tried.
 */
export function bruteForce(
  run: SampleRun,
  functionals: readonly Float64Array[],
  random: RandomStream,
): { readonly whole: Wide; readonly each: readonly Wide[] } {
  const loose = run.slopes.reduce(
    (sum, { min, max }) => sum + min.filter((low, i) => low < max[i]!).length,
    0,
  );
  const all = 2 ** loose <= MOST_PATTERNS;
  let whole: Wide = { mantissa: 0, exponent: 0 };
  let each: Wide[] = functionals.map(() => whole);
  const patterns = all ? 2 ** loose : MOST_PATTERNS;
  for (let pattern = 0; pattern < patterns; pattern++) {
    let bit = 0;
    const upper = () => (all ? (pattern >> bit++) % 2 === 1 : random.uniform() < 0.5);
    const product = linearRun(run, upper);
    const { rows, cols, entries, exponent } = product;
    whole = larger(whole, { mantissa: singularValuesSmall(entries, rows, cols)[0]!, exponent });
    each = each.map((best, i) =>
      larger(best, { mantissa: functionalNorm(product, functionals[i]!), exponent }),
    );
  }
  return { whole, each };
}

interface WideMatrix {
  readonly rows: number;
  readonly cols: number;
  readonly entries: Float64Array;
  readonly exponent: number;
}

/** The matrix of the run for one choice of slopes, rescaled behind every factor. */
function linearRun({ layers, slopes }: SampleRun, upper: () => boolean): WideMatrix {
  const first = layers[0]!;
  let product: WideMatrix = normalised({ ...first, exponent: 0 });
  slopes.forEach(({ min, max }, i) => {
    const { cols } = product;
    const chosen = min.map((low, j) => (low < max[j]! && upper() ? max[j]! : low));
    const scaled = normalised({
      ...product,
      entries: product.entries.map((x, at) => x * chosen[Math.floor(at / cols)]!),
    });
    const next = normalised({ ...layers[i + 1]!, exponent: 0 });
    product = normalised({
      rows: next.rows,
      cols,
      entries: matrixProduct(next.entries, scaled.entries, next.rows, next.cols, cols),
      exponent: scaled.exponent + next.exponent,
    });
  });
  return product;
}

function normalised(matrix: WideMatrix): WideMatrix {
  const largest = matrix.entries.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  if (largest === 0) return matrix;
  const scale = scaleToUnit(largest);
  return {
    ...matrix,
    entries: matrix.entries.map((x) => x * scale),
    exponent: matrix.exponent - Math.round(Math.log2(scale)),
  };
}

function functionalNorm({ rows, cols, entries }: WideMatrix, f: Float64Array): number {
  return Math.hypot(...matrixProduct(f, entries, 1, rows, cols));
}

function larger(a: Wide, b: Wide): Wide {
  if (b.mantissa === 0) return a;
  if (a.mantissa === 0) return b;
  const difference = Math.log2(a.mantissa) + a.exponent - (Math.log2(b.mantissa) + b.exponent);
  return difference >= 0 ? a : b;
}
