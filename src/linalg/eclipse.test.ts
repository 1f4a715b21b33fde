import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { toFloat64 } from "../formats/decode.ts";
import type { FloatType } from "../formats/dtype.ts";
import { openModel } from "../formats/open.ts";
import { dense } from "./dense.ts";
import {
  eclipseFunctionals,
  eclipseUpper,
  type PreparedRun,
  prepareRun,
  type RunMatrix,
  type SlopeRange,
} from "./eclipse.ts";
import { OperatorError } from "./errors.ts";
import { transpose } from "./matrix.ts";
import { RandomStream } from "./random.ts";
import { mulUp } from "./rounding.ts";
import { spectralNorm } from "./spectral-norm.ts";
import { singularValueDecomposition, singularValuesSmall } from "./svd.ts";
import { gaussian, matrixProduct } from "./testing/matrices.ts";
import {
  flipped,
  matrixTimes,
  minus,
  plus,
  type Rational,
  type RationalMatrix,
  rational,
  rationalMatrix,
  signOf,
  times,
  ZERO,
} from "./testing/rational.ts";
import {
  bruteForce,
  randomRun,
  reaches,
  reluSlopes,
  runMatrix,
  type SampleRun,
  sameSlopes,
} from "./testing/runs.ts";

/** What the float64 products and SVDs that stand for the truth may be off by, relative to the largest product. */
const TRUTH = 1 - 1e-9;

const RUNS = 2000;

/** Rows f of the test: one output, a difference, random, zero, and one of another scale. */
function someFunctionals(random: RandomStream, rows: number): Float64Array[] {
  const unit = new Float64Array(rows);
  unit[0] = 1;
  const difference = new Float64Array(rows);
  difference[0] = 1;
  difference[rows - 1]! -= 1;
  return [
    unit,
    difference,
    gaussian(random, 1, rows),
    new Float64Array(rows),
    gaussian(random, 1, rows).map((x) => x * 1e-120),
  ];
}

function joined(rows: readonly Float64Array[]): Float64Array {
  return Float64Array.from(rows.flatMap((row) => [...row]));
}

interface Bounds {
  readonly whole: number | null;
  readonly each: Float64Array | null;
}

function boundsOf({ layers, slopes }: SampleRun, functionals: readonly Float64Array[]): Bounds {
  const run = prepareRun(layers);
  return {
    whole: eclipseUpper(run, slopes),
    each: eclipseFunctionals(run, slopes, joined(functionals), functionals.length),
  };
}

/** Bounds below what some choice of slopes reaches, after `tamper`. */
function violations(runs: number, seed: bigint, tamper: (bound: number) => number): string[] {
  const random = new RandomStream(seed);
  const wrong: string[] = [];
  for (let index = 0; index < runs; index++) {
    const run = randomRun(random, index);
    const functionals = someFunctionals(random, run.layers.at(-1)!.rows);
    const truth = bruteForce(run, functionals, random);
    const { whole, each } = boundsOf(run, functionals);
    if (!reaches(whole === null ? null : tamper(whole), truth.whole, TRUTH))
      wrong.push(`${index} ${run.name}`);
    truth.each.forEach((value, i) => {
      const bound = each === null ? null : tamper(each[i]!);
      if (!reaches(bound, value, TRUTH)) wrong.push(`${index} ${run.name}, functional ${i}`);
    });
  }
  return wrong;
}

/** The product of proved norms and steepest slopes. */
function productOf({ layers, slopes }: SampleRun): number {
  return layers.reduce((product, { entries, rows, cols }, i) => {
    const norm = spectralNorm(dense(entries, rows, cols), { guarantee: "proof", seed: 1n }).upper!;
    const range = slopes[i];
    const steepest =
      range === undefined ? 1 : Math.max(...range.min.map(Math.abs), ...range.max.map(Math.abs));
    return mulUp(mulUp(product, norm), steepest);
  }, 1);
}

function gaussianRun(random: RandomStream, widths: readonly number[]): RunMatrix[] {
  return widths.slice(1).map((rows, i) => runMatrix(gaussian(random, rows, widths[i]!), rows, widths[i]!));
}

