import { formatCount, formatNumber } from "../../audit/format-number.ts";
import { figureSection, page, pageHeader } from "../../audit/html/document.ts";
import { html, type Markup } from "../../audit/html/markup.ts";
import type { Figure } from "../figures.ts";
import type { FindingReport, StudyReport } from "../schema.ts";
import type { Experiment, Section, Study } from "../study.ts";
import { pointsFigure } from "./clouds.ts";
import { dotsFigure } from "./dots.ts";
import { picturesFigure } from "./gallery.ts";
import { linesFigure } from "./lines.ts";
import { hueClass } from "./palette.ts";
import { STUDY_STYLE } from "./style.ts";
import { experimentTable, publishedTable, sweepTable } from "./tables.ts";

/** A study as a self-contained HTML document, readable without JavaScript. */
export function renderStudy(study: Study, report: StudyReport, sections: readonly Section[]): string {
  const { settings } = report;
  const runs = report.arms.reduce((sum, cell) => sum + cell.runs.length, 0);
  const facts = [
    `${formatCount(runs)} runs`,
    `${settings.seeds} ${settings.seeds === 1 ? "seed" : "seeds"} per arm`,
    `${formatNumber(report.runSeconds / 60, 2)} minutes of one core`,
    settings.quick ? "a quick run: enough to see, not to conclude" : "a full run",
  ];
  const body = html`${pageHeader(`Lipschitz study: ${study.name}`, study.title, facts)}
<main>
${findingsSection(study, report)}
${sections.map(({ id, title, lead, figure }) => figureSection(id, title, lead, null, drawing(study, figure)))}
${study.experiments.flatMap((experiment) => experimentSection(study, report, experiment))}
${armsSection(study, report)}
${sweepSection(study, report)}
${publishedSection(report)}
</main>
<footer><p>lipschitz ${settings.version} · protocol ${settings.revision} · ${settings.device === "native" ? "onnxruntime" : "jax-js"}, ${settings.threads} runs at a time</p></footer>`;
  return page(
    `Lipschitz study: ${study.name}`,
    body,
    { fileName: `lipschitz-study-${study.name}`, tables: {}, panels: [] },
    STUDY_STYLE,
  );
}

const VERDICT_CLASSES: Readonly<Record<FindingReport["verdict"], string>> = {
  holds: "holds",
  "holds in part": "part",
  "does not hold": "fails",
  "not measured": "open",
};
const SIGNS: Readonly<Record<FindingReport["verdict"], string>> = {
  holds: "✓",
  "holds in part": "±",
  "does not hold": "✕",
  "not measured": "?",
};

function findingsSection({ claim }: Study, { findings }: StudyReport): Markup {
  const items = findings.map(
    (finding) =>
      html`<li><span class="verdict ${VERDICT_CLASSES[finding.verdict]}">${SIGNS[finding.verdict]} ${finding.verdict}</span><p>${finding.claim} <span class="because">${finding.because}</span></p></li>`,
  );
  return html`<section aria-label="Findings"><p class="opening">${claim}</p><ul class="findings">${items}</ul></section>`;
}

function drawing(study: Study, figure: Figure): Markup {
  switch (figure.kind) {
    case "lines":
      return linesFigure(study, figure);
    case "dots":
      return dotsFigure(study, figure);
    case "points":
      return pointsFigure(study, figure);
    case "pictures":
      return picturesFigure(figure);
  }
}

function experimentSection(study: Study, report: StudyReport, experiment: Experiment): Markup[] {
  const cells = report.arms.filter((cell) => cell.experiment === experiment.name);
  if (cells.length === 0) return [];
  return [
    html`<section aria-labelledby="table-${experiment.name}"><h2 id="table-${experiment.name}">${experiment.title}</h2><p class="lead">${experiment.about}</p>${experimentTable(study, cells, experiment)}</section>`,
  ];
}

function armsSection(study: Study, report: StudyReport): Markup {
  const used = new Set(report.arms.map(({ name }) => name));
  const items = study.arms
    .filter(({ name }) => used.has(name))
    .map(
      ({ name, title, about }) =>
        html`<dt><svg class="chart" width="22" height="12" aria-hidden="true"><line class="line mean ${hueClass(study, name)}" x1="0" x2="22" y1="6" y2="6"/></svg>${title}</dt><dd>${about}</dd>`,
    );
  return html`<section aria-labelledby="arms"><h2 id="arms">The arms</h2><p class="lead">What sets them apart; everything else is the same.</p><dl class="swatches">${items}</dl></section>`;
}

function sweepSection(study: Study, { sweeps }: StudyReport): Markup | null {
  if (sweeps.length === 0) return null;
  return html`<section aria-labelledby="rates"><h2 id="rates">How learning rates were chosen</h2><p class="lead">Each arm got its own, by runs with seeds that no result above uses; the one chosen is in bold.</p>${sweepTable(study, sweeps)}</section>`;
}

function publishedSection(report: StudyReport): Markup | null {
  if (report.published.length === 0) return null;
  return html`<section aria-labelledby="published"><h2 id="published">What others published</h2><p class="lead">Context: other data, sizes and budgets. Compare arms within this report, not with these.</p>${publishedTable(report)}</section>`;
}
