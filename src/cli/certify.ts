import { type Command, Option } from "commander";
import { certify } from "../audit/certify.ts";
import type { CertifyReport } from "../audit/certify-schema.ts";
import { DEFAULT_ATTACK_POINTS, DEFAULT_ATTACK_STEPS, DEFAULT_EPSILONS } from "../audit/certify-settings.ts";
import { violationAdvice, violationSentence } from "../audit/certify-text.ts";
import { UsageError } from "../audit/errors.ts";
import { openModel } from "../formats/open.ts";
import { sameFile } from "../platform/files.ts";
import { writeText } from "../platform/write-text.ts";
import { phaseLine } from "./certify-progress.ts";
import { certifyText } from "./certify-table.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { checkHtmlTarget } from "./html-output.ts";
import { jsonDocument } from "./json.ts";
import {
  type InputShapes,
  parseCount,
  parseInput,
  parseMemory,
  parseNumber,
  parsePositives,
  parseSeed,
  parseThreads,
} from "./parse.ts";
import type { Session } from "./session.ts";

interface CertifyFlags {
  readonly data: string;
  readonly labels?: string;
  readonly epsilon: readonly number[];
  readonly bound: "global" | "local";
  readonly attack: "none" | "pgd";
  readonly attackSteps: number;
  readonly attackPoints: number;
  readonly scale: number;
  readonly shift: number;
  readonly html?: string;
  readonly guarantee: "probable" | "proof";
  readonly input?: InputShapes;
  readonly memory?: number;
  readonly seed?: bigint;
  readonly json?: true;
  readonly quiet?: true;
  readonly progress: boolean;
}

const EXAMPLES = `
Examples:
  lipschitz certify digits.onnx --data test.npz                    x and y of numpy.savez
  lipschitz certify digits.onnx --data images.gz --labels labels.gz --scale 1/255     MNIST's own files
  lipschitz certify net.onnx --data test.npz --epsilon 0.25,0.5 --bound local --html report.html
  lipschitz certify net.onnx --data test.npz --guarantee proof --attack none --json

An ε is the ℓ2 length of a change of the data as stored, before --scale and --shift.

Exit codes: 0 done, 1 the attack contradicts a certificate (a defect), 2 wrong usage or a network
without a bound, 3 a file cannot be read, 130 interrupted.`;

/** More would bury what to do about them; --json holds all. */
const MOST_VIOLATIONS = 20;

export function addCertifyCommand(program: Command, session: Session): void {
  program
    .command("certify")
    .summary("certified radii of a classifier's predictions, held against an attack")
    .description(
      "Finds for each labelled point a radius within which no change of the input can turn the prediction, and " +
        "attacks the first points: clean, certified and attacked accuracy. Reads ONNX models.",
    )
    .argument("<model>", "model file (ONNX)")
    .requiredOption("--data <file>", "points: .npz with x and y, or .npy or IDX with --labels")
    .option("--labels <file>", "labels: .npy, IDX, or .npz with y")
    .addOption(
      new Option("--epsilon <list>", "lengths of changes to report")
        .argParser(parsePositives)
        .default(DEFAULT_EPSILONS, DEFAULT_EPSILONS.join(",")),
    )
    .addOption(
      new Option(
        "--bound <kind>",
        "one bound for all inputs, or also one around each point (tighter, slower)",
      )
        .choices(["global", "local"])
        .default("global"),
    )
    .addOption(
      new Option("--attack <kind>", "look for changes that turn predictions")
        .choices(["none", "pgd"])
        .default("pgd"),
    )
    .option("--attack-steps <n>", "gradient steps from each start", parseCount, DEFAULT_ATTACK_STEPS)
    .option("--attack-points <n>", "attack the first n points", parseCount, DEFAULT_ATTACK_POINTS)
    .option("--scale <a>", "the network sees a·x + b; a number or a fraction such as 1/255", parseNumber, 1)
    .option("--shift <b>", "the b of a·x + b", parseNumber, 0)
    .option("--html <file>", "write a report to look at")
    .addOption(
      new Option("--guarantee <kind>", "how much the radii are worth; see the documentation")
        .choices(["probable", "proof"])
        .default("probable"),
    )
    .option(
      "--input <[name=]shape>",
      "size of the input that the file leaves open, such as 1x3x32x32",
      parseInput,
    )
    .option("--memory <size>", "memory for the weights, 24 bytes each (default: 2GiB)", parseMemory)
    .option("--threads <n>", "most threads to use; certificates are computed on one", parseThreads)
    .option("--seed <n>", "seed of the random starts (default: from the operating system)", parseSeed)
    .option("--json", "print one JSON document")
    .option("--quiet", "print nothing but errors")
    .option("--no-progress", "show no progress line")
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, flags: CertifyFlags) => {
      session.exitCode = await certifyFile(file, flags, session);
    });
}

async function certifyFile(file: string, flags: CertifyFlags, session: Session): Promise<ExitCode> {
  const { html, data, labels } = flags;
  if (html !== undefined) await checkTarget(html, file, [data, ...(labels === undefined ? [] : [labels])]);
  const report = await reportOf(file, flags, session);
  show(report, flags, session);
  if (html !== undefined) await writeReport(report, html, flags, session);
  return report.violations > 0 ? EXIT.failed : EXIT.done;
}

async function reportOf(file: string, flags: CertifyFlags, session: Session): Promise<CertifyReport> {
  const { io } = session;
  const progress = phaseLine(io, { progress: flags.progress, quiet: flags.quiet === true });
  const model = await openModel(file);
  try {
    return await certify(model, flags.data, flags.labels, {
      bound: flags.bound,
      epsilons: flags.epsilon,
      attack: flags.attack,
      attackSteps: flags.attackSteps,
      attackPoints: flags.attackPoints,
      scale: flags.scale,
      shift: flags.shift,
      guarantee: flags.guarantee,
      seed: flags.seed,
      inputs: flags.input,
      memory: flags.memory,
      signal: io.signal,
      onProgress: progress.update,
    });
  } finally {
    progress.clear();
    await model.close();
  }
}

function show(report: CertifyReport, flags: CertifyFlags, { io }: Session): void {
  if (flags.json) io.out(jsonDocument(report));
  else if (!flags.quiet) io.out(certifyText(report, io.stdout));
  const { violated } = report;
  for (const violation of violated.slice(0, MOST_VIOLATIONS)) {
    io.err(`error: point ${violation.point}: ${violationSentence(violation)}\n`);
  }
  const rest = violated.length - MOST_VIOLATIONS;
  if (rest > 0) io.err(`error: and ${rest} more points (--json lists all)\n`);
  if (violated.length > 0) io.err(`${violationAdvice(report)}\n`);
}

async function checkTarget(html: string, model: string, data: readonly string[]): Promise<void> {
  await checkHtmlTarget(html, [model]);
  for (const file of data) {
    if (await sameFile(file, html)) throw new UsageError(`--html ${html} would overwrite the data`);
  }
}

async function writeReport(
  report: CertifyReport,
  target: string,
  { quiet, data, labels }: CertifyFlags,
  { io, written }: Session,
): Promise<void> {
  const { renderCertifyReport } = await import("../audit/html/certify-report.ts");
  const inputs = [...report.model.files, data, ...(labels === undefined ? [] : [labels])];
  await writeText(target, renderCertifyReport(report), { overwrite: true, inputs });
  written.push(target);
  if (!quiet) io.err(`wrote ${target}\n`);
}
