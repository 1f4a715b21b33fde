import { formatNumber } from "../audit/format-number.ts";
import { armTitle, bestOf, summaryOf, summaryText } from "./cells.ts";
import type { CellReport, StudyReport } from "./schema.ts";
import type { Experiment, Study } from "./study.ts";

/** A study in Markdown: what its page says without the plots, for a repository or an issue. */
export function studyMarkdown(study: Study, report: StudyReport): string {
  const { settings, runSeconds, arms } = report;
  const runs = arms.reduce((sum, cell) => sum + cell.runs.length, 0);
  const kind = settings.quick ? "A quick run: enough to see, not to conclude." : "A full run.";
  const parts = [
    `# ${study.title}`,
    study.claim,
    `${kind} ${runs} runs, ${settings.seeds} seeds per arm, ${formatNumber(runSeconds / 60, 2)} minutes of one core; lipschitz ${settings.version}, protocol ${settings.revision}.`,
    "## What the runs say",
    report.findings.map(({ claim, verdict, because }) => `- **${verdict}**: ${claim} ${because}`).join("\n"),
    "## The arms",
    study.arms
      .filter(({ name }) => arms.some((cell) => cell.name === name))
      .map(({ title, about }) => `- **${title}**: ${about}`)
      .join("\n"),
    ...study.experiments.flatMap((experiment) => experimentMarkdown(study, report, experiment)),
    ...publishedMarkdown(report),
  ];
  return `${parts.join("\n\n")}\n`;
}

function experimentMarkdown(study: Study, { arms }: StudyReport, experiment: Experiment): string[] {
  const cells = arms.filter((cell) => cell.experiment === experiment.name);
  if (cells.length === 0) return [];
  const varied = cells.some(({ variant }) => variant !== "");
  const titles = [
    ...(varied ? ["setting"] : []),
    "arm",
    ...experiment.metrics.map(({ title }) => title),
    "rate",
    "seeds",
  ];
  const words = varied ? 2 : 1;
  const rule = titles.map((_, i) => (i < words ? "---" : "---:"));
  const rows = cells.map((cell) => [
    ...(varied ? [cell.variant] : []),
    armTitle(study, cell.name),
    ...valuesOf(cell, cells, experiment),
    cell.learningRate === null ? "–" : formatNumber(cell.learningRate, 2),
    String(cell.runs.length),
  ]);
  return [
    `## ${experiment.title}`,
    experiment.about,
    [titles, rule, ...rows].map((row) => `| ${row.map(escaped).join(" | ")} |`).join("\n"),
  ];
}

/** Means and standard deviations; the best of a variant in bold. */
function valuesOf(cell: CellReport, cells: readonly CellReport[], { metrics }: Experiment): string[] {
  const peers = cells.filter(({ variant }) => variant === cell.variant);
  return metrics.map((column) => {
    const best = bestOf(peers, column);
    const text = summaryText(cell, column);
    return best !== null && summaryOf(cell, column)?.mean === best ? `**${text}**` : text;
  });
}

function publishedMarkdown({ published }: StudyReport): string[] {
  if (published.length === 0) return [];
  const items = published.map(({ name, metrics, source }) => {
    const values = Object.entries(metrics).map(([key, value]) => `${key} ${value}`);
    return `- ${name}: ${values.join(", ")}. ${source}`;
  });
  return [
    "## What others published",
    "Context: other data, sizes and budgets. Compare arms within this study, not with these.",
    items.join("\n"),
  ];
}

function escaped(cell: string): string {
  return cell.replaceAll("|", "\\|");
}
