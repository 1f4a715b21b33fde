import { formatSigma } from "../../format-number.ts";
import { representative } from "../../report-cascade.ts";
import type { AuditReport, LayerReport } from "../../schema.ts";
import { html, type Markup } from "../markup.ts";
import { modelName } from "../names.ts";
import { type LogScale, logScale, percent } from "../scale.ts";
import { nameLabel } from "./name-label.ts";

const ROW_HEIGHT = 34;
const AXIS_HEIGHT = 22;
const NAME_WIDTH = 30;
const LONGEST_NAME = 40;
/** More marks in a row would only darken it; they are picked evenly by size, both ends kept. */
const MOST_MARKS = 150;

/** One row per model: a mark for each layer's σ on a common log axis, and the network's bound where there is one. */
export function modelsChart(reports: readonly AuditReport[]): Markup {
  const bounds = reports.flatMap(({ network }) => network?.lipschitz.upper ?? []);
  const sigmas = reports.flatMap(({ layers }) =>
    layers.flatMap(({ sigma }) => (sigma === null ? [] : representative(sigma))),
  );
  const scale = logScale([...sigmas, ...bounds].map(Math.log10));
  const height = AXIS_HEIGHT + reports.length * ROW_HEIGHT;
  const grid = scale.ticks.map(({ log10, label }) => {
    const at = percent(x(scale, log10));
    return html`<text class="tick" x="${at}" y="15" text-anchor="middle">${label}</text><line class="${log10 === 0 ? "grid one" : "grid"}" x1="${at}" x2="${at}" y1="${AXIS_HEIGHT}" y2="${height}"/>`;
  });
  const rows = reports.map((report, i) => drawRow(report, AXIS_HEIGHT + i * ROW_HEIGHT, scale));
  return html`<svg class="chart" width="100%" height="${height}" role="group" aria-label="σ of the layers of each model">${grid}${rows}</svg>`;
}

function x(scale: LogScale, log10: number): number {
  return NAME_WIDTH + 3 + ((95 - NAME_WIDTH) * scale.position(log10)) / 100;
}

function drawRow(report: AuditReport, top: number, scale: LogScale): Markup {
  const y = ROW_HEIGHT / 2;
  const marks = pick(report.layers).map((layer) => {
    const at = percent(x(scale, Math.log10(representative(layer.sigma!))));
    return html`<g><title>${`${layer.name} · σ ${formatSigma(layer.sigma!)}`}</title><line class="layer" x1="${at}" x2="${at}" y1="${y - 8}" y2="${y + 8}"/></g>`;
  });
  const upper = report.network?.lipschitz.upper ?? null;
  const bound =
    upper === null
      ? null
      : html`<circle class="network" cx="${percent(x(scale, Math.log10(upper)))}" cy="${y}" r="5.5"/>`;
  return html`<g transform="translate(0 ${top})">${nameLabel(modelName(report.model.files), NAME_WIDTH, ROW_HEIGHT, LONGEST_NAME)}${marks}${bound}</g>`;
}

function pick(layers: readonly LayerReport[]): LayerReport[] {
  const known = layers.filter(({ sigma }) => sigma !== null);
  if (known.length <= MOST_MARKS) return known;
  known.sort((a, b) => representative(a.sigma!) - representative(b.sigma!));
  return Array.from(
    { length: MOST_MARKS },
    (_, i) => known[Math.round((i * (known.length - 1)) / (MOST_MARKS - 1))]!,
  );
}

export function modelsLegend(): Markup {
  return html`<ul class="legend"><li><svg class="chart" width="26" height="14" aria-hidden="true"><line class="layer" x1="13" x2="13" y1="0" y2="14"/></svg>σ of one layer</li><li><svg class="chart" width="26" height="14" aria-hidden="true"><circle class="network" cx="13" cy="7" r="5.5"/></svg>upper bound of the network</li></ul>`;
}
