import { violationAdvice, violationSentence } from "../../audit/certify-text.ts";
import { formatCount } from "../../audit/format-number.ts";
import { page, pageHeader } from "../../audit/html/document.ts";
import { html, type Markup } from "../../audit/html/markup.ts";
import { columnData } from "../../audit/html/table.ts";
import type { TourStory } from "../schema.ts";
import { type Arm, armsOf } from "./arms.ts";
import { cascadeSection, widthsOf } from "./cascades.ts";
import { comparisonColumns, comparisonSection } from "./comparison.ts";
import { digitsSection } from "./digits.ts";
import { epsilonsOf, headline } from "./headline.ts";
import { meaningSection } from "./meaning.ts";
import { radiiColumns, robustnessSection } from "./robustness.ts";
import { TOUR_STYLE } from "./style.ts";
import { trainingSections } from "./training.ts";
import { trainingColumns, trainingRows } from "./training-table.ts";

/** More would bury the page. */
const MOST_VIOLATIONS = 20;

/**
 * A tour as a self-contained HTML document: no network access, no external font, script, style or picture. Readable
 * without JavaScript, explorable with it, printable.
 */
export function renderTour(story: TourStory): string {
  const { report } = story;
  const arms = armsOf(story);
  const epsilons = epsilonsOf(arms);
  const facts = [
    widthsOf(arms[0].audit.layers.map(({ shape }) => shape)).join("-"),
    `${formatCount(report.data.train)} digits to learn from`,
    `${formatCount(report.data.test)} to be tested on`,
  ];
  const body = html`${pageHeader("Lipschitz tour", "Three networks, the same digits", facts)}
<main>
${arms.map(violations)}
${headline(story, arms)}
${comparisonSection(story, arms, epsilons)}
${trainingSections(arms)}
${cascadeSection(arms)}
${robustnessSection(arms, epsilons)}
${digitsSection(story)}
${meaningSection(arms, epsilons)}
</main>
<footer><p class="wrap">${arms.map((arm) => arm.report.model).join(", ")}</p></footer>`;
  const points = arms[0].certificates.radii.values.map((_, i) => i);
  const tables = {
    networks: columnData(comparisonColumns(report.data.test, epsilons), arms),
    training: columnData(trainingColumns(arms), trainingRows(arms)),
    radii: columnData(radiiColumns(arms), points),
  };
  return page("Lipschitz tour", body, { fileName: "lipschitz-tour", tables, panels: [] }, TOUR_STYLE);
}

function violations({ name, certificates }: Arm): Markup {
  const { violated } = certificates;
  if (violated.length === 0) return html``;
  const items = violated
    .slice(0, MOST_VIOLATIONS)
    .map(
      (violation) =>
        html`<li><span class="sign error">✕ error</span><span class="where">digit ${violation.point}</span><span class="what">${violationSentence(violation)}</span></li>`,
    );
  return html`<section class="callout has-error" aria-labelledby="violations-${name}"><div class="section-head"><h2 id="violations-${name}">The attack contradicts ${formatCount(violated.length)} ${violated.length === 1 ? "certificate" : "certificates"} of ${name}</h2></div><p>${violationAdvice(certificates)}</p><ul class="problems">${items}</ul></section>`;
}
