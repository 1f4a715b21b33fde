import { shareText } from "../../audit/certify-text.ts";
import { formatCount, formatInterval, formatNumber } from "../../audit/format-number.ts";
import { isSampled } from "../../audit/html/charts/robustness.ts";
import { html, type Markup } from "../../audit/html/markup.ts";
import { sortableTable, type TableColumn } from "../../audit/html/table.ts";
import type { TourStory } from "../schema.ts";
import { type Arm, armName, INTERVAL_DIGITS } from "./arms.ts";
import { mainEpsilons } from "./headline.ts";

/** The networks row by row: every number of the tour's report. */
export function comparisonSection(
  { report }: TourStory,
  arms: readonly Arm[],
  epsilons: readonly number[],
): Markup {
  const attacked = Math.max(...arms.map(({ certificates }) => certificates.attackedPoints));
  const left =
    attacked === 0
      ? ""
      : ` Attacked: the share that withstood, of the first ${formatCount(attacked)} digits, and how many of these are certified.`;
  return html`<section aria-labelledby="networks-title"><div class="section-head"><h2 id="networks-title">Side by side</h2><div class="controls"><button type="button" data-copy="networks">Copy</button><button type="button" data-save-csv="networks">Save CSV</button></div></div>
<p class="lead">Shares of ${formatCount(report.data.test)} digits, rounded down; the interval of the Lipschitz constant (${arms[0].report.lipschitz.guarantee}) is rounded outward.${left} Seconds are of training alone.</p>${sortableTable("networks", "Networks", comparisonColumns(report.data.test, epsilons), arms)}</section>`;
}

/** One column per fact, and per ε for what was certified and attacked; CSV has every ε. */
export function comparisonColumns(test: number, epsilons: readonly number[]): readonly TableColumn<Arm>[] {
  const shown = mainEpsilons(epsilons);
  return [
    { title: "Network", headsRow: true, value: ({ name }) => name, cell: ({ name }) => armName(name) },
    {
      title: "Accuracy",
      numeric: true,
      value: ({ report }) => report.accuracy,
      cell: ({ report }) => shareText(report.accuracy, test),
    },
    { title: "Lipschitz lower", numeric: true, value: ({ report }) => report.lipschitz.lower },
    {
      title: "Lipschitz upper",
      numeric: true,
      value: ({ report }) => report.lipschitz.upper,
    },
    {
      title: "Lipschitz constant",
      numeric: true,
      sortOnly: true,
      value: ({ report }) => report.lipschitz.upper ?? Number.MAX_VALUE,
      cell: ({ report: { lipschitz } }) => formatInterval(lipschitz.lower, lipschitz.upper, INTERVAL_DIGITS),
    },
    ...epsilons.map((epsilon) => certifiedColumn(epsilon, test, shown.includes(epsilon))),
    ...epsilons.map((epsilon) => attackedColumn(epsilon, shown.includes(epsilon))),
    {
      title: "Violations",
      numeric: true,
      value: ({ report }) => report.violations,
      cell: ({ report }) => String(report.violations),
    },
    { title: "Steps", numeric: true, value: ({ training }) => training.steps.at(-1) ?? null },
    {
      title: "Seconds",
      numeric: true,
      value: ({ report }) => report.seconds,
      cell: ({ report }) => formatNumber(report.seconds, 2),
    },
    { title: "File", value: ({ report }) => report.model },
  ];
}

function certifiedColumn(epsilon: number, test: number, shown: boolean): TableColumn<Arm> {
  const value = ({ report }: Arm) => report.certified[String(epsilon)] ?? null;
  const cell = (arm: Arm) => shareOrNone(value(arm), test);
  return { title: `Certified at ${epsilon}`, numeric: true, value, ...(shown ? { cell } : {}) };
}

function attackedColumn(epsilon: number, shown: boolean): TableColumn<Arm> {
  const value = ({ report }: Arm) => report.attacked[String(epsilon)] ?? null;
  const cell = (arm: Arm) => attackedCell(arm, epsilon);
  return { title: `Attacked at ${epsilon}`, numeric: true, value, ...(shown ? { cell } : {}) };
}

/** What withstood, above what is certified of the same digits where that is another share than of all. */
function attackedCell({ report, certificates }: Arm, epsilon: number): Markup | string {
  const { attackedPoints: of, attackedSample } = certificates;
  const withstood = shareOrNone(report.attacked[String(epsilon)] ?? null, of);
  if (attackedSample === null || !isSampled(certificates)) return withstood;
  const certified = shareText(attackedSample.certified[String(epsilon)], of);
  return html`${withstood}<span class="weight">certified ${certified}</span>`;
}

function shareOrNone(share: number | null, of: number): string {
  return share === null ? "–" : shareText(share, of);
}
