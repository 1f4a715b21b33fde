import { type Command, Option } from "commander";
import type { TourProgress } from "../tour/run.ts";
import type { TourReport } from "../tour/schema.ts";
import type { ExitCode } from "./exit-codes.ts";
import { EXIT } from "./exit-codes.ts";
import { withJax } from "./jax.ts";
import { jsonDocument } from "./json.ts";
import { parseSeed } from "./parse.ts";
import type { Session } from "./session.ts";
import { tourLine } from "./tour-progress.ts";
import { tourText } from "./tour-table.ts";

interface TourFlags {
  readonly out: string;
  readonly seed: bigint;
  readonly json?: true;
  readonly quiet?: true;
  readonly progress: boolean;
}

const EXAMPLES = `
Examples:
  lipschitz tour                      about a minute; networks and report in ./lipschitz-tour
  lipschitz tour --out digits --seed 7
  lipschitz tour --json

Trains on 8,000 handwritten digits that come with the package and tests on 2,000 others. Needs @jax-js/jax;
onnxruntime-node makes it fast. The same seed gives the same numbers on the same machine.

Exit codes: 0 done, 1 an attack contradicts a certificate (a defect), 4 a package is missing, 130 interrupted.`;

const DEFAULT_FOLDER = "lipschitz-tour";
/** The tour is a demonstration: everyone sees the same one unless asked otherwise. */
const DEFAULT_SEED = 1n;

export function addTourCommand(program: Command, session: Session): void {
  program
    .command("tour")
    .summary("train, export, audit, certify and attack three networks on real digits")
    .description(
      "Trains three networks of one size on handwritten digits (plain, spectrally normalised, orthonormal), exports, audits, " +
        "certifies and attacks them, and writes one page that shows what steepness does.",
    )
    .option("--out <folder>", "where the networks and the page go", DEFAULT_FOLDER)
    .addOption(
      new Option("--seed <n>", "seed of weights and shuffles")
        .argParser(parseSeed)
        .default(DEFAULT_SEED, DEFAULT_SEED.toString()),
    )
    .option("--json", "print one JSON document")
    .option("--quiet", "print nothing but errors")
    .option("--no-progress", "show no progress line")
    .addHelpText("after", EXAMPLES)
    .action(async (flags: TourFlags) => {
      session.exitCode = await tour(flags, session);
    });
}

async function tour(flags: TourFlags, session: Session): Promise<ExitCode> {
  const { io, written } = session;
  const progress = tourLine(io, { progress: flags.progress, quiet: flags.quiet === true });
  const { runTour } = await withJax("the tour", () => import("../tour/run.ts"));
  try {
    const report = await runTour({
      folder: flags.out,
      seed: flags.seed,
      signal: io.signal,
      onProgress: (step: TourProgress) => progress.update(step),
      onWritten: (file) => written.push(file),
    });
    progress.clear();
    show(report, flags, session);
    return report.networks.some((network) => network.violations > 0) ? EXIT.failed : EXIT.done;
  } finally {
    progress.clear();
  }
}

function show(report: TourReport, flags: TourFlags, { io }: Session): void {
  if (flags.json) io.out(jsonDocument(report));
  else if (!flags.quiet) io.out(tourText(report, io.stdout.width));
}
