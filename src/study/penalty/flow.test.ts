import { describe, expect, it } from "vitest";
import { proximalSpectrum } from "../../linalg/proximal.ts";
import { penaltyFlow } from "./flow.ts";

const spectrum = Float64Array.of(4, 3, 3, 2, 1, 0.5, 0);

function expectClose(got: Float64Array, expected: ArrayLike<number>, digits = 10) {
  expect(got.length).toBe(expected.length);
  got.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i], digits);
  });
}

describe("penaltyFlow", () => {
  it("of all singular values is weight decay: one factor for every one", () => {
    const flown = penaltyFlow(spectrum, { power: 2, rank: spectrum.length }, 0.7);
    expectClose(
      flown,
      spectrum.map((value) => value * Math.exp(-0.7)),
    );
  });

  it("of σ₁ is its proximal map", () => {
    for (const time of [0.3, 1, 2.5, 6, 13.2, 20]) {
      const flown = penaltyFlow(spectrum, { power: 1, rank: 1 }, time);
      expectClose(flown, proximalSpectrum(spectrum, "spectral", time));
    }
  });

  it("of σ₁²/2 is the limit of many small proximal steps", () => {
    const steps = 20_000;
    let stepped: Float64Array = spectrum;
    for (let i = 0; i < steps; i++) stepped = proximalSpectrum(stepped, "squared-spectral", 2.5 / steps);
    expectClose(penaltyFlow(spectrum, { power: 2, rank: 1 }, 2.5), stepped, 3);
  });

  it("shares the speed among values that tie", () => {
    // 4 reaches 3 after ln(4/3); then two values at 3 share the speed.
    const time = Math.log(4 / 3) + 0.2;
    expectClose(penaltyFlow(Float64Array.of(4, 3, 1), { power: 2, rank: 1 }, time), [
      3 * Math.exp(-0.1),
      3 * Math.exp(-0.1),
      1,
    ]);
    // Two places: 4 falls by 1 while 2 and 2 share the other place; 1 more second brings all three together, then 2/3 each.
    expectClose(penaltyFlow(Float64Array.of(4, 3, 3, 1), { power: 1, rank: 2 }, 1), [3, 2.5, 2.5, 1]);
    expectClose(penaltyFlow(Float64Array.of(4, 3, 3, 1), { power: 1, rank: 2 }, 2), [2, 2, 2, 1]);
    expectClose(penaltyFlow(Float64Array.of(4, 3, 3, 1), { power: 1, rank: 2 }, 2.75), [1.5, 1.5, 1.5, 1]);
  });

  it("moves the leading values alike where none is met", () => {
    expectClose(penaltyFlow(Float64Array.of(4, 3, 1), { power: 2, rank: 2 }, 0.5), [
      4 * Math.exp(-0.5),
      3 * Math.exp(-0.5),
      1,
    ]);
  });

  it("ends at zero", () => {
    expectClose(penaltyFlow(Float64Array.of(2, 1), { power: 1, rank: 2 }, 5), [0, 0]);
    expectClose(penaltyFlow(Float64Array.of(0, 0), { power: 2, rank: 1 }, 5), [0, 0]);
    expectClose(penaltyFlow(Float64Array.of(2, 1), { power: 2, rank: 1 }, 0), [2, 1]);
  });
});
