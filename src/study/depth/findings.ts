import { formatNumber, formatUpper } from "../../audit/format-number.ts";
import type { FindingReport } from "../schema.ts";
import type { StudyResults } from "../study.ts";
import { ARMS, deepest, type LayerDetail, meanAt, variantOf } from "./arms.ts";

const EXPERIMENTS_WITH_LAYERS = ["start", "digits", "regression"];
/** What rounding to float64 can add to a ratio of 1, for outputs near 1 and a change of 1e-6. */
const ROUNDING = 1e-8;
/** Better than any constant answer by far. */
const LEARNT = 0.5;
/** A gradient this share of the last layer's still trains the first. */
const ALIVE = 0.01;

/** What the runs say of each claim. */
export function findings(results: StudyResults): FindingReport[] {
  return [explosion(results), cascade(results), training(results), vanishing(results), rates(results)];
}

const NOT_MEASURED = "The arms it compares were not run.";

function explosion(results: StudyResults): FindingReport {
  const claim =
    "Without control a small change grows exponentially with depth; with spectral normalization it does not.";
  const value = (arm: string) => meanAt(results, "start", arm, "steep", "growth");
  const [free, held] = [value("none"), value("spectral")];
  if (free === null || held === null) return { claim, verdict: "not measured", because: NOT_MEASURED };
  const verdict = held <= 1 ? (free > 100 ? "holds" : "holds in part") : "does not hold";
  return {
    claim,
    verdict,
    because: `A change of 10⁻⁶ leaves the last hidden layer ${number(free)} times as long without control and ${number(held)} times as long with it (${variantOf(deepest(results, "start"), "steep")}).`,
  };
}

function cascade(results: StudyResults): FindingReport {
  const claim = "The product of the layers’ spectral norms bounds what the network does to a change.";
  const runs = ARMS.flatMap(({ name }) =>
    EXPERIMENTS_WITH_LAYERS.flatMap((each) => results.records(each, name)),
  );
  const pairs = runs.flatMap(({ detail }) => {
    const { growth, bound } = detail as unknown as LayerDetail;
    return growth.map((value, l) => value / bound[l]);
  });
  if (pairs.length === 0) return { claim, verdict: "not measured", because: NOT_MEASURED };
  const most = pairs.reduce((a, b) => Math.max(a, b), 0);
  const least = pairs.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  return {
    claim,
    verdict: most <= 1 + ROUNDING ? "holds" : "does not hold",
    because: `In ${pairs.length} measurements the change was never more than ${formatUpper(most, 7)} of its bound. The bound is loose: it was as little as ${number(least)} of it.`,
  };
}

function training(results: StudyResults): FindingReport {
  const claim = "Spectral normalization makes very deep networks trainable.";
  const value = (arm: string) => meanAt(results, "digits", arm, "steep", "accuracy");
  const [free, held] = [value("none"), value("spectral")];
  if (free === null || held === null) return { claim, verdict: "not measured", because: NOT_MEASURED };
  const said = ARMS.flatMap(({ name, title }) => {
    const share = value(name);
    return share === null ? [] : [`${title} ${percentage(share)}`];
  });
  const verdict = held < LEARNT ? "does not hold" : held > free ? "holds" : "holds in part";
  return {
    claim,
    verdict,
    because: `Test accuracy on digits, ${variantOf(deepest(results, "digits"), "steep")}: ${said.join(", ")}.`,
  };
}

function vanishing(results: StudyResults): FindingReport {
  const claim = "Bounding the largest singular value keeps gradients alive as well.";
  const value = (arm: string) => meanAt(results, "start", arm, "he", "gradientRatio");
  const held = value("spectral");
  if (held === null) return { claim, verdict: "not measured", because: NOT_MEASURED };
  const share = held === 0 ? "is 0 in float32" : `is ${number(held)} of that at the last one`;
  const orthonormal = value("orthonormal");
  const other =
    orthonormal === null
      ? ""
      : ` Where every singular value is 1 and the activation keeps lengths, it is ${number(orthonormal)}.`;
  return {
    claim,
    verdict: held >= ALIVE ? "holds" : "does not hold",
    because: `Under W/σ₁ with ReLU the gradient at the first layer ${share} (${deepest(results, "start")} layers): σ₁ is at most 1, all other singular values are below it, and the product vanishes.${other}`,
  };
}

function rates(results: StudyResults): FindingReport {
  const claim = "Controlled networks stand larger learning rates.";
  const largest = (arm: string): number | null => {
    const cells = results.cells.filter((cell) => cell.experiment === "rates" && cell.name === arm);
    const kept = cells.filter((cell) => cell.runs.every(({ diverged }) => diverged === 0));
    const standing = kept.map(({ setting }) => setting.rate as number);
    return cells.length === 0 ? null : Math.max(0, ...standing);
  };
  const [free, held] = [largest("none"), largest("spectral")];
  if (free === null || held === null) return { claim, verdict: "not measured", because: NOT_MEASURED };
  const said = ARMS.flatMap(({ name, title }) => {
    const rate = largest(name);
    return rate === null ? [] : [`${title} ${rate === 0 ? "none" : rate}`];
  });
  return {
    claim,
    verdict: held > free ? "holds" : "does not hold",
    because: `The largest rate of SGD with momentum at which no run of 20 layers diverged: ${said.join(", ")}. Standing a rate is not learning with it.`,
  };
}

function number(value: number): string {
  return formatNumber(value, 2);
}

function percentage(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
