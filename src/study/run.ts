import { UsageError } from "../audit/errors.ts";
import { joinPath, makeFolder } from "../platform/files.ts";
import { writeText } from "../platform/write-text.ts";
import { VERSION } from "../version.ts";
import { StudyError } from "./errors.ts";
import { renderStudy } from "./html/page.ts";
import { studyMarkdown } from "./markdown.ts";
import { openRecords, type Records } from "./records.ts";
import type { CellReport, StudyReport, SweepReport } from "./schema.ts";
import { summarizeMetrics } from "./statistics.ts";
import type { RunRecord, RunResult, Study, StudyPlan, StudyResults, Task } from "./study.ts";
import {
  cellTasks,
  type Decided,
  decide,
  planFor,
  type SeedRange,
  sweepResult,
  sweepTasks,
} from "./tasks.ts";

/** Does one run, in this process or another. */
export type TaskRunner = (
  task: Task,
  onProgress: (done: number, total: number) => void,
) => Promise<RunResult>;

export interface StudyOptions {
  /** Where runs, document and report are written; runs found there are not done again. */
  readonly folder: string;
  readonly quick: boolean;
  /** Seeds per cell; default: the study's. */
  readonly seeds?: number | undefined;
  /** Only these arms; default: all. Arms whose runs the folder holds already are reported too. */
  readonly arms?: readonly string[] | undefined;
  /** Runs at a time. */
  readonly threads: number;
  /** What training runs on, for the record. */
  readonly device: string;
  readonly runTask: TaskRunner;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: StudyProgress) => void) | undefined;
  /** A file was written. */
  readonly onWritten?: ((file: string) => void) | undefined;
}

/** How far a study is; the runs' shares count, so that `done` moves while long ones are under way. */
export interface StudyProgress {
  readonly phase: "sweep" | "run";
  readonly done: number;
  readonly total: number;
  /** The run that moved last. */
  readonly label: string;
}

/**
 * Runs a study: its sweeps, then every arm with every seed, several at a time; then writes `study.json`, `report.html` and
 * `report.md`.
 * Each finished run is kept at once, and the same call goes on where an interrupted one stopped.
 * @throws UsageError for an arm the study does not have; StudyError when a run fails; WriteError when the folder cannot be
 * written; the signal's reason once aborted.
 */
export async function runStudy(study: Study, options: StudyOptions): Promise<StudyReport> {
  const start = performance.now();
  const { folder, quick } = options;
  const wanted = wantedArms(study, options.arms);
  const whole = study.plan(quick ? "quick" : "full");
  const seeds = { first: whole.firstSeed ?? 1, count: options.seeds ?? whole.seeds };
  await makeFolder(folder);
  const records = await openRecords(joinPath(folder, "runs"), study.revision);
  const run = (phase: StudyProgress["phase"], tasks: readonly Task[]) =>
    runTasks(phase, tasks, records, options);

  const plan = planFor(whole, wanted);
  await run(
    "sweep",
    plan.tunings.flatMap((tuning) => sweepTasks(study, tuning)),
  );
  const chosen = await sweepsOf(study, plan, records);
  await run(
    "run",
    plan.cells
      .flatMap((cell) => decide(cell, chosen.reports) ?? [])
      .flatMap((decided) => cellTasks(study, decided, seeds)),
  );

  const found = await gather(study, whole, seeds, records);
  const results: StudyResults = { ...found, quick };
  const document = joinPath(folder, "study.json");
  const page = joinPath(folder, "report.html");
  const text = joinPath(folder, "report.md");
  const report: StudyReport = {
    schema: "lipschitz.study/1",
    study: study.name,
    title: study.title,
    claim: study.claim,
    settings: {
      version: VERSION,
      revision: study.revision,
      quick,
      seeds: seeds.count,
      device: options.device,
      threads: options.threads,
    },
    seconds: (performance.now() - start) / 1000,
    runSeconds: found.seconds,
    arms: found.cells,
    sweeps: found.reports,
    findings: study.findings(results),
    published: study.published,
    files: [document, page, text],
  };
  const write = async (path: string, content: string) => {
    await writeText(path, content, { overwrite: true });
    options.onWritten?.(path);
  };
  await write(document, `${JSON.stringify(report, null, 1)}\n`);
  await write(page, renderStudy(study, report, study.sections(results)));
  await write(text, studyMarkdown(study, report));
  return report;
}

