import { formatBytes, formatCount, formatInterval, formatSigma } from "../format-number.ts";
import { representative } from "../report-cascade.ts";
import { networkHeadline } from "../report-network.ts";
import { allProblems, steepestLayer } from "../report-text.ts";
import type { AuditReport } from "../schema.ts";
import { modelsChart, modelsLegend } from "./charts/models.ts";
import { figureSection, page, pageHeader, tableSection } from "./document.ts";
import { html, type Markup } from "./markup.ts";
import { modelName, relativeLink } from "./names.ts";
import { columnData, sortableTable, type TableColumn } from "./table.ts";

/** A model's report and the page it was written to, relative to the index. */
export interface IndexEntry {
  readonly href: string;
  readonly report: AuditReport;
}

/** A model that could not be audited, and why. */
export interface FailedModel {
  readonly file: string;
  readonly message: string;
}

/** The page of a folder of reports: the models side by side, each linked to its own report; then those that failed. */
export function renderIndex(entries: readonly IndexEntry[], failed: readonly FailedModel[] = []): string {
  const reports = entries.map(({ report }) => report);
  const parameters = reports.reduce((sum, { model }) => sum + model.parameters, 0);
  const facts = [
    `${formatCount(parameters)} parameters`,
    ...new Set(reports.map(({ settings }) => settings.guarantee)),
    ...(failed.length === 0 ? [] : [`${failed.length} not audited`]),
  ];
  const body = html`${pageHeader("Lipschitz audit", `${entries.length} ${entries.length === 1 ? "model" : "models"}`, facts)}
<main>
${tableSection("models", "Models", "Each name opens that model’s report. Intervals are rounded outward.", sortableTable("models", "Models", MODEL_COLUMNS, entries))}
${figureSection("models-sigma", "Steepness of the layers", "Each mark is a layer: the largest factor by which it can stretch a change of its input (log axis; the dashed line is 1).", modelsLegend(), html`<div data-drawing>${modelsChart(reports)}</div>`)}
${failedSection(failed)}
</main>`;
  const tables = { models: columnData(MODEL_COLUMNS, entries) };
  return page("Lipschitz audit", body, { fileName: "lipschitz", tables, panels: [] });
}

function failedSection(failed: readonly FailedModel[]): Markup | null {
  if (failed.length === 0) return null;
  const items = failed.map(
    ({ file, message }) =>
      html`<li><span class="sign error">✕ error</span><bdi class="where">${file}</bdi><span class="what">${message}</span></li>`,
  );
  return html`<section id="failed" class="callout has-error" aria-labelledby="failed-title"><div class="section-head"><h2 id="failed-title">Not audited: ${failed.length} ${failed.length === 1 ? "model" : "models"}</h2></div><ul class="problems">${items}</ul></section>`;
}

const MODEL_COLUMNS: readonly TableColumn<IndexEntry>[] = [
  {
    title: "Model",
    headsRow: true,
    value: ({ report }) => modelName(report.model.files),
    cell: ({ href, report }) =>
      html`<a href="${relativeLink(href)}"><bdi>${modelName(report.model.files)}</bdi></a>`,
  },
  { title: "Format", value: ({ report }) => report.model.format, cell: ({ report }) => report.model.format },
  {
    title: "Size",
    numeric: true,
    value: ({ report }) => report.model.bytes,
    cell: ({ report }) => formatBytes(report.model.bytes),
  },
  {
    title: "Parameters",
    numeric: true,
    value: ({ report }) => report.model.parameters,
    cell: ({ report }) => formatCount(report.model.parameters),
  },
  {
    title: "Layers",
    numeric: true,
    value: ({ report }) => report.layers.length,
    cell: ({ report }) => formatCount(report.layers.length),
  },
  { title: "Network lower", numeric: true, value: ({ report }) => report.network?.lipschitz.lower ?? null },
  {
    title: "Network upper",
    numeric: true,
    value: ({ report }) => report.network?.lipschitz.upper ?? Number.MAX_VALUE,
    sortOnly: true,
    cell: networkCell,
  },
  { title: "Steepest layer", value: ({ report }) => steepestLayer(report)?.layer.name ?? null },
  {
    title: "Steepest σ",
    numeric: true,
    value: ({ report }) => steepestValue(report),
    cell: steepestCell,
  },
  {
    title: "Problems",
    numeric: true,
    value: ({ report }) => allProblems(report).length,
    cell: ({ report }) => problemCell(report),
  },
];

function networkCell({ report }: IndexEntry): Markup | string {
  const bound = report.network?.lipschitz;
  if (bound !== undefined && bound.upper !== null) return formatInterval(bound.lower, bound.upper);
  return html`<span title="${networkHeadline(report).sentence}">${report.network === null ? "no graph" : "no finite bound"}</span>`;
}

function steepestValue(report: AuditReport): number | null {
  const sigma = steepestLayer(report)?.layer.sigma;
  return sigma ? representative(sigma) : null;
}

function steepestCell({ report }: IndexEntry): Markup | string {
  const layer = steepestLayer(report)?.layer;
  if (!layer?.sigma) return "–";
  return html`${formatSigma(layer.sigma)}<span class="weight"><bdi>${layer.name}</bdi></span>`;
}

function problemCell(report: AuditReport): Markup | string {
  const problems = allProblems(report);
  const errors = problems.filter(({ severity }) => severity === "error").length;
  if (problems.length === 0) return "none";
  if (errors === 0) return html`<span class="sign warning">!</span> ${problems.length}`;
  return html`<span class="sign error">✕</span> ${problems.length}`;
}
