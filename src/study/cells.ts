import { formatNumber } from "../audit/format-number.ts";
import type { CellReport, Summary } from "./schema.ts";
import type { MetricColumn, Study } from "./study.ts";

const DIGITS = 3;

/** The title of an arm. */
export function armTitle(study: Study, name: string): string {
  return study.arms.find((arm) => arm.name === name)?.title ?? name;
}

/** What a row of an experiment's table is about. */
export function rowTitle(study: Study, { name, variant }: CellReport): string {
  const arm = armTitle(study, name);
  return variant === "" ? arm : `${variant} · ${arm}`;
}

/** The summary a column shows; undefined where the cell has no such metric. */
export function summaryOf({ summary }: CellReport, { key }: MetricColumn): Summary | undefined {
  const direct = summary[key];
  if (direct !== undefined && isSummary(direct)) return direct;
  const dot = key.indexOf(".");
  const cases = dot < 0 ? undefined : summary[key.slice(0, dot)];
  return cases === undefined || isSummary(cases) ? undefined : cases[key.slice(dot + 1)];
}

function isSummary(value: Summary | Readonly<Record<string, Summary>>): value is Summary {
  return "count" in value && typeof value.count === "number";
}

/** Mean ± standard deviation, and of how many runs where not all have the number. */
export function summaryText(cell: CellReport, column: MetricColumn): string {
  const summary = summaryOf(cell, column);
  if (summary === undefined || summary.mean === null) return "–";
  const { mean, std, count } = summary;
  const some = count < cell.runs.length ? ` (${count} of ${cell.runs.length})` : "";
  const spread = cell.runs.length > 1 ? ` ± ${valueText(std ?? 0, column)}` : "";
  return `${valueText(mean, column)}${spread}${column.as === "share" ? " %" : ""}${some}`;
}

function valueText(value: number, { as }: MetricColumn): string {
  return as === "share" ? (100 * value).toFixed(1) : formatNumber(value, DIGITS);
}

/** The best mean of a column among cells that are compared; null where the column has no good direction. */
export function bestOf(cells: readonly CellReport[], column: MetricColumn): number | null {
  if (column.better === undefined || cells.length < 2) return null;
  const means = cells.flatMap((cell) => summaryOf(cell, column)?.mean ?? []);
  if (means.length === 0) return null;
  return column.better === "higher" ? Math.max(...means) : Math.min(...means);
}