function upper(layers: readonly RunMatrix[], slopes: readonly SlopeRange[]): number {
  return eclipseUpper(prepareRun(layers), slopes)!;
}

describe("bounds of runs of dense layers", () => {
  it(`are reached by no choice of slopes in ${RUNS} random and hostile runs`, () => {
    expect(violations(RUNS, 11n, (bound) => bound)).toEqual([]);
  });

  it("are tight enough for the same check to find 1 % missing", () => {
    expect(violations(300, 12n, (bound) => bound / 1.01).length).toBeGreaterThan(100);
  });

  it("are never looser than the product", () => {
    const random = new RandomStream(13n);
    let compared = 0;
    for (let index = 0; index < 1000; index++) {
      const run = randomRun(random, index);
      const product = productOf(run);
      if (!(product < 1e290) || (product > 0 && product < 1e-290)) continue;
      compared++;
      expect(upper(run.layers, run.slopes), `${index} ${run.name}`).toBeLessThanOrEqual(product * (1 + 1e-6));
    }
    expect(compared).toBeGreaterThan(500);
  });

  it("of one layer are its spectral norm", () => {
    const random = new RandomStream(14n);
    for (const [rows, cols] of [
      [1, 7],
      [7, 1],
      [20, 30],
    ] as const) {
      const entries = gaussian(random, rows, cols);
      const bound = upper([runMatrix(entries, rows, cols)], []);
      const truth = singularValuesSmall(entries, rows, cols)[0]!;
      expect(bound).toBeGreaterThanOrEqual(truth * (1 - 1e-13));
      expect(bound).toBeLessThanOrEqual(truth * (1 + 1e-6));
      const [functional] = eclipseFunctionals(
        prepareRun([runMatrix(entries, rows, cols)]),
        [],
        unitRow(rows),
        1,
      )!;
      expect(functional! / Math.hypot(...entries.subarray(0, cols))).toBeCloseTo(1, 9);
    }
  });

  it("of layers with fixed slopes are the norm of the product", () => {
    const random = new RandomStream(15n);
    const layers = gaussianRun(random, [9, 12, 7, 5]);
    const slopes = [fixedSlopes(random, 12), fixedSlopes(random, 7)];
    let product = layers[0]!.entries;
    slopes.forEach(({ min }, i) => {
      const { entries, rows, cols } = layers[i + 1]!;
      product = matrixProduct(
        entries,
        product.map((x, at) => x * min[Math.floor(at / 9)]!),
        rows,
        cols,
        9,
      );
    });
    const truth = singularValuesSmall(product, 5, 9)[0]!;
    const bound = upper(layers, slopes);
    expect(bound).toBeGreaterThanOrEqual(truth * (1 - 1e-13));
    expect(bound).toBeLessThanOrEqual(truth * (1 + 3e-8));
  });

  it("of nonnegative layers reach the norm of the product", () => {
    const random = new RandomStream(16n);
    for (const widths of [
      [4, 6, 3],
      [10, 20, 20, 20, 5],
      [3, 30, 30, 30, 30, 30, 30, 2],
    ]) {
      const layers = gaussianRun(random, widths).map(({ entries, rows, cols }) =>
        runMatrix(entries.map(Math.abs), rows, cols),
      );
      let product = layers[0]!.entries;
      for (const { entries, rows, cols } of layers.slice(1)) {
        product = matrixProduct(entries, product, rows, cols, widths[0]!);
      }
      const truth = singularValuesSmall(product, widths.at(-1)!, widths[0]!)[0]!;
      const bound = upper(layers, reluSlopes(layers));
      expect(bound).toBeGreaterThanOrEqual(truth * (1 - 1e-12));
      expect(bound).toBeLessThanOrEqual(truth * 1.05);
    }
  });
});

function unitRow(rows: number): Float64Array {
  const row = new Float64Array(rows);
  row[0] = 1;
  return row;
}

function fixedSlopes(random: RandomStream, units: number): SlopeRange {
  const values = gaussian(random, 1, units);
  return { min: values, max: values };
}

