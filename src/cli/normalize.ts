import { type Command, Option } from "commander";
import {
  formatCount,
  formatInterval,
  formatNumber,
  formatSigma,
  formatUpper,
} from "../audit/format-number.ts";
import { type NormalizeReport, normalizePlan } from "../audit/normalize.ts";
import type { OutputsReport } from "../audit/output-change.ts";
import { checkOutputName } from "../audit/output-name.ts";
import { planModel } from "../audit/plan.ts";
import type { PreserveReport } from "../audit/preserve.ts";
import type { SigmaReport } from "../audit/schema.ts";
import type { NormalizeMethod } from "../audit/shrink.ts";
import { openModel } from "../formats/open.ts";
import { checkTarget } from "../platform/staging.ts";
import { addCommonOptions, type CommonFlags, libraryOptions } from "./common-options.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { jsonDocument } from "./json.ts";
import { parsePositive } from "./parse.ts";
import { progressLine } from "./progress.ts";
import type { Session } from "./session.ts";
import { textTable } from "./text-table.ts";

interface NormalizeFlags extends CommonFlags {
  readonly output: string;
  readonly to?: number;
  readonly method: NormalizeMethod;
  readonly network?: number;
  readonly preserve?: true;
  readonly data?: string;
}

const EXAMPLES = `
Examples:
  lipschitz normalize model.safetensors -o unit.safetensors          every layer to spectral norm 1
  lipschitz normalize model.onnx --to 2 --method cap -o capped.onnx  only layers above 2
  lipschitz normalize model.onnx --network 10 -o ten.onnx            one factor for all layers
  lipschitz normalize model.pt --method clip --only 'fc*' -o clipped.pt
  lipschitz normalize model.onnx --preserve -o same.onnx             biases follow: old outputs times a constant
  lipschitz normalize model.onnx --data test.npz -o unit.onnx        and how far the outputs move on x

The bounds hold for the numbers as written, after rounding to the file's own type. When they
cannot be kept, nothing is written and the exit code is 1.`;

export function addNormalizeCommand(program: Command, session: Session): void {
  const command = program
    .command("normalize")
    .summary("write the model with its spectral norms brought to a target")
    .description(
      "Writes a copy of a model whose weights keep a limit on their spectral norms, measured again in the written file.",
    )
    .argument("<model>", "model file")
    .requiredOption("-o, --output <file>", "where to write the new model")
    .option("--to <c>", "spectral norm to bring layers to (default: 1)", parsePositive)
    .addOption(
      new Option(
        "--method <name>",
        "divide: every layer to C; cap: only layers above C; clip: only singular values above C (dense layers)",
      )
        .choices(["divide", "cap", "clip"])
        .default("divide"),
    )
    .option(
      "--network <l>",
      "instead of --to: one factor for all layers, so that the network's bound is L",
      parsePositive,
    )
    .option(
      "--preserve",
      "multiply biases along, so that the outputs are the old ones times a constant (ONNX, ReLU-like networks)",
    )
    .option(
      "--data <file>",
      "report how the outputs change on these points (ONNX): .npz with x, .npy or IDX",
    );
  addCommonOptions(command, ["probable", "proof"])
    .addHelpText("after", EXAMPLES)
    .action(async (file: string, flags: NormalizeFlags) => {
      session.exitCode = await normalizeFile(file, flags, session);
    });
}

async function normalizeFile(file: string, flags: NormalizeFlags, session: Session): Promise<ExitCode> {
  const { io } = session;
  const model = await openModel(file);
  const progress = progressLine(io, { progress: flags.progress, quiet: flags.quiet === true });
  try {
    checkOutputName(flags.output, model.format);
    await checkTarget(
      flags.output,
      model.sources.map((source) => source.name),
    );
    const options = {
      ...libraryOptions(flags, io.signal),
      to: flags.to,
      method: flags.method,
      network: flags.network,
      preserve: flags.preserve,
      data: flags.data,
      onProgress: ({ phase, layer, ...step }: { phase: string; layer: string } & Counts) =>
        progress.update({ label: `${phase} ${layer}`, ...step }),
    };
    const plan = await planModel(model, options);
    const normalization = await normalizePlan(await session.engine(), model, plan, options);
    const { kept } = normalization.report;
    const report = kept ? await normalization.write(flags.output) : normalization.report;
    if (kept) session.written.push(flags.output);
    progress.clear();
    show(report, flags, session);
    return kept ? EXIT.done : EXIT.failed;
  } finally {
    progress.clear();
    await model.close();
  }
}

interface Counts {
  readonly index: number;
  readonly count: number;
  readonly bytes: number;
  readonly totalBytes: number;
}

