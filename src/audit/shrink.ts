import type { TensorEntry } from "../formats/model.ts";
import type { AnalyzeOptions } from "../linalg/analyze.ts";
import { mulUp } from "../linalg/rounding.ts";
import type { WeightUse } from "../network/use.ts";
import { clippedContent } from "./clipped.ts";
import { type Content, floatTypeOf } from "./content.ts";
import type { Engine } from "./engine.ts";
import { formatInterval, formatNumber } from "./format-number.ts";
import type { WeightGroup } from "./groups.ts";
import { type Measurement, measureUse, unionBound } from "./measure.ts";
import { looseProofReason, nonFiniteMessage } from "./problems.ts";
import { isCoarse, type Rounding, scaledContent } from "./scaled.ts";
import { deriveSeed } from "./seeds.ts";
import { analyzeOptions, type Settings } from "./settings.ts";

export type NormalizeMethod = "divide" | "cap" | "clip";

/** Attempts to land in the promised interval; their chances of failure add up, so the number is fixed beforehand. */
export const ATTEMPTS = 12;

/** `divide` at work: after rounding, the lower bound reaches this share of the target. */
const REACHED = { dense: 0.999, convolution: 0.95 };

/** `divide` that raises a layer by less is no surprise: σ was at the target already. */
const WORTH_SAYING = 1.01;

/** What measuring and searching need to know. */
export interface ShrinkContext {
  readonly engine: Engine;
  readonly settings: Settings;
  /** A use's place in the model's plan: it names the use's random start. */
  readonly indexOf: (use: WeightUse) => number;
  /** Bytes of clipped weights that may be kept until they are written; larger ones are computed again. */
  keepBytes: number;
  /** Per use measured so far, the largest failure probability of one attempt: `measureGroup` adds to it. */
  readonly attemptChances: Map<WeightUse, number>;
  /** Called with bytes newly processed. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** A weight's measurements, in the order of its uses, and which attempt's random start they were made with. */
export interface GroupMeasurement {
  readonly measurements: readonly Measurement[];
  readonly attempt: number;
  /** Largest over the uses; null when one has no finite upper bound. */
  readonly upper: number | null;
  readonly lower: number;
}

/** What becomes of one weight. */
export interface Change {
  readonly group: WeightGroup;
  readonly before: GroupMeasurement;
  readonly after: GroupMeasurement;
  /** The new elements; undefined when the weight stays as it is. */
  readonly content?: Content;
  /** Common factor of the elements; null when they were clipped. */
  readonly factor: number | null;
  readonly warnings: readonly string[];
  /** Why the promise is not kept; undefined when it is. */
  readonly failure?: string;
}

/** Measures every use of a weight on some content, each with a random start of its own. */
export async function measureGroup(
  context: ShrinkContext,
  group: WeightGroup,
  content: Content,
  attempt: number,
): Promise<GroupMeasurement> {
  const measurements: Measurement[] = [];
  for (const use of group.uses) {
    const options = attemptOptions(context, use, attempt);
    const measurement = await measureUse(context.engine, use, content, options);
    measurements.push(measurement);
    const chance = Math.max(context.attemptChances.get(use) ?? 0, measurement.failureProbability);
    context.attemptChances.set(use, chance);
  }
  const uppers = measurements.map((m) => m.sigma?.upper ?? null);
  const finite = uppers.every((upper): upper is number => upper !== null && Number.isFinite(upper));
  return {
    measurements,
    attempt,
    upper: finite ? uppers.reduce((a, b) => Math.max(a, b), 0) : null,
    lower: measurements.reduce((best, m) => Math.max(best, m.sigma?.lower ?? 0), 0),
  };
}

/**
 * The chance that any upper bound of any attempt is too small. How many attempts a weight needs depends on what the
 * earlier ones found, so all that could have been made are counted.
 */
export function failureProbability(context: ShrinkContext): number {
  const uses = [...context.attemptChances.values()];
  return uses.map((chance) => (chance === 0 ? 0 : mulUp(ATTEMPTS, chance))).reduce(unionBound, 0);
}

function attemptOptions(context: ShrinkContext, use: WeightUse, attempt: number): AnalyzeOptions {
  const { settings, onBytes } = context;
  const options = analyzeOptions(settings, deriveSeed(settings.seed, context.indexOf(use), attempt));
  return {
    ...options,
    failureProbability: settings.failureProbability / ATTEMPTS,
    ...(onBytes === undefined ? {} : { onProgress: onBytes }),
  };
}

/** Brings one weight to the target: every use's upper bound ≤ `to` after rounding to the file's type. */
export async function shrinkGroup(
  context: ShrinkContext,
  group: WeightGroup,
  to: number,
  method: NormalizeMethod,
): Promise<Change> {
  const before = await measureGroup(context, group, group.entries[0]!, 0);
  const same = { group, before, after: before, factor: 1, warnings: [] };
  const { upper } = before;
  if (before.measurements.some((m) => !m.finite)) {
    return { ...same, failure: nonFiniteMessage(group.entries[0]!, group.uses[0]!.name) };
  }
  if (upper === null) return { ...same, failure: "no finite upper bound is known, so none can be promised" };
  if (upper === 0) return { ...same, warnings: ["the weight is zero and stays zero"] };
  if (method !== "divide" && upper <= to) return same;
  return method === "clip" ? clip(context, same, to) : scale(context, same, upper, to, method);
}

/** Divide and cap: one factor for all elements, searched until the rounded result is inside the interval. */
async function scale(
  context: ShrinkContext,
  unchanged: Change,
  upper: number,
  to: number,
  method: "divide" | "cap",
): Promise<Change> {
  const { group, before } = unchanged;
  const entry = group.entries[0]!;
  const floor = method === "divide" ? to * reachedShare(context, group) : 0;
  let factor = (to / upper) * (1 - relativeGap(before));
  const loose = looseProof(group, before);
  // A bound this much too large stays so under any factor.
  if (loose !== null && before.lower * to < upper * floor) return { ...unchanged, failure: loose };
  const warnings =
    factor > WORTH_SAYING
      ? [`divide raises it by a factor of ${formatNumber(factor, 3)}; cap would leave it as it is`]
      : [];
  let last = before;
  for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
    if (!(factor > 0 && Number.isFinite(factor))) break;
    const content = scaledContent(entry, factor, roundingOf(group, attempt));
    const after = await measureGroup(context, group, content, attempt);
    if (vanished(before, after)) return { ...unchanged, warnings, failure: vanishedMessage(entry) };
    if (after.upper !== null && after.upper <= to && after.lower >= floor) {
      return { group, before, after, content, factor, warnings };
    }
    last = after;
    factor = after.upper === null ? Number.NaN : (factor * to * shy(attempt, floor > 0)) / after.upper;
  }
  const failure = looseProof(group, last) ?? missed(last, to, floor, entry.dtype);
  return { ...unchanged, warnings, failure };
}

