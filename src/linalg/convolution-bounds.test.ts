import { describe, expect, it } from "vitest";
import { convolution } from "./convolution.ts";
import { hasExplicitGram } from "./convolution-gram.ts";
import { dense } from "./dense.ts";
import { explicitMatrix } from "./explicit.ts";
import type { Boundary } from "./geometry.ts";
import { RandomStream } from "./random.ts";
import { spectralNorm } from "./spectral-norm.ts";

interface Case {
  readonly name: string;
  readonly channels: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly input: readonly [number, number];
  readonly stride: number;
  readonly padding: readonly [number, number];
  readonly groups: number;
  readonly boundary: Boundary;
}

const base: Case = {
  name: "zero-padded",
  channels: [16, 16],
  kernel: [3, 3],
  input: [12, 12],
  stride: 1,
  padding: [1, 1],
  groups: 1,
  boundary: "zero",
};

/** Too large for the explicit Gram matrix, small enough to be written out as a matrix. */
const CASES: readonly Case[] = [
  base,
  { ...base, name: "strided", channels: [20, 8], input: [22, 22], stride: 2 },
  { ...base, name: "grouped", channels: [24, 24], groups: 12, input: [10, 10] },
  { ...base, name: "circular", boundary: "circular" },
  { ...base, name: "reflecting", boundary: "reflect" },
  { ...base, name: "replicating", boundary: "replicate", padding: [2, 0] },
  { ...base, name: "depthwise", channels: [16, 16], groups: 16, input: [13, 13] },
  { ...base, name: "few channels, large image", channels: [2, 2], input: [40, 30] },
];

function operatorOf(c: Case, seed: bigint) {
  const random = new RandomStream(seed);
  const shape = [c.channels[0], c.channels[1] / c.groups, ...c.kernel];
  const kernel = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal());
  return convolution(kernel, shape, {
    inputSize: [...c.input],
    strides: [c.stride, c.stride],
    padding: [c.padding, c.padding],
    dilations: [1, 1],
    groups: c.groups,
    boundary: c.boundary,
  });
}

describe("convolutions too large for an explicit Gram matrix", () => {
  for (const c of CASES) {
    it(`${c.name}: encloses the norm of the written-out matrix`, () => {
      const operator = operatorOf(c, 17n);
      expect(hasExplicitGram(operator)).toBe(false);
      // An independent route: Lanczos on the matrix itself, to seven digits.
      const matrix = dense(explicitMatrix(operator), operator.rows, operator.cols);
      const truth = spectralNorm(matrix, { gap: 1e-7, seed: 1 });
      const proof = spectralNorm(operator, { guarantee: "proof", seed: 2 });
      expect(proof.guarantee).toBe("proof");
      expect(proof.upper).toBeGreaterThanOrEqual(truth.lower);
      expect(proof.lower).toBeLessThanOrEqual(truth.upper!);
      // The bound is a useful one: the grid of a zero-padded operator is a few percent above it, most on small images.
      const looseness = proof.upper! / truth.lower;
      expect(looseness).toBeLessThan(c.boundary === "zero" || c.boundary === "circular" ? 1.1 : 3);
      expect(proof.lower / truth.upper!).toBeGreaterThan(0.97);
      const probable = spectralNorm(operator, { seed: 3 });
      expect(probable.upper).toBeGreaterThanOrEqual(truth.lower);
      expect(probable.lower).toBeLessThanOrEqual(truth.upper!);
      expect(probable.upper! - probable.lower).toBeLessThanOrEqual(0.01 * probable.upper!);
    });
  }

  it("is exact for circular padding", () => {
    const proof = spectralNorm(operatorOf({ ...base, boundary: "circular" }, 5n), {
      guarantee: "proof",
      seed: 2,
    });
    expect(proof.method).toBe("symbol-grid");
    expect(proof.upper! / proof.lower - 1).toBeLessThan(1e-5);
  });
});
