import { formatNumber } from "../../audit/format-number.ts";
import type { FindingReport } from "../schema.ts";
import { errorsAbove, finite, metricAt, summarize } from "../statistics.ts";
import type { RunRecord, StudyResults } from "../study.ts";
import { verdictOfChecks } from "../verdict.ts";
import { capitalised, curvesOf, questionOf, runsOf, type SystemKey } from "./questions.ts";

/** What the runs say of learned simulators under spectral normalization. */
export function findings(results: StudyResults): FindingReport[] {
  return [
    ...["damped", "heat", "burgers", "kuramoto"].map((system) => plausible(results, system as SystemKey)),
    drift(results),
    landing(results),
    capAlone(results),
    bounds(results),
  ];
}

const NOT_MEASURED = "The arms it compares were not run.";

function summaryAt(runs: readonly RunRecord[], key: string) {
  return summarize(runs.map(({ metrics }) => metricAt(metrics, key)));
}

/** By how many standard errors of their difference the first mean is above the second. */
function excess(own: readonly RunRecord[], other: readonly RunRecord[], key: string): number {
  const values = (runs: readonly RunRecord[]) => runs.map(({ metrics }) => metricAt(metrics, key));
  return errorsAbove(values(own), values(other));
}

const APART = "Means within one standard error of their difference are not told apart.";

function plausible(results: StudyResults, system: SystemKey): FindingReport {
  const { title } = questionOf(system);
  const claim = `${capitalised(title)}: with spectral normalization no fewer roll-outs stay bounded for 100 training horizons, and their error is no larger.`;
  const [free, held] = [runsOf(results, system, "none"), runsOf(results, system, "spectral")];
  if (free.length === 0 || held.length === 0)
    return { claim, verdict: "not measured", because: NOT_MEASURED };
  const stops = [
    { said: "At equal one-step error", bounded: "bounded.100", error: "error" },
    { said: "After the whole budget", bounded: "full.bounded100", error: "full.error" },
  ];
  const checks = stops.flatMap(({ bounded, error }) => [
    summaryAt(held, bounded).mean! >= summaryAt(free, bounded).mean!,
    excess(held, free, error) <= 1,
  ]);
  const said = stops.map(({ said, bounded, error }) => {
    const pair = (key: string, show: (value: number) => string) =>
      `${show(summaryAt(held, key).mean!)} against ${show(summaryAt(free, key).mean!)}`;
    return `${said} ${pair(bounded, percentage)} bounded, nRMSE ${pair(error, number)}.`;
  });
  return {
    claim,
    verdict: verdictOfChecks(checks),
    because: `${said.join(" ")} (Spectral norm against unconstrained. ${APART})`,
  };
}

function drift(results: StudyResults): FindingReport {
  const claim = "Undamped pendulum: spectral normalization keeps energy from drifting.";
  const [free, held] = [runsOf(results, "undamped", "none"), runsOf(results, "undamped", "spectral")];
  if (free.length === 0 || held.length === 0)
    return { claim, verdict: "not measured", because: NOT_MEASURED };
  const checks = ["drift", "full.drift"].map((key) => excess(held, free, key) < -1);
  const pair = (key: string) =>
    `${number(summaryAt(held, key).mean!)} against ${number(summaryAt(free, key).mean!)}`;
  return {
    claim,
    verdict: verdictOfChecks(checks),
    because: `Mean |Ê − E|/E over 10 s: ${pair("drift")} at equal one-step error, ${pair("full.drift")} after the whole budget. ${APART} Nothing in a cap knows of energy: less drift would be a better fit, not a law that is kept.`,
  };
}

function landing(results: StudyResults): FindingReport {
  const claim = "The landing loop is stable with spectral normalization where it is not without.";
  const [free, held] = [runsOf(results, "landing", "none"), runsOf(results, "landing", "spectral")];
  if (free.length === 0 || held.length === 0)
    return { claim, verdict: "not measured", because: NOT_MEASURED };
  const share = (runs: readonly RunRecord[], key: string) => summaryAt(runs, key).mean!;
  const apart = ["landed", "full.landed"].map(
    (key) => share(held, key) >= STABLE && share(free, key) < STABLE,
  );
  return {
    claim,
    verdict: verdictOfChecks(apart),
    because: `Landed at equal one-step error: ${percentage(share(held, "landed"))} against ${percentage(share(free, "landed"))}; after the whole budget ${percentage(share(held, "full.landed"))} against ${percentage(share(free, "full.landed"))}. At equal one-step error every network has hardly begun to fit the noise; that is where stopping early helps without any cap.`,
  };
}

/** A loop that fails once in more than twenty landings is not called stable. */
const STABLE = 0.95;

function capAlone(results: StudyResults): FindingReport {
  const claim = "A cap on f makes the step x + h·f(x) a contraction.";
  const runs = results.cells.flatMap(({ experiment, variant, name }) =>
    name === "spectral" ? results.records(experiment, name, variant) : [],
  );
  const stretches = finite(runs.map(({ metrics }) => metricAt(metrics, "stretch")));
  if (stretches.length === 0) return { claim, verdict: "not measured", because: NOT_MEASURED };
  const least = Math.min(...stretches);
  const lost = runs.filter(({ metrics }) => (metricAt(metrics, "full.bounded100") ?? 1) < 1).length;
  return {
    claim,
    verdict: least < 1 ? "holds" : "does not hold",
    because: `The proved bound of the step, K = 1 + h·c, is above 1 for every c; the least is ${number(least)}. In ${lost} of ${runs.length} runs with a cap some roll-out left its bounds.`,
  };
}

function bounds(results: StudyResults): FindingReport {
  const claim = "The error of n steps is at most Δ·Σ Kⁱ, i < n, with K proved from the weights.";
  const details = results.cells.flatMap(({ experiment, variant, name }) =>
    results.records(experiment, name, variant),
  );
  const shares = details.flatMap((record) =>
    [curvesOf(record, "equal"), curvesOf(record, "full")].flatMap((curves) => {
      const found = curves?.bound;
      return found ? found.measured.map((value, i) => value / found.bound[i]) : [];
    }),
  );
  if (shares.length === 0) return { claim, verdict: "not measured", because: NOT_MEASURED };
  const most = shares.reduce((a, b) => Math.max(a, b), 0);
  return {
    claim,
    verdict: most <= 1 + ROUNDING ? "holds" : "does not hold",
    because: `In ${shares.length} measurements the error was at most ${number(most)} of its bound. Beyond some dozens of steps the bound says little: it grows as Kⁿ, whatever the errors do.`,
  };
}

/** Roll-outs are in float32, their bounds are not. */
const ROUNDING = 1e-2;

function number(value: number): string {
  return formatNumber(value, 3);
}

function percentage(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
