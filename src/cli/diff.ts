import type { Command } from "commander";
import { type DiffReport, diffPlans } from "../audit/diff.ts";
import { formatNumber, formatSigma } from "../audit/format-number.ts";
import { planModel } from "../audit/plan.ts";
import { layersText } from "../audit/report-text.ts";
import type { SigmaReport } from "../audit/schema.ts";
import { openModel } from "../formats/open.ts";
import { addCommonOptions, type CommonFlags, libraryOptions } from "./common-options.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { jsonDocument } from "./json.ts";
import { progressLine } from "./progress.ts";
import type { Session } from "./session.ts";
import { textTable } from "./text-table.ts";

const EXAMPLES = `
Examples:
  lipschitz diff epoch1.safetensors epoch9.safetensors
  lipschitz diff base.onnx tuned.onnx --only '*attn*' --json

The angle is between the top right singular vectors: 0° where both stretch the same direction most.`;

export function addDiffCommand(program: Command, session: Session): void {
  const command = program
    .command("diff")
    .summary("what moved between two checkpoints")
    .description(
      "Compares two models layer by layer: spectral norm, Frobenius norm, direction of most stretch.",
    )
    .argument("<a>", "model file")
    .argument("<b>", "model file to compare it with");
  addCommonOptions(command, ["estimate", "probable", "proof"])
    .addHelpText("after", EXAMPLES)
    .action(async (a: string, b: string, flags: CommonFlags) => {
      session.exitCode = await diffFiles(a, b, flags, session);
    });
}

async function diffFiles(a: string, b: string, flags: CommonFlags, session: Session): Promise<ExitCode> {
  const { io } = session;
  const progress = progressLine(io, { progress: flags.progress, quiet: flags.quiet === true });
  const first = await openModel(a);
  try {
    const second = await openModel(b);
    try {
      const options = {
        ...libraryOptions(flags, io.signal),
        onProgress: ({ layer, ...step }: { layer: string } & Counts) =>
          progress.update({ label: layer, ...step }),
      };
      const plans = [await planModel(first, options), await planModel(second, options)] as const;
      const report = await diffPlans(await session.engine(), [first, second], plans, options);
      progress.clear();
      return show(report, flags, session);
    } finally {
      await second.close();
    }
  } finally {
    progress.clear();
    await first.close();
  }
}

interface Counts {
  readonly index: number;
  readonly count: number;
  readonly bytes: number;
  readonly totalBytes: number;
}

function show(report: DiffReport, flags: CommonFlags, session: Session): ExitCode {
  const { io } = session;
  if (flags.json) io.out(jsonDocument(report));
  else if (!flags.quiet) io.out(diffText(report, io.stdout.width));
  for (const { where, message } of report.problems) io.err(`error: ${where}: ${message}\n`);
  if (report.problems.some((problem) => problem.code === "not-finite")) return EXIT.failed;
  return report.problems.length > 0 ? EXIT.unreadable : EXIT.done;
}

const NOTHING_SHARED = "no layer has the same name in both";

/** Layer by layer, then what only one of the models has. */
export function diffText(report: DiffReport, width: number): string {
  const table = textTable(
    [
      { title: "layer", align: "left" },
      { title: "σ of a", align: "right" },
      { title: "σ of b", align: "right" },
      { title: "change", align: "right" },
      { title: "‖a‖ F", align: "right" },
      { title: "‖b‖ F", align: "right" },
      { title: "angle", align: "right" },
    ],
    report.layers.map(({ name, sigma, frobenius, angle }) => [
      name,
      sigma[0] === null ? "unknown" : formatSigma(sigma[0]),
      sigma[1] === null ? "unknown" : formatSigma(sigma[1]),
      changeText(sigma[0], sigma[1]),
      ...frobenius.map((value) => (value === null ? "unknown" : formatNumber(value))),
      angle === null ? "—" : `${((angle * 180) / Math.PI).toFixed(1)}°`,
    ]),
    width,
  );
  const lines = [...notes(report), ...onlyIn("a", report.onlyA), ...onlyIn("b", report.onlyB)];
  const header = `a: ${report.a}\nb: ${report.b}\n\n`;
  const compared = report.layers.length === 0 ? `${NOTHING_SHARED}\n` : table;
  return header + compared + (lines.length > 0 ? `\n${lines.map((line) => `${line}\n`).join("")}` : "");
}

/** What is said of several layers in the same words is said once. */
function notes({ layers }: DiffReport): string[] {
  const named = new Map<string, string[]>();
  for (const { name, problems } of layers) {
    for (const text of problems) named.set(text, [...(named.get(text) ?? []), name]);
  }
  return [...named].map(([text, names]) => `${layersText(names)}: ${text}`);
}

/** Relative change of σ by its best known values: a reading, not a bound. */
function changeText(a: SigmaReport | null, b: SigmaReport | null): string {
  if (a === null || b === null) return "—";
  const [from, to] = [a.estimate ?? a.lower, b.estimate ?? b.lower];
  if (!(from > 0)) return "—";
  const percent = (100 * (to - from)) / from;
  return `${percent > 0 ? "+" : ""}${Math.abs(percent) < 0.005 ? "0" : formatNumber(percent, 3)} %`;
}

function onlyIn(side: string, names: readonly string[]): string[] {
  return names.length === 0 ? [] : [`Only in ${side}: ${names.join(", ")}`];
}
