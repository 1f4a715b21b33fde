import type { Summary } from "./schema.ts";
import type { Metric, Metrics } from "./study.ts";

/** The values that are numbers. */
export function finite(values: readonly (number | null | undefined)[]): number[] {
  return values.filter((value): value is number => typeof value === "number" && Number.isFinite(value));
}

/** The arithmetic mean; null of nothing. */
export function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Mean and sample standard deviation of the values that are numbers. */
export function summarize(values: readonly (number | null | undefined)[]): Summary {
  const numbers = finite(values);
  const centre = mean(numbers);
  if (centre === null) return { mean: null, std: null, count: 0 };
  const squares = numbers.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return { mean: centre, std: Math.sqrt(squares / Math.max(1, numbers.length - 1)), count: numbers.length };
}

/** Means further apart than this many standard errors of their difference are told apart. */
export const CLEAR = 2;

/**
 * By how many standard errors of their difference the mean of the first values is above that of the second (Welch's t); 0, which
 * tells nothing apart, where either has fewer than two values.
 */
export function errorsAbove(
  more: readonly (number | null | undefined)[],
  less: readonly (number | null | undefined)[],
): number {
  const [a, b] = [summarize(more), summarize(less)];
  if (a.count < 2 || b.count < 2) return 0;
  const difference = a.mean! - b.mean!;
  return difference === 0 ? 0 : difference / Math.sqrt(a.std! ** 2 / a.count + b.std! ** 2 / b.count);
}

/** The number a key names in a run's metrics: "lossKey", or "key.case" for one with cases; null where there is none. */
export function metricAt(metrics: Metrics, key: string): number | null {
  const direct = metrics[key];
  if (typeof direct === "number") return direct;
  const dot = key.indexOf(".");
  const cases = dot < 0 ? undefined : metrics[key.slice(0, dot)];
  return cases === null || typeof cases !== "object" ? null : (cases[key.slice(dot + 1)] ?? null);
}

/** Every metric over several runs of one cell. */
export function summarizeMetrics(
  runs: readonly Metrics[],
): Record<string, Summary | Readonly<Record<string, Summary>>> {
  const keys = [...new Set(runs.flatMap((run) => Object.keys(run)))];
  return Object.fromEntries(
    keys.map((key) => {
      const values = runs.map((run): Metric => run[key] ?? null);
      const cases = [...new Set(values.flatMap(casesOf))];
      if (cases.length === 0) return [key, summarize(values.map(asNumber))];
      const each = cases.map((name) => [name, summarize(runs.map((run) => metricAt(run, `${key}.${name}`)))]);
      return [key, Object.fromEntries(each)];
    }),
  );
}

function casesOf(value: Metric): string[] {
  return value !== null && typeof value === "object" ? Object.keys(value) : [];
}

function asNumber(value: Metric): number | null {
  return typeof value === "number" ? value : null;
}
