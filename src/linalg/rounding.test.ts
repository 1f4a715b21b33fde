import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addUp, divUp, down, gamma, mulUp, scaleToUnit, sqrtDown, sqrtUp, up } from "./rounding.ts";

/** x ≥ 0 as an exact fraction n / 2^1074. */
function exact(x: number): bigint {
  const bits = new BigUint64Array(new Float64Array([x]).buffer)[0]!;
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & ((1n << 52n) - 1n);
  return exponent === 0 ? fraction : (fraction | (1n << 52n)) << BigInt(exponent - 1);
}

const UNIT = 1n << 1074n;
const nonnegative = fc.double({ min: 0, max: 1e300, noNaN: true });
const moderate = fc.double({ min: 1e-100, max: 1e100, noNaN: true });
const RUNS = { numRuns: 5000 };

describe("outward rounding against exact arithmetic", () => {
  it("encloses sums", () => {
    fc.assert(
      fc.property(nonnegative, nonnegative, (a, b) => {
        const sum = exact(a) + exact(b);
        expect(exact(addUp(a, b)) >= sum).toBe(true);
        expect(exact(down(a + b)) <= sum).toBe(true);
      }),
      RUNS,
    );
  });

  it("encloses products and quotients", () => {
    fc.assert(
      fc.property(moderate, moderate, (a, b) => {
        const product = exact(a) * exact(b);
        expect(exact(mulUp(a, b)) * UNIT >= product).toBe(true);
        expect(exact(down(a * b)) * UNIT <= product).toBe(true);
        expect(exact(divUp(a, b)) * exact(b) >= exact(a) * UNIT).toBe(true);
      }),
      RUNS,
    );
  });

  it("encloses roots, from the smallest denormal to the largest number", () => {
    const check = (x: number) => {
      const square = exact(x) * UNIT;
      expect(exact(sqrtUp(x)) ** 2n >= square).toBe(true);
      expect(exact(sqrtDown(x)) ** 2n <= square).toBe(true);
      expect(sqrtUp(x)).toBeLessThanOrEqual(Math.sqrt(x) * (1 + 1e-14));
      expect(sqrtDown(x)).toBeGreaterThanOrEqual(Math.sqrt(x) * (1 - 1e-14));
    };
    for (const x of [0, 5e-324, 1e-320, 2 ** -1022, 2 ** -500, 1, 2, 1e300, Number.MAX_VALUE]) check(x);
    fc.assert(fc.property(fc.double({ min: 0, max: Number.MAX_VALUE, noNaN: true }), check), RUNS);
  });

  it("keeps NaN, and never lets it pass for a bound", () => {
    for (const f of [up, down, sqrtUp, sqrtDown]) expect(f(Number.NaN)).toBeNaN();
    expect(sqrtUp(-1)).toBeNaN();
    expect(mulUp(0, Number.POSITIVE_INFINITY)).toBe(0);
  });

  it("bounds k roundings by gamma", () => {
    for (const k of [1, 10, 1000, 1e6]) {
      const u = 2 ** -53;
      expect(gamma(k)).toBeGreaterThanOrEqual((k * u) / (1 - k * u));
      expect(gamma(k)).toBeLessThan(k * u * (1 + 1e-9));
    }
  });

  it("scales into [1, 2) by a power of two", () => {
    fc.assert(
      fc.property(fc.double({ min: 2 ** -1022, max: Number.MAX_VALUE, noNaN: true }), (x) => {
        const scaled = scaleToUnit(x) * x;
        expect(scaled >= 1 && scaled < 2).toBe(true);
      }),
      RUNS,
    );
    expect(scaleToUnit(5e-324)).toBe(2 ** 1022);
  });
});
