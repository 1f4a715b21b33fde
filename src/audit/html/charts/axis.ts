import { logScale } from "../scale.ts";

/** An axis of a plot: where a value lies on it, and its ticks. */
export interface PlotAxis {
  readonly high: number;
  /** How far along the axis a value lies, from 0 to 1; values beyond its ends lie at them. */
  share(value: number): number;
  readonly ticks: readonly { readonly value: number; readonly label: string }[];
}

/**
 * An axis from 0 that takes in `most`, with four to ten round ticks.
 * @param coarse 2: half as many, for a narrow plot.
 */
export function linearAxis(most: number, coarse: 1 | 2 = 1): PlotAxis {
  const high = most > 0 ? most : 1;
  let unit = 1;
  while (unit * 10 <= high) unit *= 10;
  while (unit > high) unit /= 10;
  // high/unit is in [1, 10): these steps give 4 to 10, 5 to 10 and 5 to 8 intervals.
  const step = coarse * unit * (high / unit < 2 ? 0.25 : high / unit < 5 ? 0.5 : 1);
  const ticks = Array.from({ length: Math.floor(high / step + 1e-9) + 1 }, (_, i) => {
    return { value: i * step, label: String(Number((i * step).toPrecision(4))) };
  });
  return { high, share: (value) => Math.min(1, Math.max(0, value / high)), ticks };
}

/** A logarithmic axis for these values, with room at both ends; what has no logarithm lies at its start. */
export function logAxis(values: Iterable<number>): PlotAxis {
  const scale = logScale(Array.from(values, Math.log10));
  return {
    high: 10 ** scale.high,
    share: (value) => (value > 0 ? scale.position(Math.log10(value)) / 100 : 0),
    ticks: scale.ticks.map(({ log10, label }) => ({ value: 10 ** log10, label })),
  };
}
