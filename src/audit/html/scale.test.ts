import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { logScale } from "./scale.ts";

describe("logScale", () => {
  it("places every value inside, in order, with ticks to read it by", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -300, max: 400, noNaN: true }), { minLength: 1, maxLength: 30 }),
        (logs) => {
          const scale = logScale(logs);
          const sorted = [...logs].sort((a, b) => a - b).map(scale.position);
          for (const [i, position] of sorted.entries()) {
            expect(position).toBeGreaterThanOrEqual(0);
            expect(position).toBeLessThanOrEqual(100);
            if (i > 0) expect(position).toBeGreaterThanOrEqual(sorted[i - 1]!);
          }
          expect(scale.ticks.length).toBeGreaterThan(0);
          expect(scale.ticks.length).toBeLessThan(12);
          for (const { log10 } of scale.ticks) {
            expect(log10).toBeGreaterThanOrEqual(scale.low);
            expect(log10).toBeLessThanOrEqual(scale.high);
          }
        },
      ),
    );
  });

  it("puts a zero's −∞ at the foot and ignores it for the range", () => {
    const scale = logScale([Number.NEGATIVE_INFINITY, 0, 1]);
    expect(scale.position(Number.NEGATIVE_INFINITY)).toBe(0);
    expect(scale.low).toBeGreaterThan(-1);
  });

  it("copes with no value at all", () => {
    expect(logScale([]).ticks.map(({ label }) => label)).toContain("1");
  });

  it("takes in 1 when it is near, and only then", () => {
    expect(logScale([0.5, 1]).low).toBeLessThanOrEqual(0);
    expect(logScale([4, 5]).low).toBeGreaterThan(3);
  });

  it("labels powers of ten", () => {
    expect(logScale([0, 3.2]).ticks.map(({ label }) => label)).toEqual(["1", "10", "100", "1000"]);
    expect(logScale([-60, -20]).ticks.map(({ label }) => label)).toContain("10⁻³⁰");
  });
});
