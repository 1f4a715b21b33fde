import { formatNumber } from "../../audit/format-number.ts";
import type { FindingReport } from "../schema.ts";
import { finite, mean, metricAt } from "../statistics.ts";
import type { RunRecord, StudyResults } from "../study.ts";
import { verdictOf } from "../verdict.ts";
import { RNN_ARMS } from "./arms.ts";
import { detailsOf, geometricMean, longest } from "./runs.ts";

/** The thresholds: accuracy of the last ten symbols, mean square error of sums. */
const REMEMBERED = { copy: 0.99, adding: 0.01 };
/** Longer than this share of the gradient at the last step, and a gradient grew on its way back. */
const GROWN = 1.5;
/** What float32 adds to a share of 1 of a bound over some 200 steps. */
const ROUNDING = 1e-3;
/** Test accuracies of digits nearer than this are the same. */
const SAME = 0.01;
const EXPERIMENTS = ["copy", "adding", "digits"];
const NOT_MEASURED = "Its runs are not there.";

/** What the runs say of each claim. */
export function rnnFindings(results: StudyResults): FindingReport[] {
  return [
    solves(
      results,
      "band",
      "copy",
      "With every singular value of the recurrent kernel at 1, ten symbols are remembered over the longest delay (at least 99 % of them right, every seed).",
    ),
    solves(
      results,
      "band",
      "adding",
      "The same network solves the adding problem (mean square error below 0.01, every seed).",
    ),
    plainFails(results),
    startIsNotEnough(results),
    spectralExplodes(results),
    spectralRemembers(results),
    bounded(results),
    shortMemory(results),
  ];
}

function remembers({ task, metrics }: RunRecord): boolean {
  if (task.experiment === "copy") return (metricAt(metrics, "accuracy") ?? 0) >= REMEMBERED.copy;
  return (metricAt(metrics, "loss") ?? Number.POSITIVE_INFINITY) < REMEMBERED.adding;
}

/** "4 of 5 seeds on copy T = 200 (mean accuracy 99.8 %)". */
function countText(runs: readonly RunRecord[]): string {
  const { experiment, variant } = runs[0].task;
  const key = experiment === "copy" ? "accuracy" : "loss";
  const value = mean(finite(runs.map(({ metrics }) => metricAt(metrics, key))));
  const said =
    value === null
      ? "none"
      : experiment === "copy"
        ? `${(100 * value).toFixed(1)} %`
        : formatNumber(value, 2);
  return `${runs.filter(remembers).length} of ${runs.length} seeds on ${experiment} ${variant} (mean ${key} ${said})`;
}

function solves(results: StudyResults, arm: string, experiment: string, claim: string): FindingReport {
  const runs = longest(results, experiment, arm);
  if (runs.length === 0) return { claim, verdict: "not measured", because: NOT_MEASURED };
  return {
    claim,
    verdict: verdictOf(runs.filter(remembers).length, runs.length),
    because: `Solved by ${solvedText(runs)}. ${othersText(results, arm, experiment)}`,
  };
}

/** Which other arms solved the longest variant of an experiment. */
function othersText(results: StudyResults, arm: string, experiment: string): string {
  const solvers = RNN_ARMS.filter(({ name }) => name !== arm).flatMap(({ name, title }) => {
    const runs = longest(results, experiment, name);
    const solved = runs.filter(remembers).length;
    return solved === 0 ? [] : [`${title} (${solved} of ${runs.length})`];
  });
  return solvers.length === 0 ? "No other arm did." : `Other arms that did: ${solvers.join(", ")}.`;
}

/** The same with the steps it took those that stopped. */
function solvedText(runs: readonly RunRecord[]): string {
  const steps = finite(runs.map(({ metrics }) => metricAt(metrics, "solvedAt")));
  if (steps.length === 0) return countText(runs);
  return `${countText(runs)}, in ${[...new Set([Math.min(...steps), Math.max(...steps)])].join(" to ")} steps`;
}

function plainFails(results: StudyResults): FindingReport {
  const claim =
    "A plain recurrent network of the same size solves neither, with or without gradient clipping.";
  const [plain, clipping] = ["plain", "clipping"].map((arm) => memoryRuns(results, arm));
  if (plain === null || clipping === null) return { claim, verdict: "not measured", because: NOT_MEASURED };
  const all = [...plain, ...clipping].flat();
  return {
    claim,
    verdict: verdictOf(all.filter((run) => !remembers(run)).length, all.length),
    because: `Plain: solved by ${plain.map(countText).join(" and ")}. With clipping: by ${clipping.map(countText).join(" and ")}.`,
  };
}

/** Runs of the longest copy task and the longest adding problem; null where one has none. */
function memoryRuns(results: StudyResults, arm: string): (readonly RunRecord[])[] | null {
  const sets = ["copy", "adding"].map((each) => longest(results, each, arm));
  return sets.every((runs) => runs.length > 0) ? sets : null;
}

