import { ATTACK_STARTS } from "../network/attack.ts";
import type { CertifyReport, Violation } from "./certify-schema.ts";
import { formatCount, formatLower, formatNumber, formatUpper } from "./format-number.ts";

/** A share of points in percent, rounded down: 100 % is said of all only, and equal shares read alike. */
export function shareText(share: number, of: number): string {
  const decimals = of >= 1000 ? 2 : 1;
  const unit = 10 ** decimals;
  // The share is a whole number divided by `of`; rounding gives that number back.
  return `${(Math.floor((100 * unit * Math.round(share * of)) / of) / unit).toFixed(decimals)} %`;
}

/** One ε (0: unchanged) and the shares there, formatted. */
export interface AccuracyRow {
  readonly epsilon: number;
  readonly certified: string;
  /** Of the attacked points alone, where these are not all. */
  readonly certifiedSample: string | null;
  readonly attacked: string | null;
}

/** The accuracies at 0 and at every ε. */
export function accuracyRows(report: CertifyReport): AccuracyRow[] {
  const { points, attackedPoints, attackedSample, settings } = report;
  const sampled = attackedSample !== null && attackedPoints < points;
  const row = (epsilon: number, certified: number, sample: number, attacked: number): AccuracyRow => ({
    epsilon,
    certified: shareText(certified, points),
    certifiedSample: sampled ? shareText(sample, attackedPoints) : null,
    attacked: attackedSample === null ? null : shareText(attacked, attackedPoints),
  });
  const clean = attackedSample?.clean ?? 0;
  return [
    row(0, report.clean, clean, clean),
    ...settings.epsilons.map((epsilon) => {
      const key = String(epsilon);
      return row(
        epsilon,
        report.certified[key],
        attackedSample?.certified[key] ?? 0,
        report.attacked[key] ?? 0,
      );
    }),
  ];
}

/** The largest radius that at least this share (above 0) of the values have. */
export function radiusHeldBy(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => b - a);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

/** Radii by how many points have them. */
export function radiiSentence({ radii, points }: CertifyReport): string {
  const { values } = radii;
  if (!values.some((radius) => radius > 0)) return "none: no point has one above 0.";
  if (points === 1) return `${formatLower(values[0])}.`;
  const held = [0.75, 0.5, 0.25].map((share) => {
    const percent = `${100 * share} %`;
    return `${formatLower(radiusHeldBy(values, share))} for ${percent}`;
  });
  const largest = formatLower(values.reduce((a, b) => Math.max(a, b)));
  return `at least ${held.join(", ")} of the points; largest ${largest}.`;
}

/** What is known of the network as a whole, and what the radii rest on. */
export function boundSentence({ lipschitz, settings }: CertifyReport): string {
  const { lower, upper, guarantee, method } = lipschitz;
  const how = method === "product" ? "the product of its steps" : "ECLipsE-Fast";
  const global =
    upper === null
      ? "No finite Lipschitz constant over all inputs."
      : `Lipschitz constant ${lower > 0 ? `at least ${formatLower(lower)} and ` : ""}at most ${formatUpper(upper)} over all inputs (${guarantee}, by ${how}).`;
  const rests =
    settings.bound === "global"
      ? "A radius is the smallest margin over the constant of that pair of classes."
      : "Radii use bounds of the ball of each ε around each point too.";
  return `${global} ${rests}`;
}

/** How the attack searched and whether a certificate fell. */
export function attackSentence({
  settings,
  attackedPoints,
  attackedSample,
  points,
  violations,
}: CertifyReport): string {
  if (attackedSample === null) return "None was made, so nothing shows how far the radii are from the truth.";
  const right = Math.round(attackedSample.clean * attackedPoints);
  const which =
    attackedPoints < points ? `the first ${formatCount(attackedPoints)}` : `all ${formatCount(points)}`;
  if (right === 0) return `Of ${which} points none is classified as labelled, so none was attacked.`;
  const search = `PGD with ${settings.attackSteps} steps from ${ATTACK_STARTS} starts, on the ${formatCount(right)} right ones of ${which} points`;
  return violations === 0
    ? `${search}: none was changed inside its certified radius.`
    : `${search}: ${formatCount(violations)} changed inside their certified radius. The certificates are wrong.`;
}

/** What the radii promise. */
export function promiseSentence({ settings }: CertifyReport): string {
  const of = "Radii speak of the stored weights in real arithmetic and of changes strictly shorter (ℓ2)";
  return settings.guarantee === "proof"
    ? `${of}. They hold for certain, rounding errors of this computation included.`
    : `${of}. All hold together except with probability at most ${formatUpper(settings.failureProbability, 2)} over the random start.`;
}

/** `x · 0.003922 − 0.5`, or null where the network sees the data as they are. */
export function seenAs({ settings }: CertifyReport): string | null {
  const { scale, shift } = settings;
  if (scale === 1 && shift === 0) return null;
  const product = scale === 1 ? "x" : `x · ${formatNumber(scale)}`;
  if (shift === 0) return product;
  return `${product} ${shift < 0 ? "−" : "+"} ${formatNumber(Math.abs(shift))}`;
}

/** One sentence about a certificate that an attack contradicts. */
export function violationSentence({ label, predicted, distance, radius }: Violation): string {
  // Enough digits to see that the one is smaller.
  const digits = Math.min(17, Math.max(4, 2 - Math.floor(Math.log10((radius - distance) / radius))));
  return `a change of length ${formatUpper(distance, digits)} turns class ${label} into class ${predicted}, inside the certified radius ${formatLower(radius, digits)}`;
}

/** What to do about violations. */
export function violationAdvice({ settings }: CertifyReport): string {
  const chance =
    settings.guarantee === "proof"
      ? ""
      : ` Chance explains it with probability at most ${formatUpper(settings.failureProbability, 2)} only.`;
  return `This is a defect in lipschitz: trust none of these radii, and report it with the model, the data and --seed ${settings.seed}.${chance}`;
}
