import fc from "fast-check";
import { expect, it } from "vitest";
import { equals, exactly, floor, isLess, minus, over, plus, ratio, times, toNumber } from "./rational.ts";

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const whole = fc.integer({ min: -1000, max: 1000 });
const fraction = fc.tuple(whole, fc.integer({ min: 1, max: 1000 }));

it("holds every float64 exactly", () => {
  fc.assert(
    fc.property(finite, (x) => {
      expect(equals(exactly(x), x)).toBe(true);
      if (Math.abs(x) > 2 ** -900 || x === 0) expect(toNumber(exactly(x)) === x).toBe(true);
    }),
  );
  expect(() => exactly(Number.NaN)).toThrow(RangeError);
  expect(() => exactly(Infinity)).toThrow(RangeError);
});

it("calculates without rounding", () => {
  fc.assert(
    fc.property(fraction, fraction, ([a, b], [c, d]) => {
      const [x, y] = [ratio(a, b), ratio(c, d)];
      expect(plus(x, y)).toEqual(b === d ? ratio(a + c, b) : ratio(a * d + c * b, b * d));
      expect(minus(plus(x, y), y).n * BigInt(b)).toBe(BigInt(a) * minus(plus(x, y), y).d);
      expect(times(x, y)).toEqual(ratio(a * c, b * d));
      if (c !== 0) expect(times(over(x, y), y).n * BigInt(b)).toBe(BigInt(a) * times(over(x, y), y).d);
      expect(floor(x)).toBe(Math.floor(a / b));
      expect(isLess(x, y)).toBe(a * d < c * b);
    }),
  );
});

it("rounds fractions of any length", () => {
  let x = ratio(1, 3);
  for (let k = 0; k < 12; k++) x = times(x, x);
  const y = over(plus(x, x), x);
  expect(y.n.toString(2).length).toBeGreaterThan(1100);
  expect(toNumber(y)).toBeCloseTo(2, 15);
});
