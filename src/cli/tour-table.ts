import { pathToFileURL } from "node:url";
import { shareText } from "../audit/certify-text.ts";
import { formatInterval, formatLower } from "../audit/format-number.ts";
import type { TourNetworkReport, TourReport } from "../tour/schema.ts";
import { type TextColumn, textTable } from "./text-table.ts";

/** The published tables' small and large change. */
const SHOWN = ["0.3", "1.58"];
/** Of a Lipschitz constant. */
const INTERVAL_DIGITS = 4;
const ATTACKED = 500;

/** One row for each network, then what the columns mean and where to look. */
export function tourText(report: TourReport, width: number): string {
  const columns: TextColumn[] = [
    { title: "network", align: "left" },
    { title: "accuracy", align: "right" },
    { title: "Lipschitz constant", align: "right" },
    ...SHOWN.map((epsilon) => ({ title: `certified ${epsilon}`, align: "right" }) as const),
    ...SHOWN.map((epsilon) => ({ title: `attacked ${epsilon}`, align: "right" }) as const),
  ];
  const rows = report.networks.map((network) => cells(network, report));
  return `${textTable(columns, rows, width)}
certified: no change of that length (ℓ2, pixels in [0, 1]) can turn the digit; proved of the exported file.
attacked: not turned by gradient ascent, of the first ${ATTACKED} digits. Between the two lies the truth.
${violations(report)}
networks  ${report.networks.map(({ model }) => model).join(", ")}
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
    ...SHOWN.map((epsilon) => shareText(network.certified[epsilon], data.test)),
    ...SHOWN.map((epsilon) => shareText(network.attacked[epsilon], ATTACKED)),
  ];
}

function violations({ networks }: TourReport): string {
  const count = networks.reduce((sum, network) => sum + network.violations, 0);
  if (count === 0) return "No certificate was contradicted by an attack.";
  return `${count} certificates were contradicted by the attack: this is a defect in lipschitz.`;
}
