import { pathToFileURL } from "node:url";
import { shareText } from "../audit/certify-text.ts";
import { formatCount, formatInterval, formatLower } from "../audit/format-number.ts";
import type { TourNetworkReport, TourReport } from "../tour/schema.ts";
import { type TextColumn, textTable } from "./text-table.ts";

/** The published tables' small and large change. */
const SHOWN = ["0.3", "1.58"];
/** Of a Lipschitz constant. */
const INTERVAL_DIGITS = 4;

/** One row for each network, then what the columns mean and where to look. */
export function tourText(report: TourReport, width: number): string {
  const { networks, data } = report;
  const [{ lipschitz, attackedSample }] = networks;
  const columns: TextColumn[] = [
    { title: "network", align: "left" },
    { title: "accuracy", align: "right" },
    { title: `Lipschitz constant (${lipschitz.guarantee})`, align: "right" },
    ...SHOWN.map((epsilon) => ({ title: `at ε = ${epsilon}`, align: "right" }) as const),
  ];
  const rows = networks.map((network) => cells(network, report));
  return `${textTable(columns, rows, width)}
accuracy: of all ${formatCount(data.test)} test digits, unchanged.
at ε: of the first ${formatCount(attackedSample.points)}, the share certified – the share that withstood the attack, gradient ascent.
No change of length ε (ℓ2, pixels in [0, 1]) can turn a certified digit: proved of the exported file.
How many no change can turn lies between the two.
${violations(report)}
networks  ${networks.map(({ model }) => model).join(", ")}
report    ${report.report === null ? "none" : pathToFileURL(report.report).href}
took      ${formatLower(report.seconds, 2)} s on ${report.device}, seed ${report.seed}
`;
}

function cells(network: TourNetworkReport, { data }: TourReport): string[] {
  const { lower, upper } = network.lipschitz;
  return [
    network.name,
    shareText(network.accuracy, data.test),
    formatInterval(lower, upper, INTERVAL_DIGITS),
    ...SHOWN.map((epsilon) => withstanding(network, epsilon)),
  ];
}

/** Of the attacked digits: what is proved to withstand every change, and what the attack left. */
function withstanding({ attacked, attackedSample }: TourNetworkReport, epsilon: string): string {
  const { points, certified } = attackedSample;
  const [least, most] = [certified[epsilon], attacked[epsilon]].map((share) => shareText(share, points));
  return least === most ? most : `${least.replace(" %", "")}–${most}`;
}

function violations({ networks }: TourReport): string {
  const count = networks.reduce((sum, network) => sum + network.violations, 0);
  if (count === 0) return "No certificate was contradicted by an attack.";
  return `${count} certificates were contradicted by the attack: this is a defect in lipschitz.`;
}
