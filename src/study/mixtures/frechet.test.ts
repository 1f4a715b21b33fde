import { describe, expect, it } from "vitest";
import { RandomStream } from "../../linalg/random.ts";
import { frechetDistance, momentsOf } from "./frechet.ts";

const gaussian = (mean: readonly number[], covariance: readonly number[]) => ({
  mean: Float64Array.from(mean),
  covariance: Float64Array.from(covariance),
});

describe("moments", () => {
  it("are mean and covariance with count − 1 below", () => {
    const { mean, covariance } = momentsOf([1, 2, 3, 6, 5, 4], 2);
    expect([...mean]).toEqual([3, 4]);
    expect([...covariance]).toEqual([4, 2, 2, 4]);
  });
});

describe("the Fréchet distance", () => {
  it("of diagonal Gaussians is ‖m − m′‖² + Σ(s − s′)²", () => {
    const [a, b] = [gaussian([0, 1], [4, 0, 0, 9]), gaussian([3, 1], [1, 0, 0, 25])];
    expect(frechetDistance(a, b)).toBeCloseTo(9 + 1 + 4, 10);
    expect(frechetDistance(b, a)).toBeCloseTo(14, 10);
  });

  it("of Gaussians that do not commute: by the closed form of the root's trace in the plane", () => {
    const [c, d] = [
      [2, 1, 1, 3],
      [5, -2, -2, 1],
    ];
    const product = [c[0] * d[0] + c[1] * d[2], c[2] * d[1] + c[3] * d[3]];
    const determinant = (2 * 3 - 1) * (5 - 4);
    // tr √M = √(tr M + 2√det M) for 2 × 2 with eigenvalues of one sign.
    const root = Math.sqrt(product[0] + product[1] + 2 * Math.sqrt(determinant));
    expect(frechetDistance(gaussian([0, 0], c), gaussian([0, 0], d))).toBeCloseTo(5 + 6 - 2 * root, 10);
  });

  it("is zero for a distribution and itself, singular ones too", () => {
    const stream = new RandomStream(1n);
    const points = Array.from({ length: 60 }, (_, i) => (i % 3 === 2 ? 0 : stream.normal()));
    const moments = momentsOf(points, 3);
    expect(frechetDistance(moments, moments)).toBeLessThan(1e-10);
  });

  it("of a point and a Gaussian is the mean square distance to the point", () => {
    expect(frechetDistance(gaussian([1, 0], [0, 0, 0, 0]), gaussian([0, 0], [2, 0, 0, 3]))).toBeCloseTo(
      6,
      10,
    );
  });
});
