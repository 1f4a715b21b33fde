import { formatBytes, formatCount } from "../format-number.ts";
import { cascadeOf, representative, unlinked } from "../report-cascade.ts";
import { steepestLayer } from "../report-text.ts";
import type { AuditReport, LayerReport } from "../schema.ts";
import { ballsSection } from "./balls.ts";
import { cascadeChart } from "./charts/cascade.ts";
import { sigmaChart, sigmaLegend } from "./charts/sigma.ts";
import { drawSpectrum, type LayerPanel, layerPanel } from "./charts/spectrum.ts";
import { stableRankChart } from "./charts/stable-rank.ts";
import { figureSection, page, pageHeader, tableSection } from "./document.ts";
import { headline } from "./headline.ts";
import { html, type Markup, trusted } from "./markup.ts";
import { fileStem, modelName } from "./names.ts";
import { problemsSection } from "./problems.ts";
import { columnData, LAYER_COLUMNS, type LayerRow, sortableTable } from "./table.ts";

export { renderIndex } from "./index-page.ts";

/** Rows drawn and listed; a model with more shows its unread and steepest layers, so that the page stays under 2 MB. */
const MOST_ROWS = 1000;
/** Singular values in the whole page and per layer. */
const SPECTRUM_BUDGET = 24_000;
const MOST_POINTS = 200;
const FEWEST_POINTS = 8;

/**
 * One audit as a self-contained HTML document: no network access, no external font, script or style; every text from
 * the model file is escaped. Readable without JavaScript, explorable with it, printable.
 */
export function renderReport(report: AuditReport): string {
  const { files, format, bytes, parameters } = report.model;
  const name = modelName(files);
  const rows = shownRows(report.layers);
  const shownLayers = rows.map(({ layer }) => layer);
  const most = Math.max(
    FEWEST_POINTS,
    Math.min(MOST_POINTS, Math.floor(SPECTRUM_BUDGET / (rows.length + 1))),
  );
  const panels = shownLayers.map((layer) => layerPanel(layer, most));
  const facts = [
    ...(files.length > 1 ? [`${files.length} files`] : []),
    format,
    formatBytes(bytes),
    `${formatCount(parameters)} parameters`,
    `${formatCount(report.layers.length)} ${report.layers.length === 1 ? "layer" : "layers"}`,
  ];
  const body = html`${pageHeader("Lipschitz audit", name, facts)}
<main>
${headline(report)}
${shownLayers.length === 0 ? noLayers() : layerSections(report, rows, shownLayers, panels)}
${ballsSection(report)}
${problemsSection(report)}
</main>
${footer(report)}`;
  const tables = { layers: columnData(LAYER_COLUMNS, rows) };
  return page(`${name}: Lipschitz audit`, body, { fileName: fileStem(name), tables, panels });
}

function layerSections(
  report: AuditReport,
  rows: readonly LayerRow[],
  layers: readonly LayerReport[],
  panels: readonly LayerPanel[],
): Markup {
  const left = report.layers.length - layers.length;
  const cascade = left === 0 ? cascadeOf(report) : unlinked(cascadeOf(report));
  const note =
    left === 0 ? "" : ` ${formatCount(left)} flatter layers are left out here; the JSON report holds all.`;
  const chosen = Math.max(
    0,
    rows.findIndex(({ layer }) => layer === steepestLayer(report)?.layer),
  );
  const sigma = figureSection(
    "sigma",
    "Steepness of each layer",
    `σ is the largest factor by which a layer can stretch a change of its input (log axis; the dashed line is 1).${note}`,
    sigmaLegend(layers),
    html`<div class="panel-scroll" data-drawing>${sigmaChart(layers, chosen)}</div>`,
  );
  const running =
    cascade.steps.length === 0
      ? null
      : figureSection(
          "cascade",
          "The cascade",
          cascade.caption,
          null,
          html`<div data-drawing>${cascadeChart(cascade)}</div>`,
        );
  return html`<div class="two">${sigma}${panelSection(layers[chosen]!, panels[chosen]!)}</div>
${running}
${figureSection(
  "stable-rank",
  "Stable rank",
  html`‖W‖<sub>F</sub>²/σ², from 1 up to the rank: how many directions carry the layer’s weight. For convolutions, with σ of the reshaped kernel.`,
  null,
  html`<div data-drawing>${stableRankChart(layers)}</div>`,
)}
${tableSection(
  "layers",
  "All numbers",
  `Intervals are rounded outward: what is shown still is a bound.${note}`,
  sortableTable("layers", "Layers", LAYER_COLUMNS, rows),
)}`;
}

function panelSection(layer: LayerReport, panel: LayerPanel): Markup {
  const facts = panel.facts.map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`);
  return html`<section data-figure data-panel aria-label="Chosen layer"><div class="section-head"><h2>Singular values</h2><div class="controls"><button type="button" data-save-svg="spectrum">Save SVG</button></div></div>
<div aria-live="polite"><h3 data-panel-name>${layer.name}</h3><dl class="facts" data-panel-facts>${facts}</dl><p class="lead" data-panel-note>${panel.note}</p></div>
<div data-panel-chart data-drawing>${panel.plot === null ? null : trusted(drawSpectrum(panel.plot))}</div></section>`;
}

/** All layers in order; where there are too many, those without σ and the steepest ones, still in order. */
function shownRows(layers: readonly LayerReport[]): LayerRow[] {
  const rows = layers.map((layer, i) => ({ layer, position: i + 1 }));
  if (rows.length <= MOST_ROWS) return rows;
  return [...rows]
    .sort((a, b) => steepness(b.layer) - steepness(a.layer))
    .slice(0, MOST_ROWS)
    .sort((a, b) => a.position - b.position);
}

function steepness({ sigma }: LayerReport): number {
  return sigma === null ? Number.POSITIVE_INFINITY : representative(sigma);
}

function noLayers(): Markup {
  return html`<section><h2>No layers</h2><p class="lead">The file holds no weight that acts as a linear operator. The problems, if any, say what was skipped.</p></section>`;
}

function footer(report: AuditReport): Markup {
  return html`<footer><p class="wrap">${report.model.files.join(", ")}</p></footer>`;
}
