import { formatNumber } from "../../format-number.ts";
import type { LayerReport } from "../../schema.ts";
import { html, type Markup } from "../markup.ts";
import { type LogScale, logScale, percent } from "../scale.ts";
import { type Column, figureFrame, hit, plotY, shareColumns, yAxis, yGrid } from "./frame.ts";

const HEIGHT = 160;
const MOST_COLUMNS = 240;

/** Stable rank ‖W‖_F²/σ² of each layer in order, as columns that rise from 1 (rank one) on a log axis. */
export function stableRankChart(layers: readonly LayerReport[]): Markup {
  const ranks = layers.flatMap(({ stableRank }) => (stableRank === null ? [] : [Math.log10(stableRank)]));
  const scale = logScale([0, ...ranks]);
  const columns = shareColumns(layers.length, MOST_COLUMNS);
  return figureFrame(
    HEIGHT,
    yAxis(scale, HEIGHT),
    html`${yGrid(scale, HEIGHT)}${columns.map((column, i) => drawColumn(layers, column, i, columns.length, scale))}`,
    "Stable rank of each layer",
  );
}

function drawColumn(
  layers: readonly LayerReport[],
  [start, end]: Column,
  i: number,
  count: number,
  scale: LogScale,
): Markup {
  const ranks = layers
    .slice(start, end)
    .flatMap(({ stableRank }) => (stableRank === null ? [] : [stableRank]));
  const layer = end - start > 1 ? null : html` data-layer="${start}"`;
  return html`<g class="column"${layer}><title>${tip(layers, start, end, ranks)}</title>${hit(i, count)}${
    ranks.length === 0 ? unknownMark(i, count) : bar(Math.max(...ranks), i, count, scale)
  }</g>`;
}

function unknownMark(i: number, count: number): Markup {
  return html`<text class="unknown" x="${percent((100 * (i + 0.5)) / count)}" y="${HEIGHT - 24}" text-anchor="middle">×</text>`;
}

function bar(rank: number, i: number, count: number, scale: LogScale): Markup {
  const foot = plotY(scale, HEIGHT, 0);
  const top = Math.min(foot - 1, plotY(scale, HEIGHT, Math.log10(rank)));
  const width = Math.min(72 / count, 4);
  const x = (100 * (i + 0.5)) / count - width / 2;
  return html`<rect class="bar" x="${percent(x)}" width="${percent(width)}" y="${top}" height="${Math.round(10 * (foot - top)) / 10}"/>`;
}

function tip(layers: readonly LayerReport[], start: number, end: number, ranks: readonly number[]): string {
  const first = layers[start]!.name;
  if (end - start === 1)
    return `${first} · stable rank ${ranks.length === 0 ? "unknown" : formatNumber(ranks[0]!)}`;
  const range =
    ranks.length === 0
      ? "unknown"
      : `${formatNumber(Math.min(...ranks))} to ${formatNumber(Math.max(...ranks))}`;
  return `${first} to ${layers[end - 1]!.name} · stable rank ${range}`;
}
