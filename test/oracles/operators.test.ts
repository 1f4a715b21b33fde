import { describe, expect, it } from "vitest";
import { dense } from "../../src/linalg/dense.ts";
import { entries, integers } from "./generator.ts";
import {
  checksum,
  convolutionOracles,
  denseOracles,
  describeConvolution,
  operatorOf,
  PEER_ERROR,
} from "./norms.ts";

/** −0 and 0 have different bytes; the peers' sums are never −0. */
function withoutMinusZero(values: Float64Array): Float64Array {
  return values.map((value) => value + 0);
}

describe("convolution operators", () => {
  it("do exactly what torch's conv1d, conv2d, conv3d and conv_transpose do", () => {
    for (const oracle of convolutionOracles) {
      const operator = operatorOf(oracle);
      const name = describeConvolution(oracle);
      const x = Float64Array.from(integers(7, operator.cols, 15));
      const y = Float64Array.from(integers(8, operator.rows, 15));
      expect([name, checksum(withoutMinusZero(operator.apply(x)))]).toEqual([name, oracle.applied]);
      expect([name, checksum(withoutMinusZero(operator.adjoint(y)))]).toEqual([name, oracle.adjoint]);
    }
  });
});

describe("dense operators", () => {
  it("never stretch a vector by more than the peers' σ₁", () => {
    for (const { recipe, singularValues, name } of denseOracles) {
      const operator = dense(entries(recipe), recipe.rows, recipe.cols);
      const x = Float64Array.from(integers(7, recipe.cols, 15));
      const stretch = norm(operator.apply(x), singularValues[0]!) / norm(x, 1);
      expect([name, stretch <= 1 + PEER_ERROR]).toEqual([name, true]);
    }
  });
});

/** ‖v‖ in units of `unit`, so that huge and tiny vectors neither over- nor underflow. */
function norm(v: Float64Array, unit: number): number {
  return unit === 0 ? Math.hypot(...v) : Math.hypot(...v.map((value) => value / unit));
}
