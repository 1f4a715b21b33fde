import { formatUpper } from "../../format-number.ts";
import { type Cascade, type CascadeStep, formatCumulative } from "../../report-cascade.ts";
import { html, type Markup } from "../markup.ts";
import { type LogScale, logScale, percent } from "../scale.ts";
import { type Column, figureFrame, hit, plotY, shareColumns, yAxis, yGrid } from "./frame.ts";

const HEIGHT = 260;
/** More columns than this would be thinner than a finger or a pixel: neighbours then share one. */
const MOST_COLUMNS = 240;
const MOST_DOTS = 80;
/** Up to here each step's factor fits beside its dot. */
const MOST_FACTORS = 16;

/** An axis that takes in all of these cascades, to draw them beside each other. */
export function cascadeScale(cascades: readonly Cascade[]): LogScale {
  return logScale([0, ...cascades.flatMap(({ steps }) => steps.map((step) => step.log10))]);
}

/**
 * The running product as steps on a log axis, with the line at 1.
 * @param kind a class of the plot, where its colour is another.
 */
export function cascadeChart(cascade: Cascade, scale = cascadeScale([cascade]), kind = ""): Markup {
  const { steps } = cascade;
  const columns = shareColumns(steps.length, MOST_COLUMNS);
  return figureFrame(
    HEIGHT,
    yAxis(scale, HEIGHT),
    html`${yGrid(scale, HEIGHT)}${columns.map((column, i) => curve(steps, column, i, columns.length, scale))}${columns.map(
      (column, i) => stepMark(steps, column, i, columns.length, scale),
    )}${endLabel(steps, scale)}`,
    "Running product, step by step",
    kind,
  );
}

/** The last value: above the end of a long rising curve, else beneath, clear of the factors. */
function endLabel(steps: readonly CascadeStep[], scale: LogScale): Markup {
  const end = steps.at(-1)!;
  const y = plotY(scale, HEIGHT, end.log10);
  const above = steps.length > MOST_FACTORS && end.log10 >= 0;
  return html`<text class="end" x="99.5%" y="${above ? y - 8 : y + 20}" text-anchor="end">${formatCumulative(end)}</text>`;
}

/** Each step holds its value over its own column; the rise into the column is its factor. */
function curve(
  steps: readonly CascadeStep[],
  [start, end]: Column,
  i: number,
  count: number,
  scale: LogScale,
): Markup {
  const from = percent((100 * i) / count);
  const to = percent((100 * (i + 1)) / count);
  const values = steps.slice(start, end).map((step) => step.log10);
  const before = start === 0 ? 0 : steps[start - 1]!.log10;
  const top = plotY(scale, HEIGHT, Math.max(before, ...values));
  const foot = plotY(scale, HEIGHT, Math.min(before, ...values));
  const after = plotY(scale, HEIGHT, values.at(-1)!);
  return html`<line class="cascade" x1="${from}" x2="${from}" y1="${foot}" y2="${top}"/><line class="cascade" x1="${from}" x2="${to}" y1="${after}" y2="${after}"/>`;
}

function stepMark(
  steps: readonly CascadeStep[],
  [start, end]: Column,
  i: number,
  count: number,
  scale: LogScale,
): Markup {
  const last = steps[end - 1]!;
  const layer = end - start > 1 || last.layer === null ? null : html` data-layer="${last.layer}"`;
  const middle = percent((100 * (i + 0.5)) / count);
  const dot =
    count > MOST_DOTS
      ? null
      : html`<circle class="cascade-dot" cx="${middle}" cy="${plotY(scale, HEIGHT, last.log10)}" r="3.5"/>`;
  const factor =
    count > MOST_FACTORS || last.factor === 1
      ? null
      : html`<text class="factor" x="${middle}" y="${plotY(scale, HEIGHT, last.log10) - 9}" text-anchor="middle">×${formatUpper(last.factor, 3)}</text>`;
  const text = end - start > 1 ? sharedTip(steps, start, end) : tip(last, start);
  return html`<g class="column"${layer}><title>${text}</title>${hit(i, count)}${dot}${factor}</g>`;
}

function tip(step: CascadeStep, i: number): string {
  const because = step.because === "" ? "" : ` (${step.because})`;
  return `${i + 1}. ${step.name} · ${step.op} · × ${formatUpper(step.factor)}${because} · running product ${formatCumulative(step)}`;
}

function sharedTip(steps: readonly CascadeStep[], start: number, end: number): string {
  const [first, last] = [steps[start]!, steps[end - 1]!];
  return `steps ${start + 1} to ${end} · ${first.name} to ${last.name} · running product ${formatCumulative(last)}`;
}
