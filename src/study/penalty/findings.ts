import { formatNumber } from "../../audit/format-number.ts";
import type { CellReport, FindingReport } from "../schema.ts";
import { CLEAR, errorsAbove, finite, metricAt, summarize } from "../statistics.ts";
import type { StudyResults } from "../study.ts";
import { verdictOfChecks } from "../verdict.ts";

/** Flow errors below this share of σ₁ count as equal: gradient descent takes steps. */
const EQUAL = 0.02;
const LAYERS = ["first", "second"] as const;
const BATCHES = ["batch 16", "batch 512"] as const;
const NAMES: Readonly<Record<string, string>> = {
  none: "without",
  decay: "weight decay",
  spectral: "spectral penalty",
  top: "penalty on several",
  sn: "spectral normalization",
};
const CONTROLLED = ["decay", "spectral", "top", "sn"] as const;

/** What the runs say of each claim; see `penalty`. */
export function findingsOf(results: StudyResults): FindingReport[] {
  return [
    alone(results),
    levelled(results),
    tail(results),
    stableRank(results),
    gap(results),
    accuracy(results),
    steepness(results),
  ];
}

function alone({ cells }: StudyResults): FindingReport {
  const claim =
    "By itself, weight decay shrinks all singular values by one factor, while a spectral penalty lowers the largest until they meet the next and leaves the rest alone.";
  const own = cells.filter(({ experiment }) => experiment === "proximal");
  const errors = own.map((cell) => ({ cell, last: lastError(cell, "flowError") }));
  const measured = errors.filter(({ last }) => last !== null);
  const arms = new Set(measured.map(({ cell }) => cell.name));
  if (!arms.has("decay") || !arms.has("spectral")) return unmeasured(claim);
  const worst = Math.max(...measured.map(({ last }) => last!.error));
  const maps = finite(own.map((cell) => lastError(cell, "mapError")?.error));
  const because = `Gradient descent of ${measured[0].last!.steps} steps ends within ${percent(worst)} of σ₁ of the exact flow for each of ${measured.length} penalties, and with ½‖X − W‖² added within ${percent(Math.max(0, ...maps))} of the exact proximal map.`;
  return { claim, verdict: worst <= EQUAL ? "holds" : "does not hold", because };
}

/** Of the longest descent. */
function lastError(cell: CellReport, key: string): { steps: string; error: number } | null {
  const cases = cell.summary[key];
  const longest = Object.keys(cases ?? {}).filter((steps) => Number(steps) > 0);
  const steps = longest.sort((a, b) => Number(a) - Number(b)).pop();
  const error = steps === undefined ? null : meanOf(cell, `${key}.${steps}`);
  return steps === undefined || error === null ? null : { steps, error };
}

function levelled(results: StudyResults): FindingReport {
  return byLayer(results, {
    claim: "In training, the spectral penalty levels the top of the spectrum; weight decay does not.",
    key: "level",
    say: (layer, spectral, decay) =>
      `${layer} layer: ${spectral} singular values within a tenth of σ₁ with the penalty, ${decay} with decay`,
  });
}

function tail(results: StudyResults): FindingReport {
  return byLayer(results, {
    claim: "In training, the spectral penalty keeps the tail that weight decay takes away.",
    key: "tail",
    say: (layer, spectral, decay) =>
      `${layer} layer: the median singular value ends at ${spectral} with the penalty, at ${decay} with decay`,
  });
}

function stableRank(results: StudyResults): FindingReport {
  const sigmas = (arm: string) => {
    const cell = cellOf(results, "spectra", arm);
    return LAYERS.map((layer) => (cell ? number(meanOf(cell, `sigma.${layer}`)) : "–")).join(" and ");
  };
  return byLayer(results, {
    claim: "At about the same σ₁, weights under the spectral penalty have the higher stable rank.",
    key: "stableRank",
    say: (layer, spectral, decay) => `${layer} layer: ${spectral} with the penalty, ${decay} with decay`,
    after: () =>
      ` σ₁ of the two layers: ${sigmas("spectral")} with the penalty, ${sigmas("decay")} with decay.`,
  });
}

interface LayerQuestion {
  readonly claim: string;
  readonly key: string;
  readonly say: (layer: string, spectral: string, decay: string) => string;
  readonly after?: () => string;
}