/** The largest exact ‖row · D W … D W₁‖² over up to 16 vertices of the slopes, for a run of one output. */
function exactSquare({ layers, slopes }: SampleRun, random: RandomStream): Rational {
  let largest = ZERO;
  for (let pattern = 0; pattern < 16; pattern++) {
    let product: RationalMatrix = [[rational(1)]];
    for (let i = layers.length - 1; i >= 0; i--) {
      const { rows, cols, entries } = layers[i]!;
      const range = slopes[i];
      const chosen = range?.min.map((low, j) => (random.uniform() < 0.3 ? low : range.max[j]!));
      const scaled = rationalMatrix(rows, cols, (j, k) => {
        const entry = rational(entries[j * cols + k]!);
        return chosen === undefined ? entry : times(rational(chosen[j]!), entry);
      });
      product = matrixTimes(product, scaled);
    }
    const square = matrixTimes(product, flipped(product))[0]![0]!;
    if (signOf(minus(square, largest)) > 0) largest = square;
  }
  return largest;
}

/** Runs of one output whose bound, after `tamper`, is below an exact norm. */
function exactViolations(runs: number, tamper: (bound: number) => number): number {
  const random = new RandomStream(17n);
  let wrong = 0;
  for (let index = 0; index < runs; index++) {
    const widths = Array.from({ length: 2 + (index % 3) }, () => 1 + Math.floor(random.uniform() * 3));
    const signed = gaussianRun(random, [...widths, 1]);
    // Nonnegative weights have a bound that is reached, for which rounding decides.
    const layers = signed.map(({ entries, rows, cols }) => {
      return runMatrix(index % 2 === 0 ? entries.map(Math.abs) : entries, rows, cols);
    });
    const fixed = widths.slice(1).map((units) => fixedSlopes(random, units));
    const slopes = index % 4 === 1 ? fixed : reluSlopes(layers);
    const square = exactSquare({ name: "", layers, slopes }, random);
    const run = prepareRun(layers);
    for (const bound of [
      eclipseUpper(run, slopes)!,
      eclipseFunctionals(run, slopes, Float64Array.of(1), 1)![0]!,
    ]) {
      const root = rational(tamper(bound));
      if (signOf(minus(times(root, root), square)) < 0) wrong++;
    }
  }
  return wrong;
}

describe("bounds against exact arithmetic", () => {
  it("hold to the last bit", () => {
    expect(exactViolations(240, (bound) => bound)).toBe(0);
  });

  it("hold for functionals in which all but rounding cancels", () => {
    const random = new RandomStream(18n);
    for (let index = 0; index < 100; index++) {
      const [a, b] = [random.normal(), random.normal()];
      const functional = Float64Array.of(a, b, -(a + b));
      const row = gaussian(random, 1, 2);
      const layer = runMatrix(joined([row, row, row]), 3, 2);
      const rest = minus(plus(rational(a), rational(b)), rational(a + b));
      const square = plus(
        times(rational(row[0]!), rational(row[0]!)),
        times(rational(row[1]!), rational(row[1]!)),
      );
      const bound = rational(eclipseFunctionals(prepareRun([layer]), [], functional, 1)![0]!);
      expect(signOf(minus(times(bound, bound), times(times(rest, rest), square)))).toBeGreaterThanOrEqual(0);
    }
  });

  it("would not hold if they were smaller by 1e-11", () => {
    expect(exactViolations(80, (bound) => bound * (1 - 1e-11))).toBeGreaterThan(20);
  });
});

