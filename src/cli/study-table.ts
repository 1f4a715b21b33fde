import { pathToFileURL } from "node:url";
import { formatNumber } from "../audit/format-number.ts";
import { armTitle, summaryText } from "../study/cells.ts";
import type { StudyReport } from "../study/schema.ts";
import type { Study } from "../study/study.ts";
import { type TextColumn, textTable } from "./text-table.ts";
import { wrap } from "./text-width.ts";

/** A table per experiment, then what the numbers say and where to look. */
export function studyText(study: Study, report: StudyReport, width: number): string {
  const { seconds, settings } = report;
  const [document, page] = report.files;
  return `${study.title}
${report.settings.quick ? "A quick run: enough to see, not to conclude.\n" : ""}
${study.experiments.map((experiment) => experimentText(study, report, experiment, width)).join("")}${report.findings.map(({ claim, verdict, because }) => `${verdict.toUpperCase()}: ${wrap(`${claim} ${because}`, Math.max(40, width - 2)).join("\n  ")}\n`).join("")}
report    ${pathToFileURL(page).href}
document  ${document}
took      ${formatNumber(seconds, 2)} s on ${settings.device}, ${settings.threads} runs at a time, ${settings.seeds} seeds
`;
}

function experimentText(
  study: Study,
  report: StudyReport,
  { name, title, metrics }: Study["experiments"][number],
  width: number,
): string {
  const cells = report.arms.filter(({ experiment }) => experiment === name);
  if (cells.length === 0) return "";
  const varied = cells.some(({ variant }) => variant !== "");
  const columns: TextColumn[] = [
    ...(varied ? [{ title: "setting", align: "left" } as const] : []),
    { title: "arm", align: "left" },
    ...metrics.map((column) => ({ title: column.title, align: "right" }) as const),
  ];
  const rows = cells.map((cell) => [
    ...(varied ? [cell.variant] : []),
    armTitle(study, cell.name),
    ...metrics.map((column) => summaryText(cell, column)),
  ]);
  return `${title} (mean ± standard deviation)\n${textTable(columns, rows, width)}\n`;
}
