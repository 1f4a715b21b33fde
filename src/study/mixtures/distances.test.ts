import { describe, expect, it } from "vitest";
import { RandomStream } from "../../linalg/random.ts";
import { planeDirections, randomDirections, slicedWasserstein, wasserstein1d } from "./distances.ts";

const normals = (seed: bigint, count: number) => {
  const stream = new RandomStream(seed);
  return Float64Array.from({ length: count }, () => stream.normal());
};

describe("the Wasserstein distance on the line", () => {
  it("is the mean distance of the sorted, whatever the order", () => {
    expect(wasserstein1d(Float64Array.of(3, 0, 1), Float64Array.of(5, 6, 8))).toBe(5);
    expect(wasserstein1d(Float64Array.of(0, 1), Float64Array.of(1, 0))).toBe(0);
  });

  it("is the cheapest of all matchings", () => {
    const [a, b] = [normals(1n, 6), normals(2n, 6)];
    const best = Math.min(...permutations([0, 1, 2, 3, 4, 5]).map((order) => cost(a, b, order)));
    expect(wasserstein1d(a, b)).toBeCloseTo(best, 12);
  });

  it("of a sample moved by t is |t|", () => {
    const a = normals(3n, 100);
    expect(
      wasserstein1d(
        a,
        a.map((x) => x - 2.5),
      ),
    ).toBeCloseTo(2.5, 12);
  });
});

describe("the sliced Wasserstein distance", () => {
  it("of a plane sample moved by t is |t| times the mean of |cos|, 2/π", () => {
    const a = normals(4n, 200);
    const moved = a.map((x, i) => (i % 2 === 0 ? x + 3 : x));
    expect(slicedWasserstein(a, moved, planeDirections(256))).toBeCloseTo((3 * 2) / Math.PI, 3);
  });

  it("of two points in space is their distance times the mean of |cos|, 1/2", () => {
    const directions = randomDirections(new RandomStream(5n), 3, 20_000);
    for (const direction of directions.slice(0, 10)) expect(Math.hypot(...direction)).toBeCloseTo(1, 12);
    expect(slicedWasserstein([0, 0, 0], [2, 0, 0], directions)).toBeCloseTo(1, 1);
  });

  it("is zero for the same points in another order", () => {
    expect(slicedWasserstein([1, 2, 3, 4], [3, 4, 1, 2], planeDirections(7))).toBe(0);
  });
});

function cost(a: Float64Array, b: Float64Array, order: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + Math.abs(value - b[order[i]]), 0) / a.length;
}

function permutations(items: readonly number[]): number[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((first) =>
    permutations(items.filter((item) => item !== first)).map((rest) => [first, ...rest]),
  );
}
