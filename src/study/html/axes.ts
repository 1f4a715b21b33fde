import { linearAxis, logAxis, type PlotAxis } from "../../audit/html/charts/axis.ts";
import type { AxisSpec } from "../figures.ts";
import { finite } from "../statistics.ts";

/** The axis for these values. */
export function axisFor(spec: AxisSpec, values: readonly (number | null)[], coarse: 1 | 2 = 1): PlotAxis {
  const numbers = finite(values);
  const { low, high, scale = "linear" } = spec;
  if (scale === "log") {
    const inside = numbers.filter((x) => x > 0 && x >= (low ?? 0) && x <= (high ?? Number.POSITIVE_INFINITY));
    return logAxis([...inside, ...finite([low ?? null, high ?? null])]);
  }
  const most = high ?? numbers.reduce((a, b) => Math.max(a, b), 0);
  const least = low ?? numbers.reduce((a, b) => Math.min(a, b), 0);
  return least === 0 ? linearAxis(most, coarse) : rangeAxis(least, most, coarse);
}

/** An axis from `low` to `high` with round ticks. */
function rangeAxis(low: number, high: number, coarse: 1 | 2): PlotAxis {
  const span = high > low ? high - low : Math.max(1, Math.abs(low));
  // Ticks as on an axis from 0 of the same length, from the first multiple of their step.
  const { ticks } = linearAxis(span, coarse);
  const step = ticks[1].value;
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor((low + span) / step + 1e-9) - first + 1;
  return {
    high: low + span,
    share: (value) => Math.min(1, Math.max(0, (value - low) / span)),
    ticks: Array.from({ length: Math.max(0, count) }, (_, i) => {
      const value = (first + i) * step;
      return { value, label: String(Number(value.toPrecision(4))) };
    }),
  };
}
