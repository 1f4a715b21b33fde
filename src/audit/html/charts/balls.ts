import { formatNumber, formatUpper } from "../../format-number.ts";
import type { LocalReport } from "../../schema.ts";
import { html, type Markup } from "../markup.ts";
import { type LogScale, logScale, percent } from "../scale.ts";
import { figureFrame, hit, plotY, yAxis, yGrid } from "./frame.ts";

const HEIGHT = 240;

/** Below this a value sits on the axis's foot: a network that does not change near a point has bound 0. */
const LEAST = 1e-6;

/** One ball as a chart needs it. */
export type ChartBall = LocalReport["points"][number] & { readonly index: number };

/** Each ball's bound and the Jacobian at its centre on a log axis, with the global bound as a line. */
export function ballsChart(balls: readonly ChartBall[], global: number | null): Markup {
  const values = balls.flatMap(({ upper, seen }) => [upper ?? seen, seen]).concat(global ?? []);
  const scale = logScale([0, ...values.map(log10)]);
  return figureFrame(
    HEIGHT,
    yAxis(scale, HEIGHT),
    html`${yGrid(scale, HEIGHT)}${global === null ? null : globalLine(global, scale)}${balls.map((ball, i) =>
      column(ball, i, balls.length, scale),
    )}`,
    "Local bound round each point",
  );
}

function log10(x: number): number {
  return Math.log10(Math.max(x, LEAST));
}

function globalLine(global: number, scale: LogScale): Markup {
  const y = plotY(scale, HEIGHT, log10(global));
  return html`<line class="cascade" x1="0" x2="100%" y1="${y}" y2="${y}" stroke-dasharray="5 4"/><text class="end" x="99.5%" y="${y + 16}" text-anchor="end">over all inputs ${formatUpper(global)}</text>`;
}

function column(ball: ChartBall, i: number, count: number, scale: LogScale): Markup {
  const middle = percent((100 * (i + 0.5)) / count);
  const { upper, seen } = ball;
  const from = plotY(scale, HEIGHT, log10(seen));
  const bar =
    upper === null
      ? null
      : html`<line class="cascade" x1="${middle}" x2="${middle}" y1="${from}" y2="${plotY(scale, HEIGHT, log10(upper))}"/><circle class="ball" cx="${middle}" cy="${plotY(scale, HEIGHT, log10(upper))}" r="3.5"/>`;
  return html`<g class="column"><title>${tip(ball)}</title>${hit(i, count)}${bar}<circle class="seen" cx="${middle}" cy="${from}" r="3.5"/></g>`;
}

function tip({ index, upper, seen, fixedUnits }: ChartBall): string {
  const bound = upper === null ? "no finite bound" : `bound ${formatUpper(upper)}`;
  return `point ${index} · ${bound} · Jacobian at it ${formatNumber(seen)} · ${formatNumber(100 * fixedUnits, 3)} % of units fixed`;
}