describe("what a bound depends on", () => {
  const random = new RandomStream(21n);
  const layers = gaussianRun(random, [8, 12, 9, 4]);
  const slopes = reluSlopes(layers);
  const bound = upper(layers, slopes);

  it.each([2 ** -40, 2 ** 30, 2 ** 400, 2 ** -400])("matrices and slopes times %g", (factor) => {
    const scaled = layers.map(({ entries, rows, cols }, i) =>
      i === 1
        ? runMatrix(
            entries.map((x) => x * factor),
            rows,
            cols,
          )
        : runMatrix(entries, rows, cols),
    );
    expect(upper(scaled, slopes) / factor).toBeCloseTo(bound, 9);
    const steeper = [slopes[0]!, sameSlopes(9, 0, factor)];
    expect(upper(layers, steeper) / factor).toBeCloseTo(bound, 9);
  });

  it("matrices beyond float64's range together", () => {
    const factors = [1e200, 1e180, 1e-300];
    const scaled = layers.map(({ entries, rows, cols }, i) =>
      runMatrix(
        entries.map((x) => x * factors[i]!),
        rows,
        cols,
      ),
    );
    expect(upper(scaled, slopes) / 1e80 / bound).toBeCloseTo(1, 3);
  });

  it("units that are always 0 count for nothing", () => {
    const kept = [0, 2, 3, 7];
    const local = sameSlopes(12, 0, 0);
    for (const unit of kept) local.max[unit] = 1;
    const first = runMatrix(
      joined(kept.map((unit) => layers[0]!.entries.slice(unit * 8, (unit + 1) * 8))),
      4,
      8,
    );
    const second = runMatrix(
      Float64Array.from(
        { length: 9 * 4 },
        (_, i) => layers[1]!.entries[Math.floor(i / 4) * 12 + kept[i % 4]!]!,
      ),
      9,
      4,
    );
    const smaller = upper([first, second, layers[2]!], [sameSlopes(4, 0, 1), slopes[1]!]);
    expect(upper(layers, [local, slopes[1]!])).toBeCloseTo(smaller, 6);
  });

  it("narrower slopes, smaller bound", () => {
    const narrow = slopes.map(({ min }) => sameSlopes(min.length, 0.3, 0.8));
    expect(upper(layers, narrow)).toBeLessThan(bound);
  });

  it("nothing gets through", () => {
    const zero = runMatrix(new Float64Array(9 * 12), 9, 12);
    const dead = [slopes[0]!, sameSlopes(9, 0, 0)];
    expect(upper([layers[0]!, zero, layers[2]!], slopes)).toBe(0);
    expect(upper(layers, dead)).toBe(0);
    const run = prepareRun(layers);
    expect([...eclipseFunctionals(run, dead, gaussian(random, 2, 4), 2)!]).toEqual([0, 0]);
    expect([...eclipseFunctionals(run, slopes, new Float64Array(4), 1)!]).toEqual([0]);
    expect([...eclipseFunctionals(run, slopes, new Float64Array(0), 0)!]).toEqual([]);
  });
});

describe("matrices known up to an error", () => {
  const random = new RandomStream(31n);

  it.each([1e-12, 1e-4, 0.5])("%g: the worst matrix within it keeps the bound", (error) => {
    const exact = gaussianRun(random, [5, 7, 6]).map(({ entries, rows, cols }) =>
      runMatrix(entries.map(Math.abs), rows, cols),
    );
    const slopes = reluSlopes(exact);
    const blind = upper(exact, slopes);
    const run = exact.map(({ entries, rows, cols }) => runMatrix(entries, rows, cols, error));
    const wide = upper(run, slopes);
    // All slopes 1, and the second matrix moved along its part in the product's top singular pair.
    const { entries: first } = exact[0]!;
    const { entries: second } = exact[1]!;
    const { u, v } = singularValueDecomposition(matrixProduct(second, first, 6, 7, 5), 6, 5);
    const top = Float64Array.from({ length: 5 }, (_, j) => v[j * 5]!);
    const image = matrixProduct(first, top, 7, 5, 1);
    const length = Math.hypot(...image);
    const moved = second.map((x, i) => x + (error * u[Math.floor(i / 7) * 5]! * image[i % 7]!) / length);
    const reached = singularValuesSmall(matrixProduct(moved, first, 6, 7, 5), 6, 5)[0]!;
    expect(wide).toBeGreaterThanOrEqual(reached * (1 - 1e-13));
    expect(wide).toBeGreaterThan(blind);
    expect(wide).toBeLessThanOrEqual(
      blind + 2.5 * error * (Math.hypot(...first) + Math.hypot(...second) + error),
    );
    const all = eclipseFunctionals(prepareRun(run), slopes, unitRow(6), 1)![0]!;
    expect(all).toBeGreaterThan(eclipseFunctionals(prepareRun(exact), slopes, unitRow(6), 1)![0]!);
  });

  it("an unknown matrix about zero", () => {
    const zero = runMatrix(new Float64Array(6), 2, 3, 1e-3);
    const identity = runMatrix(Float64Array.of(1, 0, 0, 1), 2, 2);
    const bound = upper([zero, identity], [sameSlopes(2, 0, 1)]);
    expect(bound).toBeGreaterThanOrEqual(1e-3);
    expect(bound).toBeLessThan(1.001e-3);
  });
});

