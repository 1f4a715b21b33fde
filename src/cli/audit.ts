import { type Command, Option } from "commander";
import { UsageError } from "../audit/errors.ts";
import { checkGates, type Gates } from "../audit/gates.ts";
import type { FailedModel } from "../audit/html/index-page.ts";
import { planModel } from "../audit/plan.ts";
import { type AuditOptions, auditPlan } from "../audit/run.ts";
import type { AuditReport } from "../audit/schema.ts";
import { openData } from "../formats/data/open.ts";
import { openModel } from "../formats/open.ts";
import { addCommonOptions, type CommonFlags, libraryOptions } from "./common-options.ts";
import { isUsageError, messageOf, reportError } from "./errors.ts";
import { EXIT, type ExitCode, worst } from "./exit-codes.ts";
import { checkHtmlTarget, SPECTRUM_SHOWN, writeHtml } from "./html-output.ts";
import { jsonDocument } from "./json.ts";
import { parseLimit, parsePositive } from "./parse.ts";
import { expandPaths } from "./paths.ts";
import { progressLine } from "./progress.ts";
import type { Session } from "./session.ts";
import { renderTable } from "./table.ts";

interface AuditFlags extends CommonFlags {
  readonly html?: string;
  readonly failAbove?: number;
  readonly layerLimit?: number;
  readonly data?: string;
  readonly around?: string;
  readonly radius?: number;
}

const EXAMPLES = `
Examples:
  lipschitz audit model.onnx                          the table
  lipschitz audit model.safetensors --html report.html
  lipschitz audit model.onnx --fail-above 100         exit code 1 above the limit: a CI gate
  lipschitz audit 'runs/*.safetensors' --layer-limit 1.01 --json
  lipschitz audit net.onnx --guarantee proof --input 1x3x224x224
  lipschitz audit net.onnx --around x.npz --radius 0.1    bounds near real points, far tighter

Exit codes: 0 done, 1 a limit is exceeded or a weight is not finite, 2 wrong usage,
3 a file cannot be read, 130 interrupted.`;

export function addAuditCommand(program: Command, session: Session): void {
  const command = program
    .command("audit")
    .summary("bounds of every weight's spectral norm, and of the whole network")
    .description(
      "Bounds the spectral norm of every weight operator of a model file, shows how they multiply, and bounds the " +
        "whole network of an ONNX file. Reads safetensors, ONNX, PyTorch and NumPy files.",
    )
    .argument("<model...>", "model files; patterns such as 'runs/*.onnx' too");
  addCommonOptions(command, ["estimate", "probable", "proof"])
    .addOption(
      new Option("--html <file>", "write a report to look at; a folder when there are several models"),
    )
    .option("--fail-above <n>", "exit 1 unless the network's upper bound is at most this", parseLimit)
    .option("--layer-limit <n>", "exit 1 unless every layer's upper bound is at most this", parseLimit)
    .option(
      "--data <file>",
      "points (.npz with x, .npy, IDX) where steep places are looked for, for the lower end",
    )
    .option("--around <file>", "bound the network round each of these points too, within --radius")
    .option(
      "--radius <r>",
      "radius (ℓ2) of the balls of --around, in units of the network's input",
      parsePositive,
    )
    .addHelpText("after", EXAMPLES)
    .action(async (patterns: string[], flags: AuditFlags) => {
      session.exitCode = await auditFiles(expandPaths(patterns), flags, session);
    });
}

async function auditFiles(files: readonly string[], flags: AuditFlags, session: Session): Promise<ExitCode> {
  const { io } = session;
  const { html } = flags;
  checkPoints(flags);
  if (html !== undefined) await checkHtmlTarget(html, files);
  const reports: AuditReport[] = [];
  const failed: FailedModel[] = [];
  const codes: ExitCode[] = [];
  for (const [index, file] of files.entries()) {
    try {
      const report = await auditFile(file, flags, session);
      reports.push(report);
      codes.push(showReport(report, flags, session, { several: files.length > 1, first: index === 0 }));
    } catch (error) {
      io.signal.throwIfAborted();
      if (isUsageError(error)) throw error;
      codes.push(reportError(io, error));
      failed.push({ file, message: messageOf(error) });
    }
  }
  if (flags.json && (files.length > 1 || reports.length === 1)) {
    io.out(jsonDocument(files.length === 1 ? reports[0] : severalReports(reports, failed)));
  }
  if (html !== undefined && reports.length > 0) {
    await writeHtml({ reports, failed, several: files.length > 1 }, html, session);
    if (!flags.quiet) io.err(`wrote ${html}\n`);
  }
  return worst(codes);
}

function checkPoints({ around, radius, guarantee, data }: AuditFlags): void {
  if ((around === undefined) !== (radius === undefined)) {
    throw new UsageError(
      around === undefined ? "--radius needs points to go round" : "--around needs the radius of its balls",
      "Give both, as in --around x.npz --radius 0.1.",
    );
  }
  if (guarantee === "estimate" && (around ?? data) !== undefined) {
    throw new UsageError(
      "an estimate bounds no network, so points would not be used",
      "Use --guarantee probable.",
    );
  }
}

function severalReports(reports: readonly AuditReport[], failed: readonly FailedModel[]) {
  return { schema: "lipschitz.audits/1", reports, ...(failed.length > 0 ? { failed } : {}) };
}

async function auditFile(file: string, flags: AuditFlags, session: Session): Promise<AuditReport> {
  const progress = progressLine(session.io, { progress: flags.progress, quiet: flags.quiet === true });
  // Files that cannot be read are better known before minutes of work.
  for (const path of [flags.data, flags.around]) {
    if (path !== undefined) await openData(path).then((data) => data.close());
  }
  const model = await openModel(file);
  try {
    const options: AuditOptions = {
      data: flags.data,
      around: flags.around,
      radius: flags.radius,
      ...libraryOptions(flags, session.io.signal),
      spectrum: flags.html === undefined ? 0 : SPECTRUM_SHOWN,
      onProgress: ({ layer, ...step }) => progress.update({ label: layer, ...step }),
    };
    const plan = await planModel(model, options);
    return await auditPlan(await session.engine(), model, plan, options);
  } finally {
    progress.clear();
    await model.close();
  }
}

/** Prints the table and what failed, and gives the model's exit code. */
function showReport(
  report: AuditReport,
  flags: AuditFlags,
  session: Session,
  { several, first }: { readonly several: boolean; readonly first: boolean },
): ExitCode {
  const { io } = session;
  if (!flags.json && !flags.quiet) {
    const { width, color } = io.stdout;
    io.out(`${first ? "" : "\n"}${renderTable(report, { width, color }).trimEnd()}\n`);
  }
  const errors = report.problems.filter((problem) => problem.severity === "error");
  // The table lists problems; without it they would go unseen.
  if (flags.json || flags.quiet) {
    const file = several ? `${report.model.files[0]}: ` : "";
    for (const { where, message } of errors) io.err(`error: ${file}${where}: ${message}\n`);
  }
  const gates: Gates = { failAbove: flags.failAbove, layerLimit: flags.layerLimit };
  const exceeded = checkGates(report, gates);
  for (const failure of exceeded) io.err(`limit: ${report.model.files[0]}: ${failure}\n`);
  if (exceeded.length > 0 || errors.some((problem) => problem.code === "not-finite")) return EXIT.failed;
  return errors.length > 0 ? EXIT.unreadable : EXIT.done;
}
