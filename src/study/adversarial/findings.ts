import { formatNumber } from "../../audit/format-number.ts";
import type { FindingReport } from "../schema.ts";
import { CLEAR, errorsAbove, finite, mean, metricAt } from "../statistics.ts";
import type { RunRecord, StudyResults } from "../study.ts";
import { verdictOf } from "../verdict.ts";
import { type ArmName, CRITICS } from "./arms.ts";
import type { PlanarDetail } from "./planar.ts";

/** Spectral normalization, by its cap. */
export const SPECTRAL: readonly ArmName[] = ["sn1", "sn2", "sn4"];
const SOFT: readonly ArmName[] = ["decay", "penalty"];
/** The modes of the grid that are asked for, and the share of high-quality samples. */
const AIM = { modes: 24, hq: 0.7 };
/** Modes from which a setting is usable, and the share that makes it more than a scatter of points. */
const USABLE = { modes: 20, hq: 0.5 };
/** Layers of the critic in the plane: its bound is the cap to this power. */
const LAYERS = 3;
/** A power iteration approaches a norm from below while the weight moves on. */
const LAG = 0.02;
/** What the mean over fresh points adds to a distance of 1, at most. */
const SAMPLING = 0.02;
/** A share of pictures that the classifier is sure of, from which digits are learnt at all. */
const LEGIBLE = 0.3;
/** A share of the true distance that counts as reaching it. */
const REACHED = 0.97;

type Found = Pick<FindingReport, "verdict" | "because">;
const OPEN: Found = { verdict: "not measured", because: "The arms it compares were not run." };
const ONE_SEED: Found = { verdict: "not measured", because: "One seed tells nothing apart." };
const APART = `Means within ${CLEAR} standard errors of their difference are not told apart.`;
const TOO_SHORT: Found = {
  verdict: "not measured",
  because: "The runs were too short: no arm that it compares has learnt what it is to learn.",
};

/** What the runs say of the claims made for spectral normalization in GANs. */
export function ganFindings(results: StudyResults): FindingReport[] {
  return [
    {
      claim: `With spectral normalization the generator finds ${AIM.modes} of the 25 modes or more, with ${percent(AIM.hq)} of its samples near one, at setting D.`,
      ...aim(results),
    },
    {
      claim: `It makes more of the settings A–F usable (${USABLE.modes} modes or more) than any other arm.`,
      ...usable(results),
    },
    { claim: "A cap of 1, as published, gives the critic all the slope it needs.", ...cap(results) },
    {
      claim:
        "The critic’s slope stays under the product of the caps while both networks train; without control it grows.",
      ...slope(results),
    },
    {
      claim: "Weight decay and a spectral penalty of the critic are no substitutes (setting D).",
      ...substitutes(results),
    },
    { claim: "It adds less to the time of a run than a gradient penalty.", ...cost(results) },
    { claim: "It helps whatever the loss (ring, setting D).", ...losses(results) },
    { claim: "It helps where there are no modes to lose (Swiss roll, setting D).", ...roll(results) },
    {
      claim:
        "The value of a critic, divided by its proved Lipschitz bound, is never above the true distance.",
      ...lowerBound(results),
    },
    {
      claim: "A critic with W/σ₁ and ReLU uses all of the slope it may have, and so finds the true distance.",
      ...known(results),
    },
    {
      claim:
        "On pictures, dividing by the norm of the reshaped kernel does as well as by that of the convolution.",
      ...digits(results),
    },
  ];
}

/** The mean of a metric over the runs that have it; null without runs. */
export function average(runs: readonly RunRecord[], key: string): number | null {
  return mean(finite(runs.map(({ metrics }) => metricAt(metrics, key))));
}

/** The variants of an experiment that were run, in the plan's order. */
export function variantsOf({ cells }: StudyResults, experiment: string): string[] {
  return [...new Set(cells.filter((cell) => cell.experiment === experiment).map(({ variant }) => variant))];
}

