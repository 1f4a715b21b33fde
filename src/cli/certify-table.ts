import type { CertifyReport } from "../audit/certify-schema.ts";
import {
  accuracyRows,
  attackSentence,
  boundSentence,
  promiseSentence,
  radiiSentence,
  seenAs,
} from "../audit/certify-text.ts";
import { formatCount } from "../audit/format-number.ts";
import { printable } from "../audit/printable.ts";
import { type Paint, painter } from "./paint.ts";
import { type TextColumn, textTable } from "./text-table.ts";
import { wrap } from "./text-width.ts";

const LABEL_WIDTH = 10;

/** Accuracies by ε, then radii, bound, attack and what they promise. */
export function certifyText(
  report: CertifyReport,
  { width, color }: { readonly width: number; readonly color: boolean },
): string {
  const paint = painter(color);
  const entry = (label: string, text: string) => labelled(label, text, width, paint);
  const lines = [
    paint.bold(printable(report.model.files[0])),
    ...wrap(printable(about(report)), width),
    "",
    ...accuracyTable(report, width).trimEnd().split("\n"),
    "",
    ...entry("radii", radiiSentence(report)),
    ...entry("network", boundSentence(report)),
    ...entry("attack", attackSentence(report)),
    ...entry(report.settings.guarantee, `${promiseSentence(report)} Seed ${report.settings.seed}.`),
  ];
  return `${lines.join("\n")}\n`;
}

function about(report: CertifyReport): string {
  const seen = seenAs(report);
  return [
    `${formatCount(report.points)} ${report.points === 1 ? "point" : "points"} of ${report.data.files.join(" and ")}`,
    `${report.data.classes} classes`,
    ...(seen === null ? [] : [`the network sees ${seen}`]),
  ].join(" · ");
}

function accuracyTable(report: CertifyReport, width: number): string {
  const rows = accuracyRows(report);
  const [first] = rows;
  const sample = formatCount(report.attackedPoints);
  const sampled = first.certifiedSample !== null;
  const columns: TextColumn[] = [
    { title: "change ≤", align: "left" },
    { title: "certified", align: "right" },
    ...(sampled ? [{ title: `certified of ${sample}`, align: "right" } as const] : []),
    ...(first.attacked === null
      ? []
      : [{ title: sampled ? `attacked of ${sample}` : "attacked", align: "right" } as const]),
  ];
  const cells = rows.map(({ epsilon, certified, certifiedSample, attacked }) => [
    epsilon === 0 ? "0 (clean)" : String(epsilon),
    certified,
    ...(certifiedSample === null ? [] : [certifiedSample]),
    ...(attacked === null ? [] : [attacked]),
  ]);
  return textTable(columns, cells, width);
}

function labelled(label: string, text: string, width: number, paint: Paint): string[] {
  return wrap(printable(text), width - LABEL_WIDTH).map((line, i) =>
    i === 0 ? paint.bold(label.padEnd(LABEL_WIDTH)) + line : " ".repeat(LABEL_WIDTH) + line,
  );
}
