import { formatNumber } from "../../audit/format-number.ts";
import type { PlotAxis } from "../../audit/html/charts/axis.ts";
import { linePath } from "../../audit/html/charts/line-path.ts";
import { axisMarks, axisX, linearFrame, shareGrid, shareY } from "../../audit/html/charts/linear.ts";
import { stretched } from "../../audit/html/charts/stretched.ts";
import { html, type Markup } from "../../audit/html/markup.ts";
import { percent } from "../../audit/html/scale.ts";
import { armTitle } from "../cells.ts";
import type { Curve, Line, LinesFigure } from "../figures.ts";
import { finite, mean } from "../statistics.ts";
import type { Study } from "../study.ts";
import { axisFor } from "./axes.ts";
import { armLegend, hueClass } from "./palette.ts";

const HEIGHT = 220;
const RADIUS = 3;
/** Places along the axis that tell their numbers. */
const STOPS = 24;

/** Panels of curves: each run thin, the mean of an arm's runs thick. */
export function linesFigure(study: Study, { x, y, panels }: LinesFigure): Markup {
  const runs = panels.flatMap(({ lines }) => lines.flatMap((line) => line.runs));
  const xs = axisFor(
    x,
    runs.flatMap((run) => run.x),
    2,
  );
  const ys = axisFor(
    y,
    runs.flatMap((run) => run.y),
  );
  const log = y.scale === "log";
  const drawn = panels.map(({ title, lines }) => {
    const curves = lines.map((line) => ({ line, mean: line.dots ? null : meanCurve(line.runs, log) }));
    const heights = ys.ticks.map(({ value, label }): [number, string] => [ys.share(value), label]);
    const plot = html`${shareGrid(
      heights.map(([share]) => share),
      HEIGHT,
    )}${axisMarks(xs, HEIGHT, x.label)}${curves.map((each) => draw(study, each, xs, ys))}${stops(study, curves, xs)}`;
    return html`<div><h3>${title}</h3><p class="note">${y.label}</p>${linearFrame(HEIGHT, heights, plot, `${title}: ${y.label} over ${x.label}`)}</div>`;
  });
  return html`${legendOf(
    study,
    panels.flatMap(({ lines }) => lines),
  )}<div class="plots">${drawn}</div>`;
}

interface MeanLine {
  readonly line: Line;
  /** null where the runs do not share their x. */
  readonly mean: Curve | null;
}

/** The mean over runs at each x, geometric where the axis is logarithmic; runs without a value there are left out. */
function meanCurve(runs: readonly Curve[], log: boolean): Curve | null {
  const [first] = runs;
  if (first === undefined) return null;
  const longest = runs.reduce((a, b) => (b.x.length > a.x.length ? b : a), first);
  if (runs.some((run) => run.x.some((value, i) => value !== longest.x[i]))) return null;
  const y = longest.x.map((_, i) => {
    const values = finite(runs.map((run) => run.y[i])).filter((value) => !log || value > 0);
    const centre = mean(log ? values.map(Math.log) : values);
    return centre === null ? null : log ? Math.exp(centre) : centre;
  });
  return { x: longest.x, y };
}

function draw(study: Study, { line, mean: centre }: MeanLine, x: PlotAxis, y: PlotAxis): Markup {
  if (line.dots) return html`${line.runs.flatMap((run) => dotsOf(run, hueClass(study, line.arm), x, y))}`;
  const kind = `line ${hueClass(study, line.arm)}${line.dashed ? " dash" : ""}`;
  const path = (curve: Curve, own: string) => {
    const kept = curve.x.flatMap((_, i) => (finite([curve.y[i]]).length === 1 ? [i] : []));
    if (kept.length === 0) return null;
    const steps = kept.map((i) => curve.x[i]);
    const values = kept.map((i) => curve.y[i] as number);
    return stretched(linePath(steps, values, x, y, HEIGHT), own, HEIGHT);
  };
  const thin = line.runs.length > 1 || centre === null ? line.runs.map((run) => path(run, kind)) : [];
  const thick = centre === null ? null : path(centre, `${kind} mean`);
  return html`${thin.filter((each): each is Markup => each !== null)}${thick}`;
}

function dotsOf(run: Curve, hue: string, x: PlotAxis, y: PlotAxis): Markup[] {
  return run.y.flatMap((value, i) => {
    if (value === null || !Number.isFinite(value)) return [];
    const [left, top] = [percent(axisX(x, run.x[i])), shareY(y.share(value), HEIGHT)];
    return [html`<circle class="mark ${hue}" cx="${left}" cy="${top}" r="${RADIUS}"/>`];
  });
}

function stops(study: Study, lines: readonly MeanLine[], x: PlotAxis): Markup[] {
  const longest = lines.reduce<Curve | null>(
    (best, { mean: curve }) => (curve !== null && curve.x.length > (best?.x.length ?? 0) ? curve : best),
    null,
  );
  if (longest === null) return [];
  const count = Math.min(STOPS, longest.x.length);
  const places = Array.from({ length: count }, (_, n) =>
    Math.round((n * (longest.x.length - 1)) / Math.max(1, count - 1)),
  );
  return places.map((place) => {
    const at = axisX(x, longest.x[place]);
    const tip = [
      formatNumber(longest.x[place], 4),
      ...lines.flatMap(({ line, mean: curve }) => {
        const value = curve?.y[curve.x.indexOf(longest.x[place])];
        return value === undefined || value === null
          ? []
          : [`${nameOf(study, line)} ${formatNumber(value, 3)}`];
      }),
    ].join(" · ");
    const width = 97 / Math.max(1, count - 1);
    return html`<g class="column guided"><title>${tip}</title><rect class="hit" x="${percent(at - width / 2)}" width="${percent(width)}" height="${HEIGHT}"/><line class="guide" x1="${percent(at)}" x2="${percent(at)}" y1="0" y2="${HEIGHT}"/></g>`;
  });
}

function nameOf(study: Study, { name, arm }: Line): string {
  return name ?? (arm === null ? "reference" : armTitle(study, arm));
}

function legendOf(study: Study, lines: readonly Line[]): Markup {
  const arms = new Set(lines.flatMap(({ arm }) => arm ?? []));
  const references = new Set(lines.filter(({ arm }) => arm === null).map((line) => nameOf(study, line)));
  return armLegend(study, arms, [...references]);
}
