/**
 * Numbers as people read them. A shown upper bound is rounded up and a shown lower bound down, so that reading the
 * digits back gives a float64 that still is that bound.
 */

/** n · 10^(exponent − digits + 1), with n of exactly `digits` decimal digits. */
interface Decimal {
  readonly n: number;
  readonly exponent: number;
  readonly digits: number;
}

const DEFAULT_DIGITS = 4;
/** More would only show how far an iteration happened to run; the shown interval stays a superset. */
const MAX_INTERVAL_DIGITS = 7;
/** Numbers from 10⁻⁴ to below 10⁶ are written out, others in scientific notation. */
const SMALLEST_PLAIN_EXPONENT = -4;
const LARGEST_PLAIN_EXPONENT = 5;

/** x > 0, finite, rounded to nearest. Integers below 10⁶ keep all their digits. */
function toDecimal(x: number, digits: number): Decimal {
  const magnitude = Number(x.toExponential().split("e")[1]);
  const kept = magnitude <= LARGEST_PLAIN_EXPONENT ? Math.max(digits, magnitude + 1) : digits;
  const [mantissa = "", exponent = ""] = x.toExponential(kept - 1).split("e");
  return { n: Number(mantissa.replace(".", "")), exponent: Number(exponent), digits: kept };
}

/** The next decimal with as many digits: one unit in the last place up or down. */
function neighbour({ n, exponent, digits }: Decimal, step: 1 | -1): Decimal {
  const next = n + step;
  if (next === 10 ** digits) return { n: 10 ** (digits - 1), exponent: exponent + 1, digits };
  if (next < 10 ** (digits - 1)) return { n: 10 ** digits - 1, exponent: exponent - 1, digits };
  return { n: next, exponent, digits };
}

function write({ n, exponent, digits }: Decimal): string {
  const all = String(n);
  if (exponent < SMALLEST_PLAIN_EXPONENT || exponent > LARGEST_PLAIN_EXPONENT) {
    const fraction = all.slice(1);
    return `${all[0]}${fraction === "" ? "" : `.${fraction}`}e${exponent}`;
  }
  if (exponent < 0) return `0.${"0".repeat(-exponent - 1)}${all}`;
  const whole = all.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return exponent + 1 >= digits ? whole : `${whole}.${all.slice(exponent + 1)}`;
}

function formatDirected(x: number, digits: number, direction: 1 | -1 | 0): string {
  if (Number.isNaN(x)) return "NaN";
  if (x < 0) return `-${formatDirected(-x, digits, direction === 1 ? -1 : direction === -1 ? 1 : 0)}`;
  if (x === 0) return "0";
  if (x === Number.POSITIVE_INFINITY) return "∞";
  const nearest = toDecimal(x, digits);
  const error = Number(write(nearest)) - x;
  return write(direction * error < 0 ? neighbour(nearest, direction === 1 ? 1 : -1) : nearest);
}

/** `x` with at least `digits` significant digits, never more than x when read back. */
export function formatLower(x: number, digits: number = DEFAULT_DIGITS): string {
  return formatDirected(x, digits, -1);
}

/** `x` with at least `digits` significant digits, never less than x when read back. */
export function formatUpper(x: number, digits: number = DEFAULT_DIGITS): string {
  return formatDirected(x, digits, 1);
}

/** `x` to the nearest, for values that are no bounds. */
export function formatNumber(x: number, digits: number = DEFAULT_DIGITS): string {
  return formatDirected(x, digits, 0);
}

/** Enough digits that the interval shown is little wider than the one known, but at most so many. */
function intervalDigits(lower: number, upper: number, most: number): number {
  const gap = (upper - lower) / upper;
  if (!(gap > 0)) return DEFAULT_DIGITS;
  return Math.min(most, Math.max(DEFAULT_DIGITS, Math.ceil(-Math.log10(gap)) + 1));
}

/**
 * `3.214–3.216`, rounded outward; one number where both ends read alike; `≥ 3.214` without a finite upper end and
 * `≤ 3.216` without a lower one.
 * @param most significant digits where the ends are close.
 */
export function formatInterval(
  lower: number | null,
  upper: number | null,
  most: number = MAX_INTERVAL_DIGITS,
): string {
  if (upper === null || upper === Number.POSITIVE_INFINITY) {
    return lower === null ? "unknown" : `≥ ${formatLower(lower)}`;
  }
  if (lower === null) return `≤ ${formatUpper(upper)}`;
  const digits = intervalDigits(lower, upper, most);
  const low = formatLower(lower, digits);
  const high = formatUpper(upper, digits);
  return low === high ? low : `${low}–${high}`;
}

/** A singular value as a report gives it; an estimate is marked as one: `≈ 3.220 (≥ 3.214)`. */
export function formatSigma(sigma: {
  readonly lower: number;
  readonly upper: number | null;
  readonly estimate?: number;
}): string {
  if (sigma.upper !== null || sigma.estimate === undefined) return formatInterval(sigma.lower, sigma.upper);
  return `≈ ${formatNumber(sigma.estimate)} (≥ ${formatLower(sigma.lower)})`;
}

/** 10^log10 rounded up, for products too large or small for float64; the slack covers the error of the logarithm. */
export function formatPowerUpper(log10: number, digits: number = DEFAULT_DIGITS): string {
  if (log10 === Number.NEGATIVE_INFINITY) return "0";
  if (!Number.isFinite(log10)) return Number.isNaN(log10) ? "NaN" : "∞";
  const padded = log10 + 1e-12 * (1 + Math.abs(log10));
  if (Math.abs(padded) < 300) return formatUpper(10 ** padded, digits);
  const exponent = Math.floor(padded);
  const mantissa = formatUpper(10 ** (padded - exponent), digits);
  return Number(mantissa) < 10
    ? `${mantissa}e${exponent}`
    : `${(Number(mantissa) / 10).toFixed(digits - 1)}e${exponent + 1}`;
}

/** Whole numbers with thousands separators, the same in every locale. */
export function formatCount(x: number): string {
  return String(x).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Bytes in binary units: `439.5 KiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** `16×3×3×3`, or `scalar`. */
export function formatShape(shape: readonly number[]): string {
  return shape.length === 0 ? "scalar" : shape.join("×");
}
