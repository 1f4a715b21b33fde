import { formatCount, formatSigma } from "../audit/format-number.ts";
import { printable } from "../audit/printable.ts";
import { type Cascade, formatCumulative } from "../audit/report-cascade.ts";
import { networkFacts, networkHeadline } from "../audit/report-network.ts";
import { allProblems, coverageShare, guaranteeSentence, steepestLayer } from "../audit/report-text.ts";
import type { AuditReport } from "../audit/schema.ts";
import type { Paint } from "./paint.ts";
import { wrap } from "./text-width.ts";

const LABEL_WIDTH = 10;
/** Longer lists would push the table off the screen; `--json` holds all. */
const MOST_REASONS = 5;
const MOST_PROBLEMS = 20;

/** What stands beneath the layers: totals, the network's bound or why there is none, the guarantee, problems. */
export function summaryLines(report: AuditReport, cascade: Cascade, width: number, paint: Paint): string[] {
  const entry = (label: string, text: string) => labelled(label, text, width, paint.bold);
  return [
    ...entry("layers", totals(report)),
    ...(report.layers.length === 0 ? [] : entry("steepest", steepest(report))),
    ...(cascade.steps.length === 0
      ? []
      : entry("product", `${formatCumulative(cascade.steps.at(-1)!)}. ${cascade.caption}`)),
    ...networkLines(report, width, paint),
    ...networkFacts(report).flatMap(({ label, text }) => entry(label, text)),
    ...(report.layers.length === 0 ? [] : entry(report.settings.guarantee, promise(report))),
    ...problemLines(report, width, paint),
  ];
}

function labelled(label: string, text: string, width: number, paint: (label: string) => string): string[] {
  return wrap(printable(text), width - LABEL_WIDTH).map((line, i) => {
    const head = (i === 0 ? label : "").padEnd(LABEL_WIDTH);
    return `${i === 0 ? paint(head) : head}${line}`;
  });
}

function totals({ layers, coverage }: AuditReport): string {
  const { tensors, parameters } = coverage;
  const share = coverageShare(parameters);
  return `${formatCount(layers.length)}; ${formatCount(tensors[0])} of ${formatCount(tensors[1])} tensors, ${share} of ${formatCount(parameters[1])} parameters`;
}

function steepest(report: AuditReport): string {
  const layer = steepestLayer(report)?.layer;
  return layer?.sigma ? `${layer.name}, σ ${formatSigma(layer.sigma)}` : "no layer has a known σ";
}

function networkLines(report: AuditReport, width: number, paint: Paint): string[] {
  const { interval, sentence, reasons } = networkHeadline(report);
  const lines = labelled(
    "network",
    interval === null ? sentence : `${interval}. ${sentence}`,
    width,
    paint.bold,
  );
  for (const { node, op, because } of reasons.slice(0, MOST_REASONS)) {
    lines.push(...labelled("", `${op} ${node}: ${because}`, width, paint.bold));
  }
  const rest = reasons.length - MOST_REASONS;
  if (rest > 0) lines.push(...labelled("", `and ${rest} more (--json lists all)`, width, paint.bold));
  return lines;
}

function promise({ settings }: AuditReport): string {
  const { guarantee, failureProbability, seed } = settings;
  return `${guaranteeSentence(guarantee, failureProbability)} Seed ${seed}.`;
}

function problemLines(report: AuditReport, width: number, paint: Paint): string[] {
  const problems = allProblems(report);
  const lines = problems.slice(0, MOST_PROBLEMS).flatMap(({ severity, where, message }) => {
    const color = severity === "error" ? paint.red : paint.yellow;
    return labelled(severity, `${where}: ${message}`, width, color);
  });
  const rest = problems.length - MOST_PROBLEMS;
  if (rest > 0) lines.push(...labelled("", `and ${rest} more (--json lists all)`, width, paint.bold));
  return lines.length === 0 ? [] : ["", ...lines];
}
