import { VERSION } from "../../version.ts";
import type { CertifyReport } from "../certify-schema.ts";
import { seenAs, shareText, violationAdvice, violationSentence } from "../certify-text.ts";
import { formatBytes, formatCount, formatLower } from "../format-number.ts";
import { certifyMeaning } from "./certify-meaning.ts";
import {
  ACCURACY_COLUMNS,
  type AccuracyTableRow,
  accuracyTableRows,
  classColumns,
} from "./certify-tables.ts";
import { radiiChart } from "./charts/radii.ts";
import { isSampled, robustnessChart, robustnessLegend } from "./charts/robustness.ts";
import { figureSection, page, pageHeader, tableSection } from "./document.ts";
import { html, type Markup } from "./markup.ts";
import { fileStem, modelName } from "./names.ts";
import { columnData, sortableTable } from "./table.ts";

/** More would bury the page; the JSON report holds all of them. */
const MOST_VIOLATIONS = 100;
/** A table of more classes says nothing at a glance; the JSON report holds all of them. */
const MOST_CLASSES = 1000;

/**
 * One certificate report as a self-contained HTML document: no network access, no external font, script or style;
 * every text from a file is escaped. Readable without JavaScript, explorable with it, printable.
 */
export function renderCertifyReport(report: CertifyReport): string {
  const { model, data, points } = report;
  const name = modelName(model.files);
  const seen = seenAs(report);
  const facts = [
    formatBytes(model.bytes),
    `${formatCount(points)} ${points === 1 ? "point" : "points"} of ${data.files.map((file) => modelName([file])).join(" and ")}`,
    `${data.classes} classes`,
    ...(seen === null ? [] : [`the network sees ${seen}`]),
  ];
  const accuracies = accuracyTableRows(report);
  const classes = report.classes.slice(0, MOST_CLASSES);
  const columns = classColumns(report.settings.epsilons);
  const body = html`${pageHeader("Certified accuracy", name, facts)}
<main>
${violations(report)}
${headline(report)}
${figureSection("robustness", "Accuracy under changes", robustnessLead(report), robustnessLegend(report), html`<div data-drawing>${robustnessChart(report)}</div>`)}
<div class="two">${accuracySection(report, accuracies)}${figureSection("radii", "Certified radii", "Of the points that are classified as labelled; the median is that of all points.", null, html`<div data-drawing>${radiiChart(report)}</div>`)}</div>
${tableSection("classes", "By class", classLead(report), sortableTable("classes", "Classes", columns, classes))}
${certifyMeaning(report)}
</main>
<footer><p class="wrap">${[...model.files, ...data.files].join(", ")}</p></footer>`;
  const tables = {
    accuracies: columnData(ACCURACY_COLUMNS, accuracies),
    classes: columnData(columns, classes),
  };
  return page(`${name}: certified accuracy`, body, { fileName: fileStem(name), tables, panels: [] });
}

function headline(report: CertifyReport): Markup {
  const { radii, clean, points, settings, seconds } = report;
  const half =
    radii.median > 0
      ? "At least half of the points keep their right class under every change that is shorter (ℓ2)."
      : "Fewer than half of the points have a certified radius.";
  const { guarantee, seed } = settings;
  const facts = [`lipschitz ${VERSION}`, guarantee, `seed ${seed}`, `${formatLower(seconds, 2)} s`];
  return html`<section aria-label="Result"><div class="headline"><div><p class="eyebrow">Certified radius, median</p><p class="figure">${formatLower(radii.median)}</p><p>${half}</p></div><div class="minor"><p class="eyebrow">Clean accuracy</p><p class="figure">${shareText(clean, points)}</p><p>${formatCount(Math.round(clean * points))} of ${formatCount(points)} points are classified as labelled.</p></div></div><p class="fine">${facts.join(" · ")}.</p></section>`;
}

function accuracySection(report: CertifyReport, rows: readonly AccuracyTableRow[]): Markup {
  const open =
    report.attackedPoints === 0 ? "" : " Open is what is left: attacked points neither certified nor turned.";
  return html`<section aria-labelledby="accuracies-title"><div class="section-head"><h2 id="accuracies-title">By length of the change</h2><div class="controls"><button type="button" data-copy="accuracies">Copy</button><button type="button" data-save-csv="accuracies">Save CSV</button></div></div>
<p class="lead">Shares are rounded down.${open}</p>${sortableTable("accuracies", "Accuracies", ACCURACY_COLUMNS, rows)}</section>`;
}

function robustnessLead(report: CertifyReport): string {
  const certified =
    "A point counts as certified up to its radius, so the curve steps down at every radius: what lies below it no change of that length can turn.";
  if (report.attackedPoints === 0) return certified;
  const compared = isSampled(report) ? " The thin curve is of the attacked points alone." : "";
  return `${certified}${compared} Above the attack’s curve lies what a change was found for; between it and the certified one of the same points nobody knows.`;
}

function classLead({ classes }: CertifyReport): string {
  const left = classes.length - MOST_CLASSES;
  return left > 0
    ? `The first ${formatCount(MOST_CLASSES)} classes; the JSON report holds the other ${formatCount(left)}.`
    : "Certificates are rarely spread evenly: a class with small radii is the one to look at.";
}

function violations(report: CertifyReport): Markup | null {
  const { violated } = report;
  if (violated.length === 0) return null;
  const items = violated
    .slice(0, MOST_VIOLATIONS)
    .map(
      (violation) =>
        html`<li><span class="sign error">✕ error</span><span class="where">point ${violation.point}</span><span class="what">${violationSentence(violation)}</span></li>`,
    );
  const rest = violated.length - MOST_VIOLATIONS;
  const more =
    rest > 0 ? html`<p class="fine">and ${formatCount(rest)} more, all in the JSON report.</p>` : null;
  return html`<section id="violations" class="callout has-error" aria-labelledby="violations-title"><div class="section-head"><h2 id="violations-title">The attack contradicts ${formatCount(violated.length)} ${violated.length === 1 ? "certificate" : "certificates"}</h2></div><p>${violationAdvice(report)}</p><ul class="problems">${items}</ul>${more}</section>`;
}