/** Whether a number is larger under the spectral penalty than under weight decay, in both hidden layers. */
function byLayer(results: StudyResults, { claim, key, say, after }: LayerQuestion): FindingReport {
  const spectral = cellOf(results, "spectra", "spectral");
  const decay = cellOf(results, "spectra", "decay");
  if (spectral === undefined || decay === undefined) return unmeasured(claim);
  const layers = LAYERS.map((layer) => {
    const [more, less] = [spectral, decay].map((cell) => valuesOf(cell, `${key}.${layer}`));
    return { isMore: errorsAbove(more, less) > CLEAR, said: say(layer, spread(more), spread(less)) };
  });
  const because = `${capital(layers.map(({ said }) => said).join("; "))}.${after?.() ?? ""}`;
  return { claim, verdict: verdictOfChecks(layers.map(({ isMore }) => isMore)), because };
}

function gap(results: StudyResults): FindingReport {
  const claim = "Each way of keeping weights small narrows the gap between training and test accuracy.";
  return byBatch(results, claim, "none", [...CONTROLLED], (free, held) => {
    const better = held.map((cell) => errorsAbove(valuesOf(free, "gap"), valuesOf(cell, "gap")) > CLEAR);
    const said = [free, ...held].map((cell) => `${NAMES[cell.name]} ${shares(valuesOf(cell, "gap"))}`);
    return { better, said: `gap in % ${said.join(", ")}` };
  });
}

function accuracy(results: StudyResults): FindingReport {
  const claim = "The spectral penalty generalises better than weight decay.";
  return byBatch(results, claim, "decay", ["spectral"], (decay, [spectral]) => ({
    better: [errorsAbove(valuesOf(spectral, "test"), valuesOf(decay, "test")) > CLEAR],
    said: `test accuracy in % ${shares(valuesOf(spectral, "test"))} with the penalty, ${shares(valuesOf(decay, "test"))} with decay${
      errorsAbove(valuesOf(decay, "test"), valuesOf(spectral, "test")) > CLEAR ? " (decay is better)" : ""
    }`,
  }));
}

function steepness(results: StudyResults): FindingReport {
  const claim =
    "At its best accuracy, the network under the spectral penalty has the smaller Lipschitz bound.";
  return byBatch(results, claim, "decay", ["spectral"], (decay, [spectral]) => ({
    better: [errorsAbove(valuesOf(decay, "lipschitz"), valuesOf(spectral, "lipschitz")) > CLEAR],
    said: `product of the layers’ σ₁ (proof) at most ${spread(valuesOf(spectral, "lipschitz"))} with the penalty, ${spread(valuesOf(decay, "lipschitz"))} with decay`,
  }));
}

interface Compared {
  readonly better: readonly boolean[];
  readonly said: string;
}

/** Compares arms with one other at every batch size of which all are there. */
function byBatch(
  results: StudyResults,
  claim: string,
  base: string,
  arms: readonly string[],
  compare: (base: CellReport, arms: readonly CellReport[]) => Compared,
): FindingReport {
  const compared = BATCHES.flatMap((batch) => {
    const found = [base, ...arms].map((arm) => cellOf(results, "generalisation", arm, batch));
    if (found[0] === undefined || found.slice(1).every((cell) => cell === undefined)) return [];
    const { better, said } = compare(
      found[0],
      found.slice(1).filter((cell) => cell !== undefined),
    );
    return [{ better, said: `${batch}: ${said}` }];
  });
  if (compared.length === 0) return unmeasured(claim);
  const because = `${capital(compared.map(({ said }) => said).join("; "))}.`;
  return { claim, verdict: verdictOfChecks(compared.flatMap(({ better }) => better)), because };
}

function unmeasured(claim: string): FindingReport {
  return { claim, verdict: "not measured", because: "Runs of the arms it speaks of are missing." };
}

function cellOf(
  { cells }: StudyResults,
  experiment: string,
  arm: string,
  variant = "",
): CellReport | undefined {
  return cells.find(
    (cell) => cell.experiment === experiment && cell.name === arm && cell.variant === variant,
  );
}

function valuesOf({ runs }: CellReport, key: string): number[] {
  return finite(runs.map(({ seed: _seed, seconds: _seconds, ...metrics }) => metricAt(metrics, key)));
}

function meanOf(cell: CellReport, key: string): number | null {
  return summarize(valuesOf(cell, key)).mean;
}

function spread(values: readonly number[]): string {
  const { mean, std } = summarize(values);
  return mean === null ? "–" : `${formatNumber(mean, 3)} ± ${formatNumber(std ?? 0, 2)}`;
}

function shares(values: readonly number[]): string {
  const { mean, std } = summarize(values);
  return mean === null ? "–" : `${(100 * mean).toFixed(1)} ± ${(100 * (std ?? 0)).toFixed(1)}`;
}

function percent(share: number): string {
  return `${formatNumber(100 * share, 2)} %`;
}

function number(value: number | null): string {
  return value === null ? "–" : formatNumber(value, 3);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