/** The rounding of an attempt: to nearest first, then dithered where the type is coarse. */
export function roundingOf(group: WeightGroup, attempt: number): Rounding {
  const coarse = isCoarse(floatTypeOf(group.entries[0]!));
  return coarse && attempt > ATTEMPTS / 3 ? "dithered" : "nearest";
}

/**
 * How far below the target an attempt aims. With a floor to stay above, in small steps; without one, ever faster, so
 * that even a type whose numbers are 25 % apart gets under the target.
 */
function shy(attempt: number, floored: boolean): number {
  return 1 - 5e-5 * (floored ? attempt : 2 ** attempt);
}

function relativeGap({ lower, upper }: GroupMeasurement): number {
  return upper === null || upper === 0 ? 0 : Math.min(1e-4, Math.max(1e-7, (upper - lower) / upper));
}

/** Convolutions are promised a lower bound at `proof` only; with an unknown input size there may be none. */
function reachedShare(context: ShrinkContext, group: WeightGroup): number {
  const convolution = group.uses.some((use) => use.layout.kind === "convolution");
  if (!convolution) return REACHED.dense;
  return context.settings.guarantee === "proof" ? REACHED.convolution : 0;
}

/** Clip: singular values above the target become the target; a rounding that pushes σ over it clips lower. */
async function clip(context: ShrinkContext, unchanged: Change, to: number): Promise<Change> {
  const { group, before } = unchanged;
  const use = group.uses[0]!;
  const largestScale = group.uses.reduce((s, u) => Math.max(s, Math.abs(u.scale ?? 1)), 0);
  // Aimed a gap's width below, so that the first upper bound, too, is under the target.
  let ceiling = (to / largestScale) * (1 - 1.2e-4);
  let last = before;
  for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
    const content = clippedContent(use, ceiling, context.settings.memory);
    const after = await measureGroup(context, group, content, attempt);
    if (vanished(before, after)) return { ...unchanged, failure: vanishedMessage(group.entries[0]!) };
    if (after.upper !== null && after.upper <= to) {
      const kept = keep(context, use, content) ?? clippedContent(use, ceiling, context.settings.memory);
      return { group, before, after, content: kept, factor: null, warnings: [] };
    }
    last = after;
    if (after.upper === null) break;
    ceiling *= (to / after.upper) * shy(attempt, false);
  }
  const failure = looseProof(group, last) ?? missed(last, to, 0, group.entries[0]!.dtype);
  return { ...unchanged, failure };
}

/** True when rounding left nothing of a weight that was not zero: the target is kept, the layer is lost. */
export function vanished(before: GroupMeasurement, after: GroupMeasurement): boolean {
  return (
    before.measurements.some((m) => m.frobenius > 0) && after.measurements.every((m) => m.frobenius === 0)
  );
}

export function vanishedMessage({ dtype }: TensorEntry): string {
  return `it rounds to zero in ${dtype}: the target is below the numbers that the type can hold`;
}

/** The content with its computed bytes, while there is room for them. */
function keep(context: ShrinkContext, use: WeightUse, content: Content): Content | null {
  if (use.weight.byteLength > context.keepBytes) return null;
  context.keepBytes -= use.weight.byteLength;
  return content;
}

/** The first use's reason for a bound that more memory would tighten; null when there is none. */
function looseProof(group: WeightGroup, { measurements }: GroupMeasurement): string | null {
  const reasons = group.uses.map((use, i) => looseProofReason(use, measurements[i]?.sigma ?? null));
  return reasons.find((reason) => reason !== null) ?? null;
}

function missed(last: GroupMeasurement, to: number, floor: number, dtype: string): string {
  const got =
    last.upper === null ? "elements overflow" : `the last try was ${formatInterval(last.lower, last.upper)}`;
  const hint = floor > 0 ? "; cap promises the upper end only" : "";
  return `it cannot be brought into ${formatInterval(floor, to)} after rounding to ${dtype}: ${got}${hint}`;
}
