import { describe, expect, it } from "vitest";
import { summarizeSpectrum } from "./spectrum.ts";

describe("summarizeSpectrum", () => {
  it("sums up spectra worked out by hand", () => {
    expect(summarizeSpectrum([2, 1.9, 1, 0])).toEqual({
      sigma: 2,
      stableRank: (4 + 3.61 + 1) / 4,
      tail: 1.45,
      level: 2,
    });
    expect(summarizeSpectrum([3, 3, 3])).toEqual({ sigma: 3, stableRank: 3, tail: 3, level: 3 });
    expect(summarizeSpectrum([5, 0, 0]).stableRank).toBe(1);
    expect(summarizeSpectrum([0, 0]).stableRank).toBe(0);
  });
});