function show(report: NormalizeReport, flags: NormalizeFlags, session: Session): void {
  const { io } = session;
  if (flags.json) io.out(jsonDocument(report));
  else if (!flags.quiet) io.out(normalizeText(report, io.stdout.width));
  for (const { severity, where, message } of report.problems) {
    if (severity === "error" || !flags.quiet) io.err(`${severity}: ${where}: ${message}\n`);
  }
  if (!report.kept) io.err("error: the promise cannot be kept, so nothing was written\n");
}

/** Before and after, layer by layer. */
export function normalizeText(report: NormalizeReport, width: number): string {
  const table = textTable(
    [
      { title: "layer", align: "left" },
      { title: "σ before", align: "right" },
      { title: "σ after", align: "right" },
      { title: "factor", align: "right" },
    ],
    report.layers.map((layer) => [
      layer.name,
      sigmaText(layer.before),
      report.kept ? sigmaText(layer.after) : "—",
      layer.factor === null ? "clipped" : formatNumber(layer.factor),
    ]),
    width,
  );
  const lines = [
    networkText(report),
    guaranteeText(report),
    ...(report.preserve === undefined ? [] : preserveLines(report.preserve, width)),
    ...(report.outputs === undefined ? [] : outputLines(report.outputs)),
  ].filter((line) => line !== null);
  const end = report.output === null ? "" : `Written to ${report.output}, read back and measured again.\n`;
  return `${table}\n${lines.map((line) => `${line}\n`).join("")}${end}`;
}

function sigmaText(sigma: SigmaReport | null): string {
  return sigma === null ? "unknown" : formatSigma(sigma);
}

function networkText({ network, kept }: NormalizeReport): string | null {
  if (network === null || network.before.upper === null) return null;
  const before = formatInterval(network.before.lower, network.before.upper);
  if (!kept || network.after.upper === null) return `The network's Lipschitz constant is in ${before}.`;
  const after = formatInterval(network.after.lower, network.after.upper);
  return `The network's Lipschitz constant was in ${before} and is in ${after}.`;
}

function guaranteeText({ settings, kept }: NormalizeReport): string | null {
  if (!kept) return null;
  const { guarantee, failureProbability } = settings;
  return guarantee === "proof"
    ? "Proved for the numbers as written, rounding included."
    : `Upper bounds hold for the numbers as written except with probability ${formatUpper(failureProbability, 2)}.`;
}

/** What multiplies the outputs, and which constants followed. */
function preserveLines({ scale, outputs, constants, checked }: PreserveReport, width: number): string[] {
  const times =
    scale === null
      ? `Each output is the old one times its number: ${outputs.map(timesText).join(", ")}`
      : `Outputs are the old ones times ${formatNumber(scale)}`;
  const seen =
    checked === null
      ? ""
      : `, up to rounding (relative, on ${checked.inputs} random inputs: at most ${formatUpper(checked.difference, 2)})`;
  return [`${times}${seen}.`, ...(constants.length === 0 ? [] : [constantsLine(constants, width)])];
}

/** As many as fit into the line; --json lists all. */
function constantsLine(constants: PreserveReport["constants"], width: number): string {
  const start = "Rescaled with the weights: ";
  const all = constants.map(({ tensor, factor }) => timesText({ name: tensor, scale: factor }));
  for (let shown = all.length; shown > 0; shown--) {
    const more = shown < all.length ? [`${all.length - shown} more`] : [];
    const line = `${start}${[...all.slice(0, shown), ...more].join(", ")}.`;
    if (line.length <= width) return line;
  }
  return `${start}${all.length} constants.`;
}

function timesText({ name, scale }: { readonly name: string; readonly scale: number }): string {
  return `${name} × ${formatNumber(scale)}`;
}

function outputLines({ file, points, total, scales, change, argmaxKept }: OutputsReport): string[] {
  const number = (x: number | null) => (x === null ? "unknown" : formatUpper(x, 2));
  const of =
    total > points ? `the first ${formatCount(points)} of ${formatCount(total)}` : formatCount(points);
  const old = scales.every(({ scale }) => scale === 1) ? "old" : "s·old";
  const moved = `median ${number(change.median)}, at most ${number(change.max)}`;
  return [
    `‖new − ${old}‖/‖${old}‖ of the outputs on ${of} points of ${file}: ${moved}.`,
    ...(argmaxKept === null
      ? []
      : [`The largest score stays the same on ${formatPercent(argmaxKept)} of them.`]),
  ];
}

/** Rounded down: 100 % means all. */
function formatPercent(share: number): string {
  return `${Math.floor(share * 1000) / 10} %`;
}