/** Modes and high quality of one cell; null where it was not run. */
function coverageAt(results: StudyResults, experiment: string, arm: string, variant: string) {
  const runs = results.records(experiment, arm, variant);
  const [modes, hq] = [average(runs, "modes"), average(runs, "hq")];
  return modes === null || hq === null ? null : { arm, modes, hq };
}

function coveragesAt(results: StudyResults, experiment: string, arms: readonly string[], variant: string) {
  return arms.flatMap((arm) => coverageAt(results, experiment, arm, variant) ?? []);
}

function said({ arm, modes, hq }: { arm: string; modes: number; hq: number }): string {
  return `${titleOf(arm)} ${formatNumber(modes, 3)} modes, ${percent(hq)}`;
}

function aim(results: StudyResults): Found {
  const spectral = coveragesAt(results, "grid", SPECTRAL, "D");
  if (spectral.length === 0) return OPEN;
  const over = (least: typeof AIM) =>
    spectral.some(({ modes, hq }) => modes >= least.modes && hq >= least.hq);
  const others = coveragesAt(results, "grid", ["none", "clip", "gp", "bjorck"], "D");
  return {
    verdict: over(AIM) ? "holds" : over(USABLE) ? "holds in part" : "does not hold",
    because: `${[...spectral, ...others].map(said).join("; ")}.`,
  };
}

function usable(results: StudyResults): Found {
  const settings = variantsOf(results, "grid");
  if (settings.length < 2) return { verdict: "not measured", because: "Fewer than two settings were run." };
  const counts = Object.keys(CRITICS).flatMap((arm) => {
    const found = settings.flatMap((setting) => coverageAt(results, "grid", arm, setting) ?? []);
    if (found.length < settings.length || found.length === 0) return [];
    const enough = found.filter(({ modes }) => modes >= USABLE.modes);
    return [{ arm, usable: enough.length, good: enough.filter(({ hq }) => hq >= USABLE.hq).length }];
  });
  const [own, others] = split(counts, ({ arm }) => SPECTRAL.includes(arm as ArmName));
  if (own.length === 0 || others.length === 0) return OPEN;
  const lead = (of: "usable" | "good") =>
    Math.max(...own.map((each) => each[of])) - Math.max(...others.map((each) => each[of]));
  const each = (of: "usable" | "good") =>
    counts.map((count) => `${titleOf(count.arm)} ${count[of]}`).join(", ");
  return {
    verdict: lead("usable") > 0 ? "holds" : lead("good") > 0 ? "holds in part" : "does not hold",
    because: `Usable, of ${settings.length}: ${each("usable")}. Points scattered over the whole square touch most modes as well; asking that ${percent(USABLE.hq)} of the samples lie near a mode too leaves: ${each("good")}. Spectral normalization is counted at the best of its three caps; the other arms have one strength each.`,
  };
}

function cap(results: StudyResults): Found {
  const found = coveragesAt(results, "grid", SPECTRAL, "D");
  const first = found.find(({ arm }) => arm === "sn1");
  if (first === undefined || found.length < 2) return OPEN;
  const best = Math.max(...found.map(({ hq }) => hq));
  if (best < USABLE.hq) return TOO_SHORT;
  return {
    verdict: first.hq >= 0.95 * best ? "holds" : first.hq >= 0.5 * best ? "holds in part" : "does not hold",
    because: `At D: ${found.map(said).join("; ")}. The cap that suits depends on how close to each other the modes are.`,
  };
}