describe("what has no bound", () => {
  const layers = gaussianRun(new RandomStream(41n), [3, 4, 2]);
  const slopes = reluSlopes(layers);

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("%g among the numbers", (wrong) => {
    const broken = layers.map(({ entries, rows, cols }) => runMatrix(entries.slice(), rows, cols));
    broken[1]!.entries[3] = wrong;
    expect(eclipseUpper(prepareRun(broken), slopes)).toBeNull();
    expect(eclipseFunctionals(prepareRun(broken), slopes, Float64Array.of(1, 0), 1)).toBeNull();
    const steep = [sameSlopes(4, 0, wrong)];
    expect(eclipseUpper(prepareRun(layers), steep)).toBeNull();
    expect(eclipseFunctionals(prepareRun(layers), slopes, Float64Array.of(wrong, 0), 1)).toBeNull();
    expect(eclipseUpper(prepareRun([{ ...layers[0]!, error: wrong }, layers[1]!]), slopes)).toBeNull();
  });

  it("a bound beyond float64", () => {
    const huge = layers.map(({ entries, rows, cols }) =>
      runMatrix(
        entries.map((x) => x * 1e200),
        rows,
        cols,
      ),
    );
    expect(eclipseUpper(prepareRun(huge), slopes)).toBeNull();
    expect(eclipseFunctionals(prepareRun(huge), slopes, Float64Array.of(1, 0), 1)).toBeNull();
    const some = eclipseFunctionals(prepareRun(huge), slopes, Float64Array.of(1, 0, 1e-200, 0), 2)!;
    expect(some[0]).toBe(Number.POSITIVE_INFINITY);
    expect(some[1]).toBeLessThan(1e202);
  });

  it.each<[string, () => unknown, RegExp]>([
    ["no layer", () => prepareRun([]), /layers of a run: got none/],
    [
      "layers that do not fit",
      () => prepareRun([layers[0]!, layers[0]!]),
      /columns of layer 1: got 3 numbers/,
    ],
    ["missing slopes", () => eclipseUpper(prepareRun(layers), []), /slopes of a run/],
    [
      "slopes of another width",
      () => upper(layers, [sameSlopes(3, 0, 1)]),
      /smallest slopes of activation 0/,
    ],
    [
      "slopes upside down",
      () => upper(layers, [sameSlopes(4, 1, 0)]),
      /unit 0 of activation 0: got \[1, 0\]/,
    ],
    [
      "functionals of another length",
      () => eclipseFunctionals(prepareRun(layers), slopes, new Float64Array(3), 1),
      /functionals/,
    ],
    ["a negative error", () => prepareRun([{ ...layers[0]!, error: -1 }]), /error of layer 0/],
  ])("%s is an error", (_, act, message) => {
    expect(act).toThrow(OperatorError);
    expect(act).toThrow(message);
  });
});

const MODELS = "../shared/models";

/** The matrices of a model's tensors of two axes. */
async function matrices(file: string, stored: "output × input" | "input × output"): Promise<RunMatrix[]> {
  const model = await openModel(`${MODELS}/${file}`);
  const tensors = model.tensors.filter(({ shape }) => shape.length === 2);
  const read = await Promise.all(
    tensors.map(async (tensor) => {
      const values = toFloat64(tensor.dtype as FloatType, await tensor.read(0, tensor.byteLength));
      const [m, n] = tensor.shape as [number, number];
      return stored === "output × input" ? runMatrix(values, m, n) : runMatrix(transpose(values, m, n), n, m);
    }),
  );
  await model.close();
  return read;
}

