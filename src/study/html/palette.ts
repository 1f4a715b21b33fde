import { html, type Markup } from "../../audit/html/markup.ts";
import type { Study } from "../study.ts";

/** Hues by arm, for light and dark pages; after as many arms lines are told apart by their dashes too. */
export const HUES = {
  light: ["#5b6670", "#b36b00", "#0072b2", "#007a5a", "#b34500", "#9c3d78", "#5b46b8", "#8a6100", "#1d2733"],
  dark: ["#9aa7b2", "#e69f00", "#56b4e9", "#2fc598", "#ff8a4c", "#e28ac0", "#a596f5", "#f0e442", "#f4f7fa"],
} as const;

/** The class of an arm's marks; reference lines have none. */
export function hueClass(study: Study, arm: string | null): string {
  if (arm === null) return "reference";
  const place = study.arms.findIndex(({ name }) => name === arm);
  return `arm-${Math.max(0, place) % HUES.light.length}`;
}

/** What every colour means, for the arms a figure shows. */
export function armLegend(study: Study, shown: ReadonlySet<string>, references: readonly string[]): Markup {
  const arms = study.arms
    .filter(({ name }) => shown.has(name))
    .map(
      ({ name, title }) =>
        html`<li><svg class="chart" width="22" height="12" aria-hidden="true"><line class="line mean ${hueClass(study, name)}" x1="0" x2="22" y1="6" y2="6"/></svg>${title}</li>`,
    );
  const others = references.map(
    (name) =>
      html`<li><svg class="chart" width="22" height="12" aria-hidden="true"><line class="line reference" x1="0" x2="22" y1="6" y2="6"/></svg>${name}</li>`,
  );
  return html`<ul class="legend">${arms}${others}</ul>`;
}