function slope(results: StudyResults): Found {
  const shares = SPECTRAL.flatMap((arm) =>
    results
      .records("grid", arm)
      .flatMap((run) => finite(detailOf(run).upper).map((upper) => upper / capOf(arm) ** LAYERS)),
  );
  const free = results.records("grid", "none").map((run) => finite(detailOf(run).upper));
  const grown = mean(free.flatMap((uppers) => (uppers.length > 1 ? [uppers.at(-1)! / uppers[0]] : [])));
  if (shares.length === 0 || grown === null) return OPEN;
  const most = Math.max(...shares);
  const kept = most <= 1 + LAG;
  return {
    verdict: kept && grown > 1 ? "holds" : kept || grown > 1 ? "holds in part" : "does not hold",
    because: `In ${shares.length} looks at normalised critics the proved bound was at most ${formatNumber(most, 3)} times the product of the caps${most > 1 ? " (above 1 where the power iteration lagged behind)" : ""}. Without control it ended ${formatNumber(grown, 3)} times as high as it began.`,
  };
}

function substitutes(results: StudyResults): Found {
  const own = coveragesAt(results, "grid", SPECTRAL, "D");
  const soft = coveragesAt(results, "grid", SOFT, "D");
  if (own.length === 0 || soft.length === 0) return OPEN;
  const best = own.reduce((a, b) => (b.hq > a.hq ? b : a));
  if (Math.max(best.hq, ...soft.map(({ hq }) => hq)) < USABLE.hq) return TOO_SHORT;
  const runs = (arm: string) => results.records("grid", arm, "D");
  if (isSingle(runs(best.arm))) return ONE_SEED;
  const worse = soft.filter(({ arm }) =>
    ["hq", "modes"].some((key) => isClearlyAbove(runs(best.arm), runs(arm), key)),
  );
  return {
    verdict: verdictOf(worse.length, soft.length),
    because: `${[best, ...soft].map(said).join("; ")}. ${APART}`,
  };
}

function cost(results: StudyResults): Found {
  const times = Object.keys(CRITICS).flatMap((arm) => {
    const seconds = mean(results.records("grid", arm, "D").map((run) => run.seconds));
    return seconds === null ? [] : [{ arm, seconds }];
  });
  const penalty = times.find(({ arm }) => arm === "gp");
  const held = times.filter(({ arm }) => SPECTRAL.includes(arm as ArmName));
  if (penalty === undefined || held.length === 0) return OPEN;
  const less = held.filter(({ seconds }) => seconds < penalty.seconds);
  return {
    verdict: verdictOf(less.length, held.length),
    because: `Seconds for a run at D, proofs of bounds included, as measured while other runs were going on beside it: ${times.map(({ arm, seconds }) => `${titleOf(arm)} ${formatNumber(seconds, 3)}`).join(", ")}. What a step costs alone is in docs/performance.md.`,
  };
}

function losses(results: StudyResults): Found {
  const pairs = variantsOf(results, "ring").flatMap((loss) => {
    const [held, free] = [
      coverageAt(results, "ring", "sn2", loss),
      coverageAt(results, "ring", "none", loss),
    ];
    return held === null || free === null ? [] : [{ loss, held, free }];
  });
  if (pairs.length === 0) return OPEN;
  if (isSingle(results.records("ring", "sn2"))) return ONE_SEED;
  const helped = pairs.filter(({ loss }) => {
    const [held, free] = ["sn2", "none"].map((arm) => results.records("ring", arm, loss));
    const over = (more: readonly RunRecord[], less: readonly RunRecord[]) =>
      ["modes", "hq"].some((key) => isClearlyAbove(more, less, key));
    return over(held, free) && !over(free, held);
  });
  return {
    verdict: verdictOf(helped.length, pairs.length),
    because: `${pairs.map(({ loss, held, free }) => `${loss}: ${said(held)}; ${said(free)}`).join(". ")}. ${APART}`,
  };
}

function roll(results: StudyResults): Found {
  const found = Object.keys(CRITICS).flatMap((arm) => {
    const w1 = average(results.records("roll", arm), "w1");
    return w1 === null ? [] : [{ arm, w1 }];
  });
  const [held, free] = ["sn2", "none"].map((arm) => results.records("roll", arm));
  if (held.length === 0 || free.length === 0) return OPEN;
  if (isSingle(held)) return ONE_SEED;
  return {
    verdict: isClearlyAbove(free, held, "w1") ? "holds" : "does not hold",
    because: `Sliced W1 to the roll: ${found.map(({ arm, w1 }) => `${titleOf(arm)} ${formatNumber(w1, 3)}`).join(", ")}. ${APART}`,
  };
}

