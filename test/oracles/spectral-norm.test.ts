import { describe, expect, it } from "vitest";
import type { Bound } from "../../src/linalg/bound.ts";
import { dense } from "../../src/linalg/dense.ts";
import { adjointOf, scale } from "../../src/linalg/operators.ts";
import { spectralNorm } from "../../src/linalg/spectral-norm.ts";
import { spectralNormAsync } from "../../src/linalg/spectral-norm-async.ts";
import { expectEnclosed, expectGap, GAPS, GUARANTEES } from "./enclosure.ts";
import { entries } from "./generator.ts";
import {
  convolutionOracles,
  type DenseOracle,
  denseOracles,
  describeConvolution,
  operatorOf,
  PEER_ERROR,
  sizeFreeOf,
} from "./norms.ts";

const SEED = { seed: 1n };

/** In the narrowest of float64 and float32 that holds the entries. */
function operatorOfDense({ recipe, dtypes }: DenseOracle) {
  const values = entries(recipe);
  const data = dtypes.includes("float32") ? Float32Array.from(values) : values;
  return dense(data, recipe.rows, recipe.cols);
}

describe("spectralNorm", () => {
  for (const guarantee of GUARANTEES) {
    it(`encloses the peers' σ₁ of matrices at ${guarantee}`, () => {
      for (const oracle of denseOracles) {
        const bound = spectralNorm(operatorOfDense(oracle), { guarantee, ...SEED });
        expectEnclosed(oracle.name, bound, oracle.singularValues[0]!, guarantee);
        if (guarantee !== "estimate")
          expectGap(oracle.name, bound, oracle.singularValues[0]!, GAPS[guarantee]);
      }
    });

    it(`encloses the peers' σ₁ of convolutions at ${guarantee}`, () => {
      for (const oracle of convolutionOracles) {
        const name = describeConvolution(oracle);
        const bound = spectralNorm(operatorOf(oracle), { guarantee, ...SEED });
        expectEnclosed(name, bound, oracle.sigma, guarantee);
        if (guarantee !== "estimate") expectGap(name, bound, oracle.sigma, GAPS[guarantee]);
      }
    });
  }

  it("meets a gap of 1e-6 at probable", () => {
    for (const oracle of denseOracles) {
      const bound = spectralNorm(operatorOfDense(oracle), { guarantee: "probable", gap: 1e-6, ...SEED });
      expectEnclosed(oracle.name, bound, oracle.singularValues[0]!, "probable");
      expectGap(oracle.name, bound, oracle.singularValues[0]!, 1e-6);
    }
  });

  it("gives adjoints and multiples the norm they have", () => {
    for (const oracle of denseOracles) {
      const sigma = oracle.singularValues[0]!;
      const adjoint = spectralNorm(adjointOf(operatorOfDense(oracle)), { guarantee: "proof", ...SEED });
      expectEnclosed(`adjoint of ${oracle.name}`, adjoint, sigma, "proof");
      expectGap(`adjoint of ${oracle.name}`, adjoint, sigma, GAPS.proof);
      const half = spectralNorm(scale(operatorOfDense(oracle), -0.5), { guarantee: "proof", ...SEED });
      expectEnclosed(`-0.5 × ${oracle.name}`, half, sigma / 2, "proof");
    }
  });

  it("bounds every size of a zero-padded convolution whose input size is unknown", () => {
    for (const oracle of convolutionOracles) {
      if (oracle.boundary !== "zero") continue;
      const bound = spectralNorm(sizeFreeOf(oracle), { guarantee: "proof", ...SEED });
      const holds = bound.upper !== null && bound.upper >= oracle.sigma * (1 - PEER_ERROR);
      expect([describeConvolution(oracle), bound, holds]).toEqual([describeConvolution(oracle), bound, true]);
    }
  });
});

describe("spectralNormAsync", () => {
  it("encloses the peers' σ₁ too", async () => {
    const check = async (name: string, promise: Promise<Bound>, sigma: number) => {
      const bound = await promise;
      expectEnclosed(name, bound, sigma, "probable");
      expectGap(name, bound, sigma, GAPS.probable);
    };
    for (const oracle of denseOracles) {
      const promise = spectralNormAsync(operatorOfDense(oracle), { threads: 1, ...SEED });
      await check(oracle.name, promise, oracle.singularValues[0]!);
    }
    for (const oracle of convolutionOracles) {
      const promise = spectralNormAsync(operatorOf(oracle), { threads: 1, ...SEED });
      await check(describeConvolution(oracle), promise, oracle.sigma);
    }
  });
});
