import { html, type Markup } from "../markup.ts";
import { percent } from "../scale.ts";

/** Height in pixels kept free above and below a plot's ends, as in the charts with a log axis. */
const INSET = 8;
/** Room for the labels of the horizontal axis, and the name beneath them. */
const AXIS_HEIGHT = 40;

/** A horizontal axis from 0; positions are in percent of the plot's width. */
export interface LinearAxis {
  readonly high: number;
  readonly ticks: readonly number[];
}

/** An axis that takes in `most`, with four to eight round ticks. */
export function linearAxis(most: number): LinearAxis {
  const high = most > 0 ? most : 1;
  let unit = 1;
  while (unit * 10 <= high) unit *= 10;
  while (unit > high) unit /= 10;
  // high/unit is in [1, 10): these steps give 4 to 10, 5 to 10 and 5 to 8 intervals.
  const step = unit * (high / unit < 2 ? 0.25 : high / unit < 5 ? 0.5 : 1);
  const ticks = Array.from({ length: Math.floor(high / step + 1e-9) + 1 }, (_, i) => i * step);
  return { high, ticks };
}

/** 1 to 98: marks at the ends stay inside. */
export function axisX({ high }: LinearAxis, value: number): number {
  return 1 + 97 * Math.min(1, Math.max(0, value / high));
}

/** Pixels from the top for a share (0 to 1) in a plot of this height. */
export function shareY(share: number, height: number): number {
  return Math.round(10 * (height - INSET - (height - 2 * INSET) * share)) / 10;
}

/** Vertical grid, labels beneath, and what the axis is. */
export function axisMarks(axis: LinearAxis, height: number, name: string): Markup {
  const ticks = axis.ticks.map((tick) => {
    const x = percent(axisX(axis, tick));
    return html`<line class="grid" x1="${x}" x2="${x}" y1="${INSET}" y2="${height - INSET}"/><text class="tick" x="${x}" y="${height + 8}" text-anchor="middle">${String(Number(tick.toPrecision(4)))}</text>`;
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

/** An axis of labels at these shares of the height, and the plot that takes the rest of the width. */
export function linearFrame(
  height: number,
  labels: readonly (readonly [share: number, label: string])[],
  plot: Markup,
  label: string,
): Markup {
  const total = height + AXIS_HEIGHT;
  const texts = labels.map(
    ([share, text]) =>
      html`<text class="tick" x="100%" y="${shareY(share, height) + 4}" text-anchor="end">${text}</text>`,
  );
  return html`<div class="frame"><svg class="chart y-axis" width="46" height="${total}" aria-hidden="true">${texts}</svg><svg class="chart plot" width="100%" height="${total}" role="group" aria-label="${label}" data-walk>${plot}</svg></div>`;
}
