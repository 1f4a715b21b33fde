import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatBytes,
  formatCount,
  formatInterval,
  formatLower,
  formatNumber,
  formatPowerUpper,
  formatShape,
  formatSigma,
  formatUpper,
} from "./format-number.ts";

const positive = fc.double({ min: 5e-324, max: 1.7e308, noNaN: true });
const ordinary = fc.double({ min: 1e-6, max: 1e8, noNaN: true });
const digits = fc.integer({ min: 1, max: 12 });

describe("directed rounding", () => {
  it("keeps a shown bound a bound, and close", () => {
    fc.assert(
      fc.property(fc.oneof(positive, ordinary), digits, (x, d) => {
        const low = Number(formatLower(x, d));
        const high = Number(formatUpper(x, d));
        expect(low).toBeLessThanOrEqual(x);
        expect(high).toBeGreaterThanOrEqual(x);
        if (x > 1e-300 && x < 1e300) expect(high - low).toBeLessThanOrEqual(x * 10 ** (1 - d) * 1.0001);
      }),
      { numRuns: 2000 },
    );
  });

  it("mirrors for negative numbers", () => {
    fc.assert(
      fc.property(ordinary, (x) => {
        expect(Number(formatLower(-x))).toBeLessThanOrEqual(-x);
        expect(Number(formatUpper(-x))).toBeGreaterThanOrEqual(-x);
      }),
    );
  });

  it("crosses powers of ten", () => {
    expect(formatUpper(9.9996)).toBe("10.00");
    expect(formatUpper(0.99996)).toBe("1.000");
    expect(formatLower(0.99996)).toBe("0.9999");
    expect(formatUpper(99999.7)).toBe("100000");
    expect(formatUpper(999999.7)).toBe("1.00000e6");
    expect(formatLower(1.0000001)).toBe("1.000");
  });

  it("writes ordinary and extreme numbers", () => {
    expect(formatUpper(1512.6)).toBe("1513");
    expect(formatLower(112006.4)).toBe("112006");
    expect(formatUpper(1.2341e-7)).toBe("1.235e-7");
    expect(formatNumber(0.00012345678)).toBe("0.0001235");
    expect(formatNumber(7e30, 1)).toBe("7e30");
    expect([formatUpper(0), formatUpper(Number.POSITIVE_INFINITY), formatLower(Number.NaN)]).toEqual([
      "0",
      "∞",
      "NaN",
    ]);
  });
});

describe("formatInterval", () => {
  it("contains the interval it shows", () => {
    fc.assert(
      fc.property(ordinary, fc.double({ min: 0, max: 0.5, noNaN: true }), (lower, gap) => {
        const upper = lower * (1 + gap);
        const parts = formatInterval(lower, upper).split("–").map(Number);
        expect(parts[0]!).toBeLessThanOrEqual(lower);
        expect(parts.at(-1)!).toBeGreaterThanOrEqual(upper);
      }),
      { numRuns: 1000 },
    );
  });

  it("is little wider than what is known, down to its seven digits", () => {
    fc.assert(
      fc.property(ordinary, fc.double({ min: 1e-5, max: 0.5, noNaN: true }), (lower, gap) => {
        const upper = lower * (1 + gap);
        const parts = formatInterval(lower, upper).split("–").map(Number);
        expect(parts.at(-1)! - parts[0]!).toBeLessThanOrEqual(3.01 * (upper - lower));
      }),
      { numRuns: 1000 },
    );
  });

  it("reads naturally", () => {
    expect(formatInterval(3.2141, 3.2459)).toBe("3.214–3.246");
    expect(formatInterval(3.2141234, 3.2141299)).toBe("3.214123–3.214130");
    expect(formatInterval(2, 2)).toBe("2.000");
    expect(formatInterval(0, 0)).toBe("0");
    expect(formatInterval(2.5, null)).toBe("≥ 2.500");
    expect(formatInterval(null, 1512.6)).toBe("≤ 1513");
    expect(formatInterval(2.5, Number.POSITIVE_INFINITY)).toBe("≥ 2.500");
    expect(formatInterval(null, null)).toBe("unknown");
  });

  it("marks estimates", () => {
    expect(formatSigma({ lower: 3.2141, upper: null, estimate: 3.22 })).toBe("≈ 3.220 (≥ 3.214)");
    expect(formatSigma({ lower: 3.2141, upper: null })).toBe("≥ 3.214");
    expect(formatSigma({ lower: 3.2141, upper: 3.2459 })).toBe("3.214–3.246");
  });
});

describe("formatPowerUpper", () => {
  it("is an upper bound wherever float64 can check it", () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-290, max: 1e290, noNaN: true }), (x) => {
        const shown = Number(formatPowerUpper(Math.log10(x)));
        expect(shown).toBeGreaterThanOrEqual(x);
        expect(shown).toBeLessThanOrEqual(x * 1.0011);
      }),
    );
  });

  it("goes beyond float64", () => {
    expect(formatPowerUpper(443.1)).toBe("1.259e443");
    expect(formatPowerUpper(Number.NEGATIVE_INFINITY)).toBe("0");
    expect(formatPowerUpper(Number.POSITIVE_INFINITY)).toBe("∞");
    expect(formatPowerUpper(2.99999999)).toBe("1000");
    expect(formatPowerUpper(442.99999999)).toBe("1.000e443");
  });
});

it("writes counts, bytes and shapes", () => {
  expect(formatCount(112006)).toBe("112,006");
  expect(formatCount(999)).toBe("999");
  expect(formatBytes(1023)).toBe("1023 B");
  expect(formatBytes(450053)).toBe("439.5 KiB");
  expect(formatBytes(2 ** 51)).toBe("2048.0 TiB");
  expect(formatShape([16, 3, 3, 3])).toBe("16×3×3×3");
  expect(formatShape([])).toBe("scalar");
});