function productOfNorms({ norms }: PreparedRun): number {
  return norms!.reduce((product, norm) => product * norm, 1);
}

if (!existsSync(MODELS)) console.log(`skipped: ${MODELS} is absent, so real networks are not bounded`);

describe.skipIf(!existsSync(MODELS))(
  `reference networks in ${MODELS} (skipped where that folder is absent)`,
  () => {
    it("ACAS Xu 1_1: 200 times tighter than the product (ECLipsE-Fast: 6.5 times)", async () => {
      const layers = await matrices("ACASXU_run2a_1_1_batch_2000.onnx", "input × output");
      expect(layers.map(({ rows }) => rows)).toEqual([50, 50, 50, 50, 50, 50, 5]);
      const run = prepareRun(layers);
      expect(productOfNorms(run) / 28786941.1632306).toBeCloseTo(1, 4);
      expect(productOfNorms(run) / eclipseUpper(run, reluSlopes(layers))!).toBeGreaterThan(200);
    });

    it("MNIST 256 × 2: 2.4 times tighter than the product (ECLipsE-Fast: 1.5 times), far more around a point", async () => {
      const layers = await matrices("mnist-net_256x2.onnx", "output × input");
      expect(layers.map(({ rows }) => rows)).toEqual([256, 256, 10]);
      const run = prepareRun(layers);
      expect(productOfNorms(run) / 839.2578715971).toBeCloseTo(1, 4);
      const global = eclipseUpper(run, reluSlopes(layers))!;
      expect(productOfNorms(run) / global).toBeGreaterThan(2.4);
      const random = new RandomStream(5n);
      const slopes = layers.slice(0, -1).map(({ rows }) => localSlopes(random, rows));
      expect(eclipseUpper(run, slopes)!).toBeLessThan(global / 5);
      const differences = Float64Array.from({ length: 90 }, (_, i) => {
        const other = Math.floor(i / 10) + (Math.floor(i / 10) >= 3 ? 1 : 0);
        return i % 10 === 3 ? 1 : i % 10 === other ? -1 : 0;
      });
      const each = eclipseFunctionals(run, slopes, differences, 9)!;
      const sampled = sampledNorms(random, layers, slopes, differences, 9);
      each.forEach((bound, i) => {
        expect(bound).toBeGreaterThanOrEqual(sampled[i]! * (1 - 1e-12));
        expect(bound).toBeLessThan(sampled[i]! * 1.15);
      });
    });
  },
);

/** Half of the units inactive, 3 % unstable, the rest active. */
function localSlopes(random: RandomStream, units: number): SlopeRange {
  const { min, max } = sameSlopes(units, 0, 0);
  for (let i = 0; i < units; i++) {
    const drawn = random.uniform();
    if (drawn >= 0.5) max[i] = 1;
    if (drawn >= 0.53) min[i] = 1;
  }
  return { min, max };
}

/** The largest norms of each functional's gradient over slopes drawn at the ends of their ranges. */
function sampledNorms(
  random: RandomStream,
  layers: readonly RunMatrix[],
  slopes: readonly SlopeRange[],
  functionals: Float64Array,
  count: number,
): Float64Array {
  const best = new Float64Array(count);
  for (let sample = 0; sample < 30; sample++) {
    let rows = functionals;
    for (let i = layers.length - 1; i >= 0; i--) {
      const { entries, cols, rows: inner } = layers[i]!;
      rows = matrixProduct(rows, entries, count, inner, cols);
      const range = slopes[i - 1];
      if (range === undefined) continue;
      const chosen = range.min.map((low, j) => (random.uniform() < 0.5 ? low : range.max[j]!));
      rows = rows.map((x, at) => x * chosen[at % cols]!);
    }
    const width = layers[0]!.cols;
    for (let i = 0; i < count; i++) {
      best[i] = Math.max(best[i]!, Math.hypot(...rows.subarray(i * width, (i + 1) * width)));
    }
  }
  return best;
}
