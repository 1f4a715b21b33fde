import { html, type Markup } from "../markup.ts";
import { percent } from "../scale.ts";
import type { PlotAxis } from "./axis.ts";
import { plotClass } from "./frame.ts";

/** Height in pixels kept free above and below a plot's ends, as in the charts with a log axis. */
const INSET = 8;
/** Room for the labels of the horizontal axis, and the name beneath them. */
const AXIS_HEIGHT = 40;

/** Percent of the plot's width, 1 to 98: marks at the ends stay inside. */
export function axisX(axis: PlotAxis, value: number): number {
  return 1 + 97 * axis.share(value);
}

/** Pixels from the top for a share (0 to 1) in a plot of this height. */
export function shareY(share: number, height: number): number {
  return Math.round(10 * (height - INSET - (height - 2 * INSET) * share)) / 10;
}

/** Where a plot of shares has its horizontal grid. */
export const QUARTERS = [0, 0.25, 0.5, 0.75, 1] as const;

/** The labels of that grid. */
export function quarterLabels(): (readonly [share: number, label: string])[] {
  return QUARTERS.map((share) => [share, `${100 * share} %`]);
}

/** Vertical grid, labels beneath, and what the axis is. */
export function axisMarks(axis: PlotAxis, height: number, name: string): Markup {
  const ticks = axis.ticks.map(({ value, label }) => {
    const x = percent(axisX(axis, value));
    return html`<line class="grid" x1="${x}" x2="${x}" y1="${INSET}" y2="${height - INSET}"/><text class="tick" x="${x}" y="${height + 8}" text-anchor="middle">${label}</text>`;
  });
  return html`${ticks}<text class="note" x="98%" y="${height + 27}" text-anchor="end">${name}</text>`;
}

/** Horizontal grid at these shares, for a plot beside `shareAxis`. */
export function shareGrid(shares: readonly number[], height: number): Markup[] {
  return shares.map((share) => {
    const y = shareY(share, height);
    return html`<line class="grid" x1="0" x2="100%" y1="${y}" y2="${y}"/>`;
  });
}

/**
 * An axis of labels at these shares of the height, and the plot that takes the rest of the width.
 * @param kind a class of the plot.
 */
export function linearFrame(
  height: number,
  labels: readonly (readonly [share: number, label: string])[],
  plot: Markup,
  label: string,
  kind = "",
): Markup {
  const total = height + AXIS_HEIGHT;
  const texts = labels.map(
    ([share, text]) =>
      html`<text class="tick" x="100%" y="${shareY(share, height) + 4}" text-anchor="end">${text}</text>`,
  );
  return html`<div class="frame"><svg class="chart y-axis" width="46" height="${total}" aria-hidden="true">${texts}</svg><svg class="${plotClass(kind)}" width="100%" height="${total}" role="group" aria-label="${label}" data-walk>${plot}</svg></div>`;
}
