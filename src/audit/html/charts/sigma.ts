import { formatInterval, formatNumber, formatSigma } from "../../format-number.ts";
import { representative } from "../../report-cascade.ts";
import type { LayerReport } from "../../schema.ts";
import { html, type Markup } from "../markup.ts";
import { type LogScale, logScale, percent } from "../scale.ts";
import { nameLabel } from "./name-label.ts";

const AXIS_HEIGHT = 22;
/** Rows per SVG: small enough to break between on paper. */
const ROWS_PER_BLOCK = 20;
/** A list this short need not scroll, and gets taller rows. */
const SHORT_LIST = 14;
const LONGEST_NAME = 36;
const MOST_NAME_WIDTH = 34;
const LEAST_NAME_WIDTH = 16;

/** Where things are; every x in percent of the width, so that one drawing fits every width. */
interface Layout {
  readonly scale: LogScale;
  readonly rowHeight: number;
  readonly nameWidth: number;
}

/**
 * σ of every layer as a horizontal interval on a log axis, beside its Frobenius norm and, for convolutions, the norm
 * of the reshaped kernel. The row at index `chosen` starts out marked.
 */
export function sigmaChart(layers: readonly LayerReport[], chosen: number): Markup {
  const longest = layers.reduce((most, { name }) => Math.max(most, name.length), 0);
  const layout: Layout = {
    scale: logScale(layers.flatMap((layer) => layerValues(layer).map(Math.log10))),
    rowHeight: layers.length <= SHORT_LIST ? 32 : 22,
    nameWidth: Math.min(MOST_NAME_WIDTH, Math.max(LEAST_NAME_WIDTH, longest * 1.2)),
  };
  const blocks: Markup[] = [];
  for (let start = 0; start < layers.length; start += ROWS_PER_BLOCK) {
    blocks.push(block(layers.slice(start, start + ROWS_PER_BLOCK), start, chosen, layout));
  }
  return html`<div class="axis">${axis(layout)}</div>
<div class="rows" aria-label="Layers: choose one to see its singular values" data-walk>${blocks}</div>`;
}

function layerValues(layer: LayerReport): number[] {
  const { sigma, reshapedSigma, frobenius } = layer;
  return [
    ...(sigma === null ? [] : [sigma.lower, representative(sigma)]),
    ...(reshapedSigma === undefined ? [] : [reshapedSigma.lower, reshapedSigma.upper ?? reshapedSigma.lower]),
    ...(frobenius === null ? [] : [frobenius]),
  ];
}

function x({ scale, nameWidth }: Layout, value: number): number {
  const start = nameWidth + 3;
  return start + ((98 - start) * scale.position(Math.log10(value))) / 100;
}

function axis(layout: Layout): Markup {
  const labels = layout.scale.ticks.map(
    ({ log10, label }) =>
      html`<text class="tick" x="${percent(x(layout, 10 ** log10))}" y="15" text-anchor="middle">${label}</text>`,
  );
  return html`<svg class="chart" width="100%" height="${AXIS_HEIGHT}" aria-hidden="true">${labels}</svg>`;
}

function block(layers: readonly LayerReport[], first: number, chosen: number, layout: Layout): Markup {
  const height = layers.length * layout.rowHeight;
  const grid = layout.scale.ticks.map(({ log10 }) => {
    const at = percent(x(layout, 10 ** log10));
    return html`<line class="${log10 === 0 ? "grid one" : "grid"}" x1="${at}" x2="${at}" y1="0" y2="${height}"/>`;
  });
  const rows = layers.map((layer, i) => drawRow(layer, first + i, first + i === chosen, i, layout));
  return html`<svg class="chart" width="100%" height="${height}" role="presentation">${grid}${rows}</svg>
`;
}

function drawRow(layer: LayerReport, index: number, isChosen: boolean, i: number, layout: Layout): Markup {
  const { rowHeight, nameWidth } = layout;
  const name = nameLabel(layer.name, nameWidth, rowHeight, LONGEST_NAME);
  return html`<g class="${isChosen ? "row chosen" : "row"}" data-layer="${index}" transform="translate(0 ${i * rowHeight})"><title>${tip(layer)}</title><rect class="hit" width="100%" height="${rowHeight}" rx="4"/>${name}${marks(layer, layout)}</g>`;
}