function wantedArms(study: Study, arms: readonly string[] | undefined): ReadonlySet<string> {
  const known = study.arms.map(({ name }) => name);
  const unknown = arms?.find((arm) => !known.includes(arm));
  if (unknown !== undefined) {
    throw new UsageError(`study ${study.name} has no arm "${unknown}"`, `Its arms are ${known.join(", ")}.`);
  }
  return new Set(arms ?? known);
}

/** Does the tasks that the folder does not hold, `threads` at a time. */
async function runTasks(
  phase: StudyProgress["phase"],
  tasks: readonly Task[],
  records: Records,
  options: StudyOptions,
): Promise<void> {
  const { signal, onProgress, onWritten, threads } = options;
  const waiting: Task[] = [];
  for (const task of tasks) if ((await records.find(task)) === null) waiting.push(task);
  let finished = tasks.length - waiting.length;
  const shares = new Map<Task, number>();
  const say = (task: Task) => {
    const under = [...shares.values()].reduce((sum, share) => sum + share, 0);
    onProgress?.({ phase, done: finished + under, total: tasks.length, label: labelOf(task) });
  };
  const queue = waiting.values();
  const lane = async () => {
    for (const task of queue) {
      signal?.throwIfAborted();
      shares.set(task, 0);
      say(task);
      const record = await perform(task, options, (share) => {
        shares.set(task, share);
        say(task);
      });
      const file = await records.keep(record);
      onWritten?.(file);
      shares.delete(task);
      finished++;
      say(task);
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, waiting.length) }, lane));
}

async function perform(
  task: Task,
  { runTask, signal }: StudyOptions,
  onShare: (share: number) => void,
): Promise<RunRecord> {
  const start = performance.now();
  try {
    const { metrics, detail } = await runTask(task, (done, total) => onShare(done / Math.max(1, total)));
    return { task, seconds: (performance.now() - start) / 1000, metrics, detail };
  } catch (error) {
    signal?.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    throw new StudyError(
      `${labelOf(task)}: ${why} Finished runs are kept; the same command goes on after them.`,
    );
  }
}

/** Which run it is, for people. */
export function labelOf({ experiment, variant, arm, seed, kind, learningRate }: Task): string {
  const rate = kind === "sweep" ? ` rate ${learningRate}` : ` seed ${seed}`;
  return [experiment, variant, arm].filter((part) => part !== "").join(" · ") + rate;
}

async function sweepsOf(
  study: Study,
  { tunings }: StudyPlan,
  records: Records,
): Promise<{ reports: SweepReport[]; records: RunRecord[] }> {
  const reports: SweepReport[] = [];
  const all: RunRecord[] = [];
  for (const tuning of tunings) {
    const tasks = sweepTasks(study, tuning);
    const found = await finishedOf(tasks, records);
    if (found.length < tasks.length) continue;
    all.push(...found);
    reports.push(sweepResult(tuning, found));
  }
  return { reports, records: all };
}

interface Gathered extends Omit<StudyResults, "quick"> {
  readonly reports: readonly SweepReport[];
  readonly seconds: number;
}

/** Everything the folder holds of a plan. */
async function gather(study: Study, plan: StudyPlan, seeds: SeedRange, records: Records): Promise<Gathered> {
  const sweeps = await sweepsOf(study, plan, records);
  const cells: CellReport[] = [];
  const runs: RunRecord[] = [];
  for (const decided of plan.cells.flatMap((each) => decide(each, sweeps.reports) ?? [])) {
    const found = await finishedOf(cellTasks(study, decided, seeds), records);
    if (found.length === 0) continue;
    runs.push(...found);
    cells.push(cellReport(decided, found));
  }
  return {
    cells,
    sweeps: sweeps.records,
    reports: sweeps.reports,
    seconds: [...runs, ...sweeps.records].reduce((sum, record) => sum + record.seconds, 0),
    records: (experiment, arm, variant) =>
      runs.filter(
        ({ task }) =>
          task.experiment === experiment &&
          task.arm === arm &&
          (variant === undefined || task.variant === variant),
      ),
  };
}

async function finishedOf(tasks: readonly Task[], records: Records): Promise<RunRecord[]> {
  const found: RunRecord[] = [];
  for (const task of tasks) {
    const record = await records.find(task);
    if (record !== null) found.push(record);
  }
  return found;
}

function cellReport({ cell, learningRate }: Decided, found: readonly RunRecord[]): CellReport {
  return {
    name: cell.arm,
    experiment: cell.experiment,
    variant: cell.variant ?? "",
    setting: cell.setting,
    learningRate,
    runs: found.map(({ task, seconds, metrics }) => ({ ...metrics, seed: task.seed, seconds })),
    summary: summarizeMetrics(found.map(({ metrics }) => metrics)),
  };
}
