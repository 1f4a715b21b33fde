import { describe, expect, it } from "vitest";
import { entries } from "./generator.ts";
import { checksum, convolutionOracles, denseOracles } from "./norms.ts";

describe("entries", () => {
  it("rebuilds the very bytes that the peers were given", () => {
    expect(denseOracles.length).toBeGreaterThanOrEqual(70);
    expect(convolutionOracles.length).toBeGreaterThanOrEqual(280);
    for (const { recipe, checksum: expected } of [...denseOracles, ...convolutionOracles])
      expect([recipe, checksum(entries(recipe))]).toEqual([recipe, expected]);
  });

  it("is exact in every storage type that a case lists", () => {
    for (const { recipe, dtypes } of denseOracles) {
      const values = entries(recipe);
      if (dtypes.includes("float32")) expect(Float64Array.from(Float32Array.from(values))).toEqual(values);
      if (dtypes.includes("bfloat16")) {
        const bits = new Uint32Array(Float32Array.from(values).buffer);
        expect(bits.every((word) => (word & 0xffff) === 0)).toBe(true);
      }
    }
  });
});

describe("the peers' answers", () => {
  it("agree with closed forms", () => {
    for (const { recipe, singularValues } of denseOracles) {
      const [first] = singularValues;
      const n = recipe.rows;
      if (recipe.pattern === "hadamard") expect(first / Math.sqrt(recipe.cols)).toBeCloseTo(1, 13);
      if (recipe.pattern === "triangle")
        expect(first * 2 * Math.sin(Math.PI / (4 * n + 2))).toBeCloseTo(1, 13);
      if (recipe.pattern === "single") expect(first).toBe(93);
      if (recipe.pattern === "zero") expect(first).toBe(0);
      if (recipe.pattern === "repeated") expect(singularValues[1] / first).toBeCloseTo(1, 13);
    }
  });

  it("obey the Frobenius norm", () => {
    for (const { singularValues, frobenius, recipe, name } of denseOracles) {
      if (Math.min(recipe.rows, recipe.cols) > singularValues.length) continue;
      const scale = singularValues[0] || 1;
      const sum = singularValues.reduce((total, value) => total + (value / scale) ** 2, 0);
      expect([name, Math.abs(Math.sqrt(sum) - frobenius / scale) < 1e-13]).toEqual([name, true]);
    }
  });
});