function startIsNotEnough(results: StudyResults): FindingReport {
  const claim =
    "It takes the constraint: a network that starts with all singular values at 1 and is then free solves fewer runs.";
  const [held, free] = ["band", "bandStart"].map((arm) => memoryRuns(results, arm));
  if (held === null || free === null) return { claim, verdict: "not measured", because: NOT_MEASURED };
  const share = (runs: readonly RunRecord[]) => runs.filter(remembers).length / runs.length;
  const fewer = held.filter((runs, i) => share(free[i]) < share(runs)).length;
  const smallest = mean(finite(free.flat().map(({ metrics }) => metricAt(metrics, "smallest.end"))));
  const norm = mean(finite(free.flat().map(({ metrics }) => metricAt(metrics, "stepNorm.end"))));
  return {
    claim,
    verdict: verdictOf(fewer, held.length),
    because: `Free after the start: solved by ${free.map(solvedText).join(" and ")}; its singular values ended between ${formatNumber(smallest ?? 0, 2)} and ${formatNumber(norm ?? 0, 3)} on average. Held: by ${held.map(solvedText).join(" and ")}.`,
  };
}

function spectralExplodes(results: StudyResults): FindingReport {
  const claim = "Spectral normalization of the recurrent kernel stops gradients from exploding.";
  const most = (arm: string) => {
    const runs = EXPERIMENTS.flatMap((name) => results.records(name, arm));
    return runs.length === 0 ? null : runs.reduce((top, run) => Math.max(top, grownMost(run)), 0);
  };
  const [held, free] = [most("spectral"), most("plain")];
  if (held === null) return { claim, verdict: "not measured", because: NOT_MEASURED };
  const runs = EXPERIMENTS.flatMap((name) => results.records(name, "spectral"));
  const diverged = runs.filter(({ metrics }) => metricAt(metrics, "diverged") === 1).length;
  const beside = free === null ? "" : ` Without control the most was ${formatNumber(free, 2)} times.`;
  return {
    claim,
    verdict: held <= GROWN ? (diverged === 0 ? "holds" : "holds in part") : "does not hold",
    because: `At no lag, before or after training, was a gradient more than ${formatNumber(held, 3)} times the one at the last step, and ${diverged} of ${runs.length} runs diverged.${beside}`,
  };
}

/** The largest gradient at any lag, before or after training, as a share of that at lag 0. */
function grownMost(run: RunRecord): number {
  const [{ start, end }] = detailsOf([run]);
  return [...start.kept, ...end.kept].reduce<number>((top, share) => Math.max(top, share ?? 0), 0);
}

function spectralRemembers(results: StudyResults): FindingReport {
  const claim = "Spectral normalization alone lets a recurrent network remember.";
  const sets = memoryRuns(results, "spectral");
  if (sets === null) return { claim, verdict: "not measured", because: NOT_MEASURED };
  const left = mean(finite(sets.flat().map(({ metrics }) => metricAt(metrics, "smallest.end"))));
  const kept = geometricMean(sets.flat().map(({ metrics }) => metricAt(metrics, "kept.end")));
  return {
    claim,
    verdict: verdictOf(sets.flat().filter(remembers).length, sets.flat().length),
    because: `Solved by ${sets.map(countText).join("; ")}. W/σ₁ fixes the largest singular value only: after training the smallest is ${formatNumber(left ?? 0, 2)} on average, and ${formatNumber(kept ?? 0, 2)} of a gradient reaches the first step.`,
  };
}

function bounded(results: StudyResults): FindingReport {
  const claim = "No gradient is longer than the norm of the step, to the power of the lag, allows.";
  const shares = EXPERIMENTS.flatMap((name) =>
    RNN_ARMS.flatMap((arm) => results.records(name, arm.name)),
  ).map(({ metrics }) => metricAt(metrics, "ofBound"));
  const known = finite(shares);
  if (known.length === 0) return { claim, verdict: "not measured", because: NOT_MEASURED };
  const most = Math.max(...known);
  return {
    claim,
    verdict: most <= 1 + ROUNDING ? "holds" : "does not hold",
    because: `In ${known.length} runs, before and after training, the nearest that a gradient came to its bound (guarantee “proof”) was ${formatNumber(most, 3)} of it. The bound is an upper one: it promises no memory. None is known for a GRU.`,
  };
}

function shortMemory(results: StudyResults): FindingReport {
  const claim = "Where a short memory is enough (digits, 28 rows), control costs no accuracy.";
  const value = (arm: string) =>
    mean(finite(results.records("digits", arm).map(({ metrics }) => metricAt(metrics, "accuracy"))));
  const [free, ...held] = ["plain", "spectral", "band"].map(value);
  if (free === null || held.some((each) => each === null))
    return { claim, verdict: "not measured", because: NOT_MEASURED };
  const said = RNN_ARMS.flatMap(({ name, title }) => {
    const share = value(name);
    return share === null ? [] : [`${title} ${(100 * share).toFixed(1)} %`];
  });
  return {
    claim,
    verdict: verdictOf(held.filter((each) => each! >= free - SAME).length, held.length),
    because: `Test accuracy: ${said.join(", ")}.`,
  };
}
