import type { PlotAxis } from "./axis.ts";
import { shareY } from "./linear.ts";
import { WIDE } from "./stretched.ts";

/** A bin keeps its lowest and its highest point; one is about two pixels wide. */
const BINS = 160;

/** A path in WIDE × `height` through the extremes of every bin of places: few points, no peak lost. */
export function linePath(
  steps: readonly number[],
  values: readonly number[],
  x: PlotAxis,
  y: PlotAxis,
  height: number,
): string {
  const each = Math.max(1, Math.ceil(steps.length / BINS));
  const kept: number[] = [];
  for (let start = 0; start < steps.length; start += each) {
    const end = Math.min(steps.length, start + each);
    let [low, high] = [start, start];
    for (let i = start + 1; i < end; i++) {
      if (values[i] < values[low]) low = i;
      if (values[i] > values[high]) high = i;
    }
    kept.push(Math.min(low, high), Math.max(low, high));
  }
  const places = [...new Set([0, ...kept, steps.length - 1])].sort((a, b) => a - b);
  return places
    .map(
      (i, n) =>
        `${n === 0 ? "M" : "L"}${Math.round(WIDE * x.share(steps[i]))} ${shareY(y.share(values[i]), height)}`,
    )
    .join("");
}
