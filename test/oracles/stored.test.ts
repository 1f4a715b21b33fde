import { describe, expect, it } from "vitest";
import { float16Value } from "../../src/kernels/storage.ts";
import type { StorageType } from "../../src/kernels/types.ts";
import { analyzeConvolution, analyzeMatrix } from "../../src/linalg/analyze.ts";
import { expectEnclosed, expectGap, GAPS, GUARANTEES } from "./enclosure.ts";
import { entries } from "./generator.ts";
import { convolutionOracles, denseOracles, describeConvolution, operatorOf, PEER_ERROR } from "./norms.ts";

const OPTIONS = { seed: 1n, threads: 1, memory: 2 ** 28 };

describe("stored matrices", () => {
  for (const guarantee of GUARANTEES) {
    it(`enclose the peers' σ₁ at ${guarantee}, in every storage type`, async () => {
      for (const oracle of denseOracles) {
        for (const type of oracle.dtypes as readonly StorageType[]) {
          const name = `${oracle.name} ${type}`;
          const { sigma, frobenius } = await analyzeMatrix(matrixSource(oracle.recipe, type), {
            ...OPTIONS,
            guarantee,
          });
          expectEnclosed(name, sigma, oracle.singularValues[0]!, guarantee);
          if (guarantee !== "estimate") expectGap(name, sigma, oracle.singularValues[0]!, GAPS[guarantee]);
          const excess = oracle.frobenius === 0 ? frobenius : frobenius / oracle.frobenius - 1;
          expect([name, excess >= -PEER_ERROR && excess <= 2 * PEER_ERROR]).toEqual([name, true]);
        }
      }
    });
  }
});

describe("stored convolutions", () => {
  for (const guarantee of GUARANTEES) {
    it(`enclose the peers' σ₁ at ${guarantee}`, async () => {
      for (const oracle of convolutionOracles) {
        const name = describeConvolution(oracle);
        const { sigma, reshaped } = await analyzeConvolution(convolutionSource(oracle), {
          ...OPTIONS,
          guarantee,
        });
        expectEnclosed(name, sigma, oracle.sigma, guarantee);
        expectEnclosed(`${name}, reshaped`, reshaped, oracle.reshaped, guarantee);
        if (guarantee !== "estimate") expectGap(name, sigma, oracle.sigma, GAPS[guarantee]);
      }
    });
  }

  it("stay below the bound that holds at every input size", async () => {
    for (const oracle of convolutionOracles) {
      if (oracle.boundary !== "zero") continue;
      const source = convolutionSource(oracle);
      const geometry = { ...source.geometry, inputSize: undefined };
      const { sigma } = await analyzeConvolution({ ...source, geometry }, { ...OPTIONS, guarantee: "proof" });
      const holds = sigma?.upper != null && sigma.upper >= oracle.sigma * (1 - PEER_ERROR);
      expect([describeConvolution(oracle), sigma, holds]).toEqual([describeConvolution(oracle), sigma, true]);
    }
  });
});

function matrixSource(recipe: Parameters<typeof entries>[0], type: StorageType) {
  const bytes = encode(entries(recipe), type);
  const width = bytes.length / recipe.rows;
  return {
    type,
    rows: recipe.rows,
    cols: recipe.cols,
    readRows: async (start: number, end: number) => bytes.subarray(start * width, end * width),
  };
}

function convolutionSource(oracle: (typeof convolutionOracles)[number]) {
  const operator = operatorOf(oracle);
  const forward = operator.kind === "adjoint" ? operator.of : operator;
  const type = oracle.recipe.seed % 2 === 0 ? "float64" : "float32";
  return {
    type,
    kernelShape: oracle.kernelShape,
    geometry: forward.geometry,
    transposed: oracle.transposed,
    read: async () => encode(entries(oracle.recipe), type),
  } as const;
}

/** Bits of every finite binary16 number. */
const float16Bits = new Map<number, number>();
for (let bits = 0; bits < 0x10000; bits++) float16Bits.set(float16Value(bits) + 0, bits & 0x7fff ? bits : 0);

/** Little-endian bytes of values that the type holds exactly. */
function encode(values: Float64Array, type: StorageType): Uint8Array {
  switch (type) {
    case "float64":
      return new Uint8Array(values.slice().buffer);
    case "float32":
      return new Uint8Array(Float32Array.from(values).buffer);
    case "bfloat16": {
      const words = new Uint32Array(Float32Array.from(values).buffer);
      return new Uint8Array(Uint16Array.from(words, (word) => word >>> 16).buffer);
    }
    case "float16":
      return new Uint8Array(Uint16Array.from(values, (value) => float16Bits.get(value)!).buffer);
  }
}
