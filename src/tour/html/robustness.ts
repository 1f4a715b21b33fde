import { radiusHeldBy } from "../../audit/certify-text.ts";
import { formatCount } from "../../audit/format-number.ts";
import { linearAxis, logAxis } from "../../audit/html/charts/axis.ts";
import { isSampled } from "../../audit/html/charts/robustness.ts";
import { figureSection } from "../../audit/html/document.ts";
import { html, type Markup } from "../../audit/html/markup.ts";
import type { TableColumn } from "../../audit/html/table.ts";
import { type Arm, markKey } from "./arms.ts";
import { tourRobustnessChart } from "./charts/robustness.ts";
import { choiceOf, variants } from "./variants.ts";

/** Radii beyond those of all but this share of the digits would squeeze the rest. */
const OUTLIERS = 0.005;
/** Where a log axis begins, as a share of its end. */
const LOG_START = 1 / 100;

/** Accuracy that no change of a length can take away, and what an attack of that length left. */
export function robustnessSection(arms: readonly Arm[], epsilons: readonly number[]): Markup {
  const most = Math.max(
    ...epsilons,
    ...arms.map(({ certificates: { radii } }) => radiusHeldBy(radii.values, OUTLIERS)),
  );
  const draw = (axis: Parameters<typeof tourRobustnessChart>[2]) => tourRobustnessChart(arms, epsilons, axis);
  return figureSection(
    "robustness",
    "What is certain, and what an attack found",
    lead(arms),
    legend(arms),
    variants(
      { log: draw(logAxis([LOG_START * most, most])), linear: draw(linearAxis(1.04 * most)) },
      "linear",
    ),
    html`${choiceOf("linear")}<button type="button" data-save-csv="radii">Save CSV</button>`,
  );
}

function lead(arms: readonly Arm[]): string {
  const attacked = Math.max(...arms.map(({ certificates }) => certificates.attackedPoints));
  const points = Math.max(...arms.map(({ certificates }) => certificates.points));
  const certified =
    "Below a solid curve lie the digits that no change of length ε can turn: proved, against every attack there is or will be.";
  if (attacked === 0) return certified;
  const sample =
    attacked < points ? `, on the first ${formatCount(attacked)} of ${formatCount(points)} digits` : "";
  return `${certified} Above the dashed curve of the same colour lie the digits that an attack turned or that were wrong unchanged${sample}. Between the two${sample === "" ? "" : " of the same digits (thin and dashed)"} nobody knows: a stronger attack would lower the dashed curve, a tighter bound would raise the solid one, and they can never cross.`;
}

function legend(arms: readonly Arm[]): Markup {
  const line = (kind: string) =>
    html`<svg class="chart" width="30" height="14" aria-hidden="true"><line class="${kind}" x1="0" x2="30" y1="7" y2="7"/></svg>`;
  const marks = (filled: boolean) => arms.map(({ name }) => markKey(name, filled));
  const attacked = arms.some(({ certificates }) => certificates.attackedPoints > 0);
  const sampled = arms.find(({ certificates }) => isSampled(certificates));
  const all = sampled === undefined ? "" : `, all ${formatCount(sampled.certificates.points)} digits`;
  const first =
    sampled === undefined ? "" : `, the first ${formatCount(sampled.certificates.attackedPoints)} digits`;
  return html`<ul class="legend"><li>${line("key-line")}${marks(true)}certified${all}</li>${attacked ? html`<li>${line("key-line dash")}${marks(false)}withstood the attack${first}</li>` : null}${sampled === undefined ? null : html`<li>${line("key-line thin")}certified${first}</li>`}${arms.map(({ name }) => html`<li>${markKey(name)}${name}</li>`)}</ul>`;
}

/** Radii and changes of every digit, at full precision, for CSV alone. */
export function radiiColumns(arms: readonly Arm[]): readonly TableColumn<number>[] {
  return [
    { title: "Digit", value: (i) => i },
    ...arms.map(({ name, certificates: { radii } }): TableColumn<number> => {
      return { title: `${name} certified radius`, value: (i) => radii.values[i] ?? null };
    }),
    ...arms.map(({ name, certificates: { radii } }): TableColumn<number> => {
      return { title: `${name} shortest change found`, value: (i) => radii.attacked[i] ?? null };
    }),
  ];
}
