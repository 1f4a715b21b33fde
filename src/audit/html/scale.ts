/** A logarithmic axis: values go in as log₁₀, positions come out in percent of the plot. */
export interface LogScale {
  /** Ends of the axis, log₁₀. */
  readonly low: number;
  readonly high: number;
  /** 0 to 100; values beyond the axis (a zero's −∞) sit at its end. */
  position(log10: number): number;
  readonly ticks: readonly Tick[];
}

export interface Tick {
  readonly log10: number;
  readonly label: string;
}

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
/** An axis shorter than this share of a decade would blow rounding noise up to a trend. */
const SHORTEST = 0.5;
const MOST_DECADES = 8;

/**
 * The axis for these values (non-finite ones are ignored), with room at both ends. It takes in the reference 1
 * (log₁₀ = 0) where that costs at most a decade.
 */
export function logScale(log10Values: Iterable<number>): LogScale {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of log10Values) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) {
    low = 0;
    high = 0;
  }
  if (low > 0 && low <= 1) low = 0;
  if (high < 0 && high >= -1) high = 0;
  const missing = Math.max(0, SHORTEST - (high - low)) / 2;
  const margin = 0.04 * (high - low) + 0.02;
  low -= missing + margin;
  high += missing + margin;
  return {
    low,
    high,
    position: (log10) => 100 * Math.min(1, Math.max(0, (log10 - low) / (high - low))),
    ticks: ticks(low, high),
  };
}

function ticks(low: number, high: number): Tick[] {
  const span = high - low;
  const within = (log10: number) => log10 >= low && log10 <= high;
  const steps = stepsOf(span);
  const every = roundedUp(span / MOST_DECADES);
  const found: Tick[] = [];
  for (let decade = Math.ceil((low - 1) / every) * every; decade <= high; decade += every) {
    for (const step of steps) {
      const log10 = decade + Math.log10(step);
      if (within(log10)) found.push({ log10, label: tickLabel(step, decade) });
    }
  }
  return found;
}

/** The next of 1, 2, 5, 10, 20, 50 … */
function roundedUp(x: number): number {
  let unit = 1;
  while (unit * 10 < x) unit *= 10;
  return unit * ([1, 2, 5].find((step) => step * unit >= x) ?? 10);
}

/** Ticks within a decade, few enough for a narrow screen. */
function stepsOf(span: number): readonly number[] {
  if (span < 0.8) return [1, 1.5, 2, 3, 5, 7];
  if (span <= 1.8) return [1, 2, 5];
  return span <= 3 ? [1, 3] : [1];
}

function tickLabel(step: number, decade: number): string {
  if (decade >= -3 && decade <= 3) return String(Number((step * 10 ** decade).toPrecision(3)));
  const exponent = Array.from(String(Math.abs(decade)), (digit) => SUPERSCRIPTS[Number(digit)]).join("");
  return `${step === 1 ? "" : `${step}·`}10${decade < 0 ? "⁻" : ""}${exponent}`;
}

/** A percentage for an SVG attribute. */
export function percent(value: number): string {
  return `${Math.round(value * 100) / 100}%`;
}
