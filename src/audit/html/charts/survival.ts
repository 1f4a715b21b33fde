import type { PlotAxis } from "./axis.ts";
import { shareY } from "./linear.ts";
import { WIDE } from "./stretched.ts";

/**
 * The share of `lengths` that exceed x, for x from the axis's start to `end`, as a path in WIDE × height that steps
 * down at every length. A length of 0 counts as exceeded everywhere.
 */
export function survivalPath(
  lengths: readonly number[],
  axis: PlotAxis,
  end: number,
  height: number,
): string {
  const sorted = lengths.toSorted((a, b) => a - b);
  const x = (length: number) => Math.round(WIDE * axis.share(Math.min(length, end)));
  const y = (left: number) => shareY(left / sorted.length, height);
  const first = sorted.findIndex((length) => length > 0);
  let path = `M0 ${y(first < 0 ? 0 : sorted.length - first)}`;
  for (let i = Math.max(first, 0); first >= 0 && i < sorted.length && sorted[i] < end; i++) {
    const here = x(sorted[i]);
    while (i + 1 < sorted.length && x(sorted[i + 1]) === here && sorted[i + 1] < end) i++;
    path += `H${here}V${y(sorted.length - i - 1)}`;
  }
  return `${path}H${x(end)}`;
}
