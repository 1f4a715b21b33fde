import { summaryOf } from "../cells.ts";
import type { CellReport, FindingReport } from "../schema.ts";
import { finite, metricAt } from "../statistics.ts";
import type { StudyResults } from "../study.ts";
import { verdictOfChecks } from "../verdict.ts";

/** Networks that every arm trains, with the names of their experiments. */
const NETWORKS = [
  ["mlp", "the MLP"],
  ["conv", "the convolutional network"],
] as const;

/** Mean and standard deviation of one number of one cell. */
interface Measured {
  readonly mean: number;
  readonly std: number;
  readonly count: number;
}

function measured(cell: CellReport | undefined, key: string): Measured | null {
  const summary = cell && summaryOf(cell, { key, title: "" });
  if (summary === undefined || summary.mean === null) return null;
  return { mean: summary.mean, std: summary.std ?? 0, count: summary.count };
}

function cellOf({ cells }: StudyResults, experiment: string, arm: string): CellReport | undefined {
  return cells.find((cell) => cell.experiment === experiment && cell.name === arm);
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const spread = ({ mean: centre, std, count }: Measured) =>
  count < 2 ? percent(centre) : `${(100 * centre).toFixed(1)} ± ${percent(std)}`;

/** Whether the difference of the means is more than both standard deviations together. */
function clearlyAbove(a: Measured, b: Measured): boolean {
  return a.mean - b.mean > a.std + b.std;
}

/** What the runs say of each claim. */
export function robustFindings(results: StudyResults): FindingReport[] {
  return [
    finding(
      "Spectral normalization certifies more digits than no control at all.",
      compareArms(results, "sn", "plain", "certified.0.3", "certified at 0.3"),
    ),
    finding(
      "It also withstands attacks better: what is gained is not only provable.",
      compareArms(results, "sn", "plain", "attacked.1.58", "right under attack at 1.58"),
    ),
    decayIsNoSubstitute(results),
    finding(
      "Dividing by σ₁ while training does more than cutting weights back after each step.",
      compareArms(results, "sn", "gouk", "certified.0.3", "certified at 0.3"),
    ),
    finding(
      "Orthonormal layers (Björck) certify more than layers that are only divided by σ₁.",
      compareArms(results, "bjorck", "sn", "certified.1.58", "certified at 1.58"),
    ),
    finding(
      "With the same orthonormal layers the loss decides how far certificates reach: HKR certifies more at 1.58 than the hinge.",
      compareArms(results, "hkr", "bjorck", "certified.1.58", "certified at 1.58"),
    ),
    marginTradesAccuracy(results),
    reaches(
      results,
      "One setting classifies at least 96 % of the test digits, with 92 % certified at 0.3 and 36 % at 1.58.",
      {
        clean: 0.96,
        "certified.0.3": 0.92,
        "certified.1.58": 0.36,
      },
    ),
    reaches(results, "One setting certifies at least 44 % at 1.58 and classifies 94 %.", {
      clean: 0.94,
      "certified.1.58": 0.44,
    }),
    nothingBroken(results),
  ];
}

/** Compares two arms by one number in each network that has both. */
function compareArms(results: StudyResults, better: string, worse: string, key: string, words: string) {
  return NETWORKS.flatMap(([experiment, network]) => {
    const above = measured(cellOf(results, experiment, better), key);
    const below = measured(cellOf(results, experiment, worse), key);
    if (above === null || below === null) return [];
    const text = `${network}: ${words} ${spread(above)} against ${spread(below)}`;
    return [{ holds: clearlyAbove(above, below), text }];
  });
}

function finding(
  claim: string,
  checks: readonly { readonly holds: boolean; readonly text: string }[],
): FindingReport {
  const because =
    checks.length === 0 ? "These arms were not run." : sentence(checks.map(({ text }) => text).join("; "));
  return { claim, verdict: verdictOfChecks(checks.map(({ holds }) => holds)), because };
}

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

/** The most that any strength of weight decay reaches, in the main runs and along the frontier. */
function decayIsNoSubstitute(results: StudyResults): FindingReport {
  const keys = [
    ["certified.0.3", "certified at 0.3"],
    ["attacked.1.58", "right under attack at 1.58"],
  ] as const;
  const checks = NETWORKS.flatMap(([experiment, network]) =>
    keys.flatMap(([key, words]) => {
      const ours = measured(cellOf(results, experiment, "sn"), key);
      const places = experiment === "mlp" ? [experiment, "frontier"] : [experiment];
      const decays = results.cells
        .filter((cell) => cell.name === "decay" && places.includes(cell.experiment))
        .flatMap((cell) => measured(cell, key) ?? []);
      if (ours === null || decays.length === 0) return [];
      const best = decays.reduce((top, each) => (each.mean > top.mean ? each : top));
      const text = `${network}: ${words} ${spread(ours)} against ${spread(best)} with the best weight decay`;
      return [{ holds: clearlyAbove(ours, best), text }];
    }),
  );
  return finding("Weight decay does not do the same.", checks);
}

/** From the smallest margin to the largest, in each arm with a frontier of margins. */
function marginTradesAccuracy(results: StudyResults): FindingReport {
  const arms = [
    ["sn", "W/σ₁"],
    ["bjorck", "Björck"],
  ] as const;
  const checks = arms.flatMap(([arm, title]) => {
    const cells = frontierOf(results, arm, "margin");
    const ends = [cells.at(0), cells.at(-1)].map((cell) => ({
      clean: measured(cell, "clean"),
      far: measured(cell, "certified.1.58"),
    }));
    const [{ clean: c0, far: f0 }, { clean: c1, far: f1 }] = ends;
    if (cells.length < 2 || c0 === null || c1 === null || f0 === null || f1 === null) return [];
    const text = `${title}: from ${cells[0].variant} to ${cells.at(-1)!.variant} clean accuracy goes from ${percent(c0.mean)} to ${percent(c1.mean)}, certified at 1.58 from ${percent(f0.mean)} to ${percent(f1.mean)}`;
    return [{ holds: clearlyAbove(c0, c1) && clearlyAbove(f1, f0), text }];
  });
  return finding(
    "Certificates are paid for with accuracy: a larger margin buys radius and costs correct digits.",
    checks,
  );
}

/** The cells of one kind along the frontier, in the plan's order. */
function frontierOf({ cells }: StudyResults, arm: string, kind: string): CellReport[] {
  return cells.filter(
    (cell) => cell.experiment === "frontier" && cell.name === arm && cell.variant.startsWith(`${kind} `),
  );
}

/** Whether the mean of one cell reaches every number asked for; the nearest cell is named. */
function reaches(
  results: StudyResults,
  claim: string,
  asked: Readonly<Record<string, number>>,
): FindingReport {
  const tried = results.cells.flatMap((cell) => {
    const values = Object.entries(asked).map(([key, least]) => ({
      key,
      least,
      value: measured(cell, key)?.mean ?? null,
    }));
    if (values.some(({ value }) => value === null)) return [];
    const short = values.reduce((sum, { value, least }) => sum + Math.max(0, least - value!), 0);
    const met = values.filter(({ value, least }) => value! >= least).length;
    return [{ cell, values, short, met }];
  });
  if (tried.length === 0) return { claim, verdict: "not measured", because: "No run has these numbers." };
  const best = tried.reduce((top, each) => (each.short < top.short ? each : top));
  const numbers = best.values.map(
    ({ key, value }) => `${key.replace("certified.", "certified at ")} ${percent(value!)}`,
  );
  const name = [best.cell.experiment, best.cell.name, best.cell.variant]
    .filter((part) => part !== "")
    .join(" · ");
  const all = best.met === best.values.length;
  const count = best.cell.runs.length;
  const seeds = count === 1 ? "one seed" : `${count} seeds`;
  return {
    claim,
    verdict: all ? "holds" : best.met > 0 ? "holds in part" : "does not hold",
    because: `${all ? "Met by" : "The nearest is"} ${name} (mean of ${seeds}): ${numbers.join(", ")}.`,
  };
}

function nothingBroken({ cells }: StudyResults): FindingReport {
  const counts = cells.flatMap((cell) => finite(cell.runs.map((run) => metricAt(run, "violations"))));
  const broken = counts.reduce((sum, count) => sum + count, 0);
  return {
    claim: "No attack gets inside a certified radius.",
    verdict: counts.length === 0 ? "not measured" : broken === 0 ? "holds" : "does not hold",
    because:
      counts.length === 0
        ? "Nothing was attacked."
        : `${broken} violations in ${counts.length} networks; every attacked point was also attacked within its own certified radius.`,
  };
}
