import type { CertifyReport } from "../../certify-schema.ts";
import { accuracyRows } from "../../certify-text.ts";
import { formatCount } from "../../format-number.ts";
import { html, type Markup } from "../markup.ts";
import { percent } from "../scale.ts";
import { linearAxis, type PlotAxis } from "./axis.ts";
import { axisMarks, axisX, linearFrame, QUARTERS, quarterLabels, shareGrid, shareY } from "./linear.ts";
import { areaUnder, stretched } from "./stretched.ts";
import { survivalPath } from "./survival.ts";

const HEIGHT = 300;
const DIAMOND = "M-5.5 0L0-5.5L5.5 0L0 5.5Z";
/** Radii beyond those of all but this share of the points would squeeze the rest. */
const OUTLIERS = 0.005;

/** Accuracy over the length of changes: certified as it steps down at every radius, attacked at every change found. */
export function robustnessChart(report: CertifyReport): Markup {
  const axis = radiusAxis(report);
  const { points, clean, radii, attackedPoints, settings } = report;
  const certified = survivalPath(radii.values, axis, axis.high, HEIGHT);
  const last = settings.epsilons.at(-1)!;
  // Unfound changes are longer than any ε that was tried.
  const changes = radii.attacked.map((distance) => distance ?? Infinity);
  const attacked = attackedPoints === 0 ? null : survivalPath(changes, axis, last, HEIGHT);
  const sample = isSampled(report)
    ? survivalPath(radii.values.slice(0, attackedPoints), axis, axis.high, HEIGHT)
    : null;
  const cleanY = shareY(clean, HEIGHT);
  return linearFrame(
    HEIGHT,
    quarterLabels(),
    html`${shareGrid(QUARTERS, HEIGHT)}${axisMarks(axis, HEIGHT, "length of the change (ℓ2)")}<line class="clean" x1="1%" x2="98%" y1="${cleanY}" y2="${cleanY}"/>${stretched(certified, "certified", HEIGHT, areaUnder(certified, "band", HEIGHT))}${sample === null ? null : stretched(sample, "certified sample", HEIGHT)}${attacked === null ? null : stretched(attacked, "attacked", HEIGHT)}${marks(report, axis)}`,
    `Accuracy of ${points} points over the length of changes`,
  );
}

/** True where the attack's curve is of fewer points than the certified one, and needs one of its own beside it. */
export function isSampled({ attackedPoints, points }: CertifyReport): boolean {
  return attackedPoints > 0 && attackedPoints < points;
}

/** From 0 over every ε and nearly every radius. */
export function radiusAxis({ radii, settings }: CertifyReport): PlotAxis {
  const sorted = radii.values.toSorted((a, b) => a - b);
  const most = sorted[Math.ceil((1 - OUTLIERS) * (sorted.length - 1))];
  return linearAxis(1.04 * Math.max(most, settings.epsilons.at(-1)!));
}

/** A mark for every ε, with its numbers on hover and focus. */
function marks(report: CertifyReport, axis: PlotAxis): Markup[] {
  const [, ...rows] = accuracyRows(report);
  const places = rows.map(({ epsilon }) => axisX(axis, epsilon));
  const middle = (a: number, b: number | undefined, end: number) => (b === undefined ? end : (a + b) / 2);
  return rows.map((row, i) => {
    const key = String(row.epsilon);
    const x = percent(places[i]);
    const from = middle(places[i], places[i - 1], 0);
    const to = middle(places[i], places[i + 1], Math.min(100, places[i] + 6));
    const attacked = row.attacked === null ? null : diamond(x, shareY(report.attacked[key], HEIGHT));
    return html`<g class="column"><title>${tip(row)}</title><rect class="hit" x="${percent(from)}" width="${percent(to - from)}" height="${HEIGHT}"/>${attacked}<circle class="certified dot" cx="${x}" cy="${shareY(report.certified[key], HEIGHT)}" r="4.5"/></g>`;
  });
}

function diamond(x: string, y: number): Markup {
  return html`<svg x="${x}" y="${y}" overflow="visible"><path class="attacked dot" d="${DIAMOND}"/></svg>`;
}

function tip({
  epsilon,
  certified,
  certifiedSample,
  attacked,
}: ReturnType<typeof accuracyRows>[number]): string {
  const sample = certifiedSample === null ? "" : ` (${certifiedSample} of those attacked)`;
  return `changes up to ${epsilon} · certified ${certified}${sample}${attacked === null ? "" : ` · attacked ${attacked}`}`;
}

/** What the marks mean, drawn with the marks themselves. */
export function robustnessLegend(report: CertifyReport): Markup {
  const key = (mark: Markup, label: string) =>
    html`<li><svg class="chart" width="26" height="14" aria-hidden="true">${mark}</svg>${label}</li>`;
  const line = (kind: string) => html`<line class="${kind}" x1="0" x2="26" y1="7" y2="7"/>`;
  const dot = html`<circle class="certified dot" cx="13" cy="7" r="4.5"/>`;
  const diamondMark = html`<g transform="translate(13 7)"><path class="attacked dot" d="${DIAMOND}"/></g>`;
  const first = `the first ${formatCount(report.attackedPoints)} points`;
  const sampled = isSampled(report);
  return html`<ul class="legend">
${key(line("clean"), "clean accuracy")}
${key(html`${line("certified")}${dot}`, "certified: no change up to that length turns them")}
${sampled ? key(line("certified sample"), `certified, ${first}`) : null}
${report.attackedPoints === 0 ? null : key(html`${line("attacked")}${diamondMark}`, `withstood the attack${sampled ? `, ${first}` : ""}`)}
</ul>`;
}