function marks(layer: LayerReport, layout: Layout): Markup {
  const y = layout.rowHeight / 2;
  const { sigma, reshapedSigma, frobenius } = layer;
  const frobeniusAt = frobenius === null ? null : percent(x(layout, frobenius));
  const frobeniusMark =
    frobeniusAt === null
      ? null
      : html`<line class="frobenius" x1="${frobeniusAt}" x2="${frobeniusAt}" y1="${y - 6}" y2="${y + 6}"/>`;
  if (sigma === null) {
    return html`${frobeniusMark}<text class="unknown" x="${percent(layout.nameWidth + 3)}" y="${y + 4}">× no σ</text>`;
  }
  const from = x(layout, sigma.lower);
  const to = x(layout, representative(sigma));
  const link =
    frobeniusAt === null
      ? null
      : html`<line class="link" x1="${percent(to)}" x2="${frobeniusAt}" y1="${y}" y2="${y}"/>`;
  const interval = html`<line class="${sigma.upper === null ? "sigma open" : "sigma"}" x1="${percent(from)}" x2="${percent(to)}" y1="${y}" y2="${y}"/>`;
  const arrow =
    sigma.upper === null ? html`<text class="arrow" x="${percent(to)}" dx="7" y="${y + 5}">›</text>` : null;
  return html`${link}${frobeniusMark}${interval}${arrow}${
    reshapedSigma === undefined ? null : reshapedMark(layout, reshapedSigma, y)
  }`;
}

/** A hollow circle in the middle of the interval; where the interval is wide enough to see, a thin line along it. */
function reshapedMark(layout: Layout, reshaped: { lower: number; upper: number | null }, y: number): Markup {
  const from = x(layout, reshaped.lower);
  const to = x(layout, reshaped.upper ?? reshaped.lower);
  return html`<line class="reshaped" x1="${percent(from)}" x2="${percent(to)}" y1="${y}" y2="${y}"/><circle class="reshaped" cx="${percent((from + to) / 2)}" cy="${y}" r="4.5"/>`;
}

function tip(layer: LayerReport): string {
  const { sigma, reshapedSigma, frobenius } = layer;
  const lines = [layer.name];
  if (sigma === null) lines.push(`no σ: ${layer.problems[0] ?? "the weight could not be read"}`);
  else lines.push(`σ ${formatSigma(sigma)} (${sigma.guarantee}, ${sigma.method})`);
  if (reshapedSigma !== undefined) {
    lines.push(`reshaped kernel ${formatInterval(reshapedSigma.lower, reshapedSigma.upper)}`);
  }
  if (frobenius !== null) lines.push(`Frobenius ${formatNumber(frobenius)}`);
  return lines.join(" · ");
}

/** What the marks mean, drawn with the marks themselves. */
export function sigmaLegend(layers: readonly LayerReport[]): Markup {
  const closed = layers.some((layer) => layer.sigma !== null && layer.sigma.upper !== null);
  const open = layers.some((layer) => layer.sigma !== null && layer.sigma.upper === null);
  const reshaped = layers.some((layer) => layer.reshapedSigma !== undefined);
  const key = (mark: Markup, label: string) =>
    html`<li><svg class="chart" width="26" height="14" aria-hidden="true">${mark}</svg>${label}</li>`;
  return html`<ul class="legend">
${closed ? key(html`<line class="sigma" x1="7" x2="19" y1="7" y2="7"/>`, "σ, from lower to upper bound") : null}
${open ? key(html`<line class="sigma open" x1="7" x2="14" y1="7" y2="7"/><text class="arrow" x="17" y="11">›</text>`, "σ without an upper bound") : null}
${reshaped ? key(html`<circle class="reshaped" cx="13" cy="7" r="4.5"/>`, "σ of the reshaped kernel") : null}
${key(html`<line class="frobenius" x1="13" x2="13" y1="1" y2="13"/>`, "Frobenius norm")}
</ul>`;
}
