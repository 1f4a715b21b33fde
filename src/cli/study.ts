import { type Command, Option } from "commander";
import { STUDIES, studyNamed } from "../../studies/index.ts";
import { UsageError } from "../audit/errors.ts";
import { builtModule } from "../platform/built-worker.ts";
import { availableThreads } from "../platform/cores.ts";
import { processPool } from "../platform/process-pool.ts";
import type { StudyReport } from "../study/schema.ts";
import type { RunResult, Study } from "../study/study.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { withJax } from "./jax.ts";
import { jsonDocument } from "./json.ts";
import { parseCount, parseNames, parseThreads } from "./parse.ts";
import type { Session } from "./session.ts";
import { studyLine } from "./study-progress.ts";
import { studyText } from "./study-table.ts";

interface StudyFlags {
  readonly quick?: true;
  readonly seeds?: number;
  readonly arms?: readonly string[];
  readonly out?: string;
  readonly threads?: number;
  readonly json?: true;
  readonly quiet?: true;
  readonly progress: boolean;
}

const EXAMPLES = `
Studies:
${STUDIES.map(({ name, summary }) => `  ${name.padEnd(9)} ${summary}`).join("\n")}

Examples:
  lipschitz study depth --quick               within a minute: fewer seeds, shorter runs
  lipschitz study gan --out results/gan       up to an hour; report.html, study.json and every run in that folder
  lipschitz study gan --arms none,spectral    only some arms; later calls with the same --out add the others
  lipschitz study rnn --seeds 3 --json

Every finished run is kept in the folder at once: an interrupted study goes on where it stopped when the same command is
given again. Needs @jax-js/jax; onnxruntime-node makes it fast.

Exit codes: 0 done, 1 a run failed, 2 wrong usage, 4 a package is missing, 130 interrupted.`;

export function addStudyCommand(program: Command, session: Session): void {
  program
    .command("study")
    .summary("measure what spectral normalization does, beside its baselines")
    .description(
      "Trains networks with and without spectral control on one question, with several seeds and a tuned learning rate per arm, " +
        "and writes a report of what the numbers say.",
    )
    .argument("<name>", `one of ${STUDIES.map(({ name }) => name).join(", ")}`)
    .option(
      "--quick",
      "fewer seeds and shorter runs: within a minute on two cores, enough to see, not to conclude",
    )
    .addOption(
      new Option("--seeds <n>", "seeds of each arm (default: the study's own)").argParser(parseCount),
    )
    .addOption(new Option("--arms <names>", "only these arms, separated by commas").argParser(parseNames))
    .option("--out <folder>", "where runs and report go (default: lipschitz-studies/NAME)")
    .addOption(new Option("--threads <n>", "runs at a time (default: one per core)").argParser(parseThreads))
    .option("--json", "print one JSON document")
    .option("--quiet", "print nothing but errors")
    .option("--no-progress", "show no progress line")
    .addHelpText("after", EXAMPLES)
    .action(async (name: string, flags: StudyFlags) => {
      session.exitCode = await study(name, flags, session);
    });
}

async function study(name: string, flags: StudyFlags, session: Session): Promise<ExitCode> {
  const { io, written } = session;
  const chosen = await loadStudy(name);
  const { runStudy } = await import("../study/run.ts");
  const { trainingDevice } = await import("../train/device.ts");
  const quick = flags.quick === true;
  const progress = studyLine(io, { progress: flags.progress, quiet: flags.quiet === true });
  const pool = processPool(builtModule("study-worker.js"), io.signal);
  try {
    const report = await runStudy(chosen, {
      folder: flags.out ?? `lipschitz-studies/${name}${quick ? "-quick" : ""}`,
      quick,
      seeds: flags.seeds,
      arms: flags.arms,
      threads: flags.threads ?? availableThreads(),
      device: await trainingDevice(),
      runTask: async (task, onProgress) => (await pool.run(task, onProgress)) as RunResult,
      signal: io.signal,
      onProgress: (step) => progress.update(step),
      onWritten: (file) => written.push(file),
    });
    progress.clear();
    show(report, chosen, flags, session);
    return EXIT.done;
  } finally {
    progress.clear();
    pool.close();
  }
}

/** @throws UsageError for an unknown name; MissingPartError where jax-js, an optional package, is not installed. */
async function loadStudy(name: string): Promise<Study> {
  const entry = studyNamed(name);
  if (entry === undefined) {
    throw new UsageError(
      `there is no study "${name}"`,
      `The studies are ${STUDIES.map((each) => each.name).join(", ")}.`,
    );
  }
  return withJax("a study", () => entry.load());
}

function show(report: StudyReport, chosen: Study, flags: StudyFlags, { io }: Session): void {
  if (flags.json) io.out(jsonDocument(report));
  else if (!flags.quiet) io.out(studyText(chosen, report, io.stdout.width));
}
