import { html, type Markup } from "../markup.ts";
import { type LogScale, percent } from "../scale.ts";

/** Height in pixels kept free above and below the axis's ends. */
const INSET = 8;

/** The class of a plot's drawing. */
export function plotClass(kind: string): string {
  return kind === "" ? "chart plot" : `chart plot ${kind}`;
}

/** Items [start, end) that share one column of a chart. */
export type Column = readonly [start: number, end: number];

/** At most `most` columns for `count` items, neighbours sharing one where there are more. */
export function shareColumns(count: number, most: number): Column[] {
  const each = Math.max(1, Math.ceil(count / most));
  const columns: Column[] = [];
  for (let start = 0; start < count; start += each) columns.push([start, Math.min(count, start + each)]);
  return columns;
}

/** Pixels from the top of a plot of this height, for a value given as log₁₀. */
export function plotY(scale: LogScale, height: number, log10: number): number {
  return Math.round(10 * (height - INSET - ((height - 2 * INSET) * scale.position(log10)) / 100)) / 10;
}

/** Horizontal grid lines, the one at 1 marked. */
export function yGrid(scale: LogScale, height: number): Markup[] {
  return scale.ticks.map(({ log10 }) => {
    const y = plotY(scale, height, log10);
    return html`<line class="${log10 === 0 ? "grid one" : "grid"}" x1="0" x2="100%" y1="${y}" y2="${y}"/>`;
  });
}

/** The full-height area of column i that reacts to the pointer and shows focus. */
export function hit(i: number, count: number): Markup {
  return html`<rect class="hit" x="${percent((100 * i) / count)}" width="${percent(100 / count)}" height="100%"/>`;
}

/** Labels of a vertical log axis, in a drawing of their own so that the plot beside it can use percentages. */
export function yAxis(scale: LogScale, height: number): Markup {
  const labels = scale.ticks.map(
    ({ log10, label }) =>
      html`<text class="tick" x="100%" y="${plotY(scale, height, log10) + 4}" text-anchor="end">${label}</text>`,
  );
  return html`<svg class="chart y-axis" width="46" height="${height}" aria-hidden="true">${labels}</svg>`;
}

/**
 * An axis and a plot that takes the rest of the width. Its columns are walked with the arrow keys.
 * @param kind a class of the plot.
 */
export function figureFrame(height: number, axis: Markup, plot: Markup, label: string, kind = ""): Markup {
  return html`<div class="frame">${axis}<svg class="${plotClass(kind)}" width="100%" height="${height}" role="group" aria-label="${label}" data-walk>${plot}</svg></div>`;
}
