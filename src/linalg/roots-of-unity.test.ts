import { describe, expect, it } from "vitest";
import { ROOT_ERROR, rootsOfUnity } from "./roots-of-unity.ts";

describe("rootsOfUnity", () => {
  it("is exact on the axes", () => {
    const { cos, sin } = rootsOfUnity(4);
    expect([...cos].map((x) => x + 0)).toEqual([1, 0, -1, 0]);
    expect([...sin].map((x) => x + 0)).toEqual([0, 1, 0, -1]);
  });

  it("agrees with the platform's functions to their accuracy", () => {
    for (const n of [1, 2, 3, 5, 7, 12, 34, 226, 1000]) {
      const { cos, sin } = rootsOfUnity(n);
      for (let m = 0; m < n; m++) {
        const angle = (2 * Math.PI * m) / n;
        expect(Math.abs(cos[m]! - Math.cos(angle))).toBeLessThan(2e-15);
        expect(Math.abs(sin[m]! - Math.sin(angle))).toBeLessThan(2e-15);
      }
    }
  });

  it("lies on the circle and closes under squaring, within its stated error", () => {
    for (const n of [9, 16, 100, 777]) {
      const { cos, sin } = rootsOfUnity(n);
      for (let m = 0; m < n; m++) {
        const c = cos[m]!;
        const s = sin[m]!;
        expect(Math.abs(c * c + s * s - 1)).toBeLessThan(8 * ROOT_ERROR);
        expect(Math.abs(2 * c * s - sin[(2 * m) % n]!)).toBeLessThan(8 * ROOT_ERROR);
      }
    }
  });

  it("meets published values to the last bit", () => {
    // cos 30°, sin 30°, cos 45°, cos 36° = (1 + √5)/4, rounded to nearest.
    const twelfths = rootsOfUnity(12);
    expect(twelfths.sin[1]).toBe(0.5);
    expect(twelfths.cos[1]).toBe(0.8660254037844386);
    expect(rootsOfUnity(8).cos[1]).toBe(Math.SQRT1_2);
    expect(rootsOfUnity(10).cos[1]).toBe(0.8090169943749475);
  });
});
