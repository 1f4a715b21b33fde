import { describe, expect, it } from "vitest";
import type { Bound } from "../src/linalg/bound.ts";
import { convolution, convolutionAnySize } from "../src/linalg/convolution.ts";
import { dense } from "../src/linalg/dense.ts";
import { RandomStream } from "../src/linalg/random.ts";
import { spectralNorm } from "../src/linalg/spectral-norm.ts";
import { singularValuesSmall } from "../src/linalg/svd.ts";
import { symbolBound } from "../src/linalg/symbol-bound.ts";
import { symbolGrid } from "../src/linalg/symbol-grid.ts";
import { explicitConvolution } from "../src/linalg/testing/explicit-convolution.ts";
import { assembled, gaussian, orthonormal } from "../src/linalg/testing/matrices.ts";
import { type HostileConvolution, hostileConvolution } from "./support/hostile-convolutions.ts";

/** Relative accuracy of the float64 SVD that stands for the truth here. */
const SVD_ERROR = 1e-13;

/** A denormal answer can be off by a few units of the smallest number. */
const DENORMAL = 2e-323;

/** Counts of operators; together more than 20,000. */
const MATRICES = 15_000;
const CONVOLUTIONS = 6_000;

/** Whether lower ≤ σ ≤ upper, up to what is known of σ itself. */
function encloses({ lower, upper }: Pick<Bound, "lower" | "upper">, sigma: number): boolean {
  const slack = sigma * SVD_ERROR + DENORMAL;
  return lower <= sigma + slack && upper !== null && upper >= sigma - slack;
}

interface HostileMatrix {
  readonly name: string;
  readonly entries: Float64Array;
  readonly rows: number;
  readonly cols: number;
}

/** Draws a size and one of the families that break careless bounds. */
function hostileMatrix(random: RandomStream, index: number): HostileMatrix {
  const pick = (least: number, most: number) => least + Math.floor(random.uniform() * (most - least + 1));
  const rows = pick(1, 12);
  const cols = pick(1, 12);
  const rank = Math.min(rows, cols);
  const withSpectrum = (name: string, value: (i: number) => number): HostileMatrix => {
    const s = Float64Array.from({ length: rank }, (_, i) => value(i));
    const u = orthonormal(random, rows, rank);
    const v = orthonormal(random, cols, rank);
    return { name, entries: assembled({ u, s, v }, rows, cols), rows, cols };
  };
  const scaled = (name: string, factor: number): HostileMatrix => ({
    name,
    entries: gaussian(random, rows, cols).map((x) => x * factor),
    rows,
    cols,
  });
  switch (index % 15) {
    case 0:
      return scaled("gaussian", 1);
    case 1:
      return withSpectrum("rank one", (i) => (i === 0 ? 1 + random.uniform() : 0));
    case 2:
      return withSpectrum("all equal", () => 2.5);
    case 3:
      return withSpectrum("top pair equal", (i) => (i < 2 ? 1 : 0.5));
    case 4:
      return withSpectrum("clustered top", (i) => 1 - i * 1e-7);
    case 5:
      return withSpectrum("nearly equal pair", (i) => (i === 0 ? 1 : i === 1 ? 1 - 1e-13 : 0.1));
    case 6:
      return withSpectrum("graded", (i) => 10 ** (-3 * i));
    case 7:
      return scaled("denormal", 1e-310);
    case 8:
      return scaled("tiny", 1e-160);
    case 9:
      return scaled("huge", 1e30);
    case 10:
      return scaled("near overflow", 1e300);
    case 11:
      return { name: "row", entries: gaussian(random, 1, cols), rows: 1, cols };
    case 12:
      return { name: "integers", entries: gaussian(random, rows, cols).map(Math.round), rows, cols };
    case 13:
      return { name: "constant", entries: new Float64Array(rows * cols).fill(random.normal()), rows, cols };
    default: {
      const entries = gaussian(random, rows, cols).map((x, i) => x * 10 ** (-20 + ((i * 7) % 40)));
      return { name: "mixed magnitudes", entries, rows, cols };
    }
  }
}

/** The certified symbol grid on its own, which small convolutions do not need. */
function gridUpper(
  { kernel, kernelShape, geometry }: HostileConvolution,
  guarantee: "probable" | "proof",
  seed: bigint,
): number {
  const tensor = {
    values: kernel,
    channelsOut: kernelShape[0]!,
    channelsIn: kernelShape[1]!,
    groups: geometry.groups,
    size: kernelShape.slice(2),
  };
  const grid = symbolGrid(tensor.size, geometry);
  return symbolBound(tensor, grid, { guarantee, failureProbability: 1e-9, seed }).upper;
}

/** σ₁ by SVD, also where the entries' squares leave float64's range. */
function trueNorm(entries: Float64Array, rows: number, cols: number): number {
  return singularValuesSmall(entries, rows, cols)[0]!;
}

describe("no bound is wrong", () => {
  it(`on ${MATRICES} random and hostile matrices`, () => {
    const random = new RandomStream(2024n);
    const wrong: unknown[] = [];
    let plantedCaught = 0;
    for (let index = 0; index < MATRICES; index++) {
      const { name, entries, rows, cols } = hostileMatrix(random, index);
      const sigma = trueNorm(entries, rows, cols);
      const operator = dense(entries, rows, cols);
      for (const guarantee of ["probable", "proof"] as const) {
        const bound = spectralNorm(operator, { guarantee, seed: index });
        if (!encloses(bound, sigma)) wrong.push({ name, rows, cols, sigma, bound });
      }
      // The check itself must bite: a power iteration that calls its estimate an upper bound.
      const { lower, estimate } = spectralNorm(operator, { guarantee: "estimate", seed: index });
      if (estimate !== undefined && !encloses({ lower, upper: estimate * (1 - 1e-9) }, sigma))
        plantedCaught++;
    }
    expect(wrong.slice(0, 5)).toEqual([]);
    expect(plantedCaught).toBeGreaterThan(MATRICES / 10);
  });

  it(`on ${CONVOLUTIONS} random and hostile convolutions, at their input size and at every size`, () => {
    const random = new RandomStream(2025n);
    const wrong: unknown[] = [];
    for (let index = 0; index < CONVOLUTIONS; index++) {
      const { kernel, kernelShape, geometry }: HostileConvolution = hostileConvolution(random, index);
      const { matrix, rows, cols } = explicitConvolution(kernel, kernelShape, geometry);
      const sigma = trueNorm(matrix, rows, cols);
      const guarantee = index % 2 === 0 ? "proof" : "probable";
      const bound = spectralNorm(convolution(kernel, kernelShape, geometry), { guarantee, seed: index });
      if (!encloses(bound, sigma)) wrong.push({ kernelShape, geometry, sigma, bound });
      const grid = gridUpper({ kernel, kernelShape, geometry }, guarantee, BigInt(index));
      if (!encloses({ lower: 0, upper: grid }, sigma)) wrong.push({ kernelShape, geometry, sigma, grid });
      const free = { ...geometry, inputSize: undefined };
      const { upper } = spectralNorm(convolutionAnySize(kernel, kernelShape, free), {
        guarantee,
        seed: index,
      });
      if (!encloses({ lower: 0, upper }, sigma)) wrong.push({ kernelShape, geometry: free, sigma, upper });
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  });
});
