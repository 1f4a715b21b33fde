import type { PlotAxis } from "../../../audit/html/charts/axis.ts";
import { linePath } from "../../../audit/html/charts/line-path.ts";
import { axisMarks, axisX, linearFrame, shareGrid } from "../../../audit/html/charts/linear.ts";
import { stretched } from "../../../audit/html/charts/stretched.ts";
import { html, type Markup } from "../../../audit/html/markup.ts";
import { percent } from "../../../audit/html/scale.ts";

const HEIGHT = 180;
/** Places along the steps that tell their numbers. */
const STOPS = 30;

/** Values over steps, drawn with a class. */
export interface Curve {
  readonly values: readonly number[];
  readonly kind: string;
}

/** One plot of several curves over the same steps. */
export interface CurvesPlot {
  readonly steps: readonly number[];
  readonly curves: readonly Curve[];
  readonly x: PlotAxis;
  readonly y: PlotAxis;
  readonly label: string;
  /** The numbers at the i-th step. */
  readonly tip: (i: number) => string;
}

/** Curves over steps, with a guide that tells the numbers on hover and focus. */
export function curvesChart({ steps, curves, x, y, label, tip }: CurvesPlot): Markup {
  const heights = y.ticks.map(({ value, label: text }): [number, string] => [y.share(value), text]);
  const lines = curves.map(({ values, kind }) =>
    stretched(linePath(steps, values, x, y, HEIGHT), kind, HEIGHT),
  );
  return linearFrame(
    HEIGHT,
    heights,
    html`${shareGrid(
      heights.map(([share]) => share),
      HEIGHT,
    )}${axisMarks(x, HEIGHT, "step")}${lines}${stops(steps, x, tip)}`,
    label,
  );
}

function stops(steps: readonly number[], x: PlotAxis, tip: (i: number) => string): Markup[] {
  const count = Math.min(STOPS, steps.length);
  const places = Array.from({ length: count }, (_, n) =>
    count === 1 ? 0 : Math.round((n * (steps.length - 1)) / (count - 1)),
  );
  const width = 97 / Math.max(1, count - 1);
  return places.map((i) => {
    const at = axisX(x, steps[i]);
    return html`<g class="column guided"><title>${tip(i)}</title><rect class="hit" x="${percent(at - width / 2)}" width="${percent(width)}" height="${HEIGHT}"/><line class="guide" x1="${percent(at)}" x2="${percent(at)}" y1="0" y2="${HEIGHT}"/></g>`;
  });
}
