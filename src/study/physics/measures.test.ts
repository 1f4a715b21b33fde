import { describe, expect, it } from "vitest";
import {
  boundedShare,
  energies,
  energyDrift,
  errorBound,
  massError,
  maximumViolations,
  meanError,
  relativeErrors,
  riseShare,
  stepsUntil,
} from "./measures.ts";

describe("measures of roll-outs", () => {
  it("counts those within ten times the training's largest value", () => {
    expect(boundedShare([1, 20, 20.1, Number.POSITIVE_INFINITY], 2)).toBe(0.5);
  });

  // Two states of two numbers, three steps.
  const compared = {
    size: 2,
    truth: [
      [3, 4, 0, 2],
      [3, 4, 0, 1],
      [6, 8, 0, 1],
    ],
    found: [
      [3, 4, 0, 2],
      [3, 3, 0, 4],
      [6, 8, Number.NaN, 0],
    ],
  };
  const errors = relativeErrors(compared);

  it("takes errors relative to the truth's length", () => {
    expect(errors).toEqual([
      [0, 0],
      [0.2, 3],
      [0, Number.POSITIVE_INFINITY],
    ]);
    expect(meanError(errors, 2)).toBeCloseTo((0.2 + 2 + 2) / 6, 12);
    expect(stepsUntil([0, 10, 20], errors)).toBe((20 + 10) / 2);
  });

  it("measures drift and rises of energy", () => {
    const square = (x: ArrayLike<number>) => x[0] ** 2 + x[1] ** 2;
    const found = energies(compared.found, 2, square);
    const truth = energies(compared.truth, 2, square);
    expect(truth).toEqual([
      [25, 4],
      [25, 1],
      [100, 1],
    ]);
    expect(energyDrift(found, truth, 5)).toBeCloseTo((0 + 0 + 7 / 25 + 15 / 4 + 0 + 5) / 6, 12);
    // Of the four steps: 25 → 18 falls, 18 → 100 rises, 4 → 16 rises, 16 → NaN counts as a rise.
    expect(riseShare(found, 0)).toBe(0.75);
    expect(riseShare([[100], [101], [99]], 0.01)).toBe(0);
    expect(riseShare([[100], [101.1], [99]], 0.01)).toBe(0.5);
  });

  it("checks maximum principle and mass", () => {
    expect(maximumViolations([1, 1, 2], [1.005, 1.02, Number.POSITIVE_INFINITY], 0.01)).toBeCloseTo(
      2 / 3,
      12,
    );
    // First state: mean 7 as it should be. The second is no number and is left out.
    expect(massError(compared)).toBe(0);
    expect(massError({ ...compared, found: [[6, 9, 0, 3]] })).toBeCloseTo((0.5 / 4 + 1 / 2) / 2, 12);
  });

  it("sums the geometric series of the bound", () => {
    expect(errorBound(0.1, 2, 5)).toBeCloseTo(0.1 * (1 + 2 + 4 + 8 + 16), 12);
    expect(errorBound(0.1, 1, 5)).toBeCloseTo(0.5, 12);
    expect(errorBound(0.1, 1 + 1e-9, 1000)).toBeCloseTo(100, 3);
    expect(errorBound(1, 0.5, 60)).toBeCloseTo(2, 12);
  });
});
