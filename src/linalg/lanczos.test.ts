import { describe, expect, it } from "vitest";
import { dense } from "./dense.ts";
import { Lanczos } from "./lanczos.ts";
import { productError } from "./lower-bound.ts";
import { startOverlap } from "./polynomial-bound.ts";
import { deriveSeed, RandomStream } from "./random.ts";
import { runIteration } from "./requests.ts";
import { lanczosInterval } from "./scaled-iterations.ts";
import { spectralNorm } from "./spectral-norm.ts";
import { singularValuesSmall } from "./svd.ts";
import { assembled, gaussian, orthonormal } from "./testing/matrices.ts";

function runLanczos(
  a: Float64Array,
  rows: number,
  cols: number,
  steps: number,
  seed: bigint,
  epsilon: number,
) {
  const operator = dense(a, rows, cols);
  const lanczos = new Lanczos(new RandomStream(seed).direction(cols), epsilon);
  while (lanczos.steps < steps && !lanczos.closed) {
    const product = new Float64Array(cols);
    operator.gram(lanczos.vector, product);
    lanczos.step(product);
  }
  return lanczos;
}

describe("Lanczos", () => {
  it("finds the leading singular values of a planted spectrum", () => {
    const random = new RandomStream(7n);
    const [m, n] = [60, 80];
    const s = Float64Array.from({ length: m }, (_, i) => 10 / (i + 1));
    const a = assembled({ u: orthonormal(random, m, m), s, v: orthonormal(random, n, m) }, m, n);
    const lanczos = runLanczos(a, m, n, 40, 1n, 1e-9);
    expect(Math.abs(lanczos.sigma - 10)).toBeLessThan(1e-12);
    expect(lanczos.upper()).toBeGreaterThanOrEqual(10);
    expect(lanczos.upper()).toBeLessThan(10 * (1 + 1e-9));
    const values = lanczos.leadingValues(8, 0.01);
    expect(values.length).toBe(8);
    values.forEach((value, i) => {
      expect(Math.abs(value / s[i]! - 1)).toBeLessThan(0.01);
    });
  });

  it.each([
    ["no more than the shorter side", 10, 10],
    ["none but rounding's beyond the rank", 10, 4],
  ])("lists %s", (_, m, rank) => {
    const random = new RandomStream(5n);
    const n = 100;
    const s = Float64Array.from({ length: rank }, (_, i) => 20 - i);
    const a = assembled({ u: orthonormal(random, m, rank), s, v: orthonormal(random, n, rank) }, m, n);
    const operator = dense(a, m, n);
    const { spectrum } = runIteration(
      lanczosInterval(
        { rows: m, cols: n, scale: 1, error: productError(n, m) },
        { guarantee: "probable", seed: 1n, memory: 1e6, spectrum: 16 },
      ),
      {
        gram: ({ vector }) => {
          const product = new Float64Array(n);
          operator.gram(vector, product);
          return product;
        },
        apply: ({ vector }) => operator.apply(vector),
      },
    ).details;
    expect(spectrum).toHaveLength(rank);
    spectrum!.forEach((value, i) => {
      expect(Math.abs(value / s[i]! - 1)).toBeLessThan(0.01);
    });
  });

  it("stays orthogonal long after the top value has converged", () => {
    const random = new RandomStream(3n);
    const s = Float64Array.from({ length: 600 }, (_, i) => (i === 0 ? 100 : 1 / (1 + i)));
    const n = 600;
    // Diagonal: products are cheap and the answer is known.
    const lanczos = new Lanczos(random.direction(n), 1e-9);
    const vectors: Float64Array[] = [];
    for (let k = 0; k < 40; k++) {
      vectors.push(lanczos.vector.slice());
      lanczos.step(lanczos.vector.map((x, i) => x * s[i]! * s[i]!));
    }
    for (let i = 0; i < vectors.length; i++) {
      for (let j = 0; j < i; j++) {
        const overlap = vectors[i]!.reduce((sum, x, k) => sum + x * vectors[j]![k]!, 0);
        expect(Math.abs(overlap)).toBeLessThan(1e-12);
      }
    }
  });

  it("never returns the Ritz value itself when the Krylov space closes", () => {
    const lanczos = runLanczos(Float64Array.from([3, 0, 0, 3]), 2, 2, 5, 9n, 1e-9);
    expect(lanczos.closed).toBe(true);
    expect(lanczos.upper()).toBeGreaterThan(lanczos.sigma);
    expect(lanczos.upper()).toBeLessThan(3 * 1.001);
  });
});

describe("the probable bound", () => {
  it("takes an overlap that uniform directions exceed as often as claimed", () => {
    const random = new RandomStream(11n);
    for (const n of [2, 3, 10, 200]) {
      for (const epsilon of [0.05, 0.3]) {
        const overlap = startOverlap(epsilon, n);
        let below = 0;
        for (let trial = 0; trial < 4000; trial++) if (Math.abs(random.direction(n)[0]!) < overlap) below++;
        expect(below / 4000).toBeLessThan(epsilon + 3 * Math.sqrt((epsilon * (1 - epsilon)) / 4000));
        if (n <= 3) expect(below / 4000).toBeGreaterThan(epsilon / 2);
      }
    }
  });

  it("fails less often than ε = 0.05 allows, over 2,000 matrices at every number of steps", () => {
    const random = new RandomStream(12n);
    const [m, n] = [12, 15];
    let failures = 0;
    for (let trial = 0; trial < 2000; trial++) {
      const a = gaussian(random, m, n);
      // A cluster at the top makes Lanczos slow and the bound's job hard.
      if (trial % 2 === 1) for (let i = 0; i < n; i++) a[(trial % m) * n + i]! *= 3;
      const sigma = singularValuesSmall(a, m, n)[0]!;
      const operator = dense(a, m, n);
      const lanczos = new Lanczos(new RandomStream(deriveSeed(5n, trial)).direction(n), 0.05);
      let failed = false;
      while (lanczos.steps < 8) {
        const product = new Float64Array(n);
        operator.gram(lanczos.vector, product);
        lanczos.step(product);
        if (lanczos.upper() < sigma * (1 - 1e-12)) failed = true;
      }
      if (failed) failures++;
    }
    expect(failures / 2000).toBeLessThan(0.05);
    // The bound is not vacuous either: at this ε some starts must be unlucky.
    expect(failures).toBeGreaterThan(0);
  });

  it("is one where a power iteration's estimate is not", () => {
    const random = new RandomStream(13n);
    let caught = 0;
    for (let trial = 0; trial < 100; trial++) {
      const a = gaussian(random, 30, 30);
      const sigma = singularValuesSmall(a, 30, 30)[0]!;
      const planted = spectralNorm(dense(a, 30, 30), { guarantee: "estimate", seed: trial }).estimate!;
      const { upper } = spectralNorm(dense(a, 30, 30), { seed: trial });
      if (planted < sigma * (1 - 1e-12)) caught++;
      expect(upper).toBeGreaterThanOrEqual(sigma * (1 - 1e-12));
    }
    expect(caught).toBeGreaterThan(90);
  });
});