function lowerBound(results: StudyResults): Found {
  const runs = ["sn1", "bjorck"].flatMap((arm) => results.records("distance", arm));
  const values = finite(runs.map(({ metrics }) => metricAt(metrics, "certified")));
  if (values.length === 0) return OPEN;
  const most = Math.max(...values);
  return {
    verdict: most <= 1 + SAMPLING ? "holds" : "does not hold",
    because: `The true distance is 1 in every problem; the highest of ${values.length} values was ${formatNumber(most, 4)}, and chance in the points that judge accounts for up to ${SAMPLING}.`,
  };
}

function known(results: StudyResults): Found {
  const problems = variantsOf(results, "distance");
  const value = (arm: string, problem: string) => average(results.records("distance", arm, problem), "w1");
  const pairs = problems.flatMap((problem) => {
    const [relu, sorted] = [value("sn1", problem), value("bjorck", problem)];
    return relu === null || sorted === null ? [] : [{ problem, relu, sorted }];
  });
  if (pairs.length === 0) return OPEN;
  const reached = pairs.filter(({ relu }) => relu >= REACHED);
  const each = pairs.map(
    ({ problem, relu, sorted }) => `${problem} ${formatNumber(relu, 3)} against ${formatNumber(sorted, 3)}`,
  );
  return {
    verdict: verdictOf(reached.length, pairs.length),
    because: `Estimates of a distance of 1, W/σ₁ with ReLU against Björck with GroupSort: ${each.join("; ")}.`,
  };
}

function digits(results: StudyResults): Found {
  const fd = (arm: string, variant?: string) => average(results.records("digits", arm, variant), "fd");
  const [reshaped, operator] = [fd("sn1", "reshaped"), fd("sn1", "operator")];
  if (reshaped === null || operator === null) return OPEN;
  if ((average(results.records("digits", "sn1"), "hq") ?? 0) < LEGIBLE) return TOO_SHORT;
  const others = Object.keys(CRITICS).flatMap((arm) => {
    const own = SPECTRAL.includes(arm as ArmName) ? null : fd(arm);
    return own === null ? [] : [`${titleOf(arm)} ${formatNumber(own, 3)}`];
  });
  const floor = average(results.records("digits", "sn1"), "floor");
  const runs = (norm: string) => results.records("digits", "sn1", norm);
  if (isSingle(runs("reshaped"))) return ONE_SEED;
  return {
    verdict: isClearlyAbove(runs("reshaped"), runs("operator"), "fd") ? "does not hold" : "holds",
    because: `Digit-FD (lower is better): reshaped ${formatNumber(reshaped, 3)}, convolution ${formatNumber(operator, 3)}${others.map((each) => `, ${each}`).join("")}; real training digits have ${formatNumber(floor ?? 0, 3)}. ${APART}`,
  };
}

function isSingle(runs: readonly RunRecord[]): boolean {
  return runs.length < 2;
}

function isClearlyAbove(more: readonly RunRecord[], less: readonly RunRecord[], key: string): boolean {
  const values = (runs: readonly RunRecord[]) => runs.map(({ metrics }) => metricAt(metrics, key));
  return errorsAbove(values(more), values(less)) > CLEAR;
}

/** The detail of a game in the plane. */
export function detailOf({ detail }: RunRecord): PlanarDetail {
  return detail as unknown as PlanarDetail;
}

/** The cap of a spectral arm's layers. */
export function capOf(arm: ArmName): number {
  const { control } = CRITICS[arm];
  return control.kind === "spectralNorm" ? control.cap : 1;
}

export function titleOf(arm: string): string {
  return CRITICS[arm as ArmName].title;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}

function split<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
