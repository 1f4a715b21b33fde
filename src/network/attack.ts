import { RandomStream } from "../linalg/random.ts";
import { sqrtUp, sumOfSquaresUp } from "../linalg/rounding.ts";
import { enclose, pointBox, readBox } from "./enclose.ts";
import { forward, outputsOf, type Tape, vjp } from "./evaluate.ts";
import type { Network } from "./network.ts";

/** Ascents per attack; see `attack`. */
export const ATTACK_STARTS = 3;

/** How hard an attack tries. */
export interface AttackOptions {
  /** Gradient steps from each start. */
  readonly steps: number;
  /** Of the random start: the same seed finds the same points. */
  readonly seed: bigint;
  /** Awaited before every step, so that a caller can report, breathe or stop. */
  readonly pause?: (() => Promise<void>) | undefined;
}

/** A changed input of another class. */
export interface Adversarial {
  readonly point: Float64Array;
  /** ℓ2 distance from the original, rounded up. */
  readonly distance: number;
  /** Its class as evaluated in float64: not the label. */
  readonly predicted: number;
}

/**
 * Steps shrink evenly from this share of ε, spread over the steps, to nothing: together they go 2ε, so that every
 * start can cross the ball, and the last ones settle.
 */
export const FIRST_STEP = 4;

/** Classes whose boundary is looked for from the point itself, those with the largest outputs first. */
const MOST_TARGETS = 10;

/** Halvings of the way back to the original: the distance found is then at most 0.03 % too long on that line. */
const HALVINGS = 12;

/** Stretches and shrinks until the measured distance fits; one is enough unless ε is near the spacing of floats. */
const FITTINGS = 4;

/**
 * Projected gradient ascent (Madry et al. 2018, "Towards deep learning models resistant to adversarial attacks") on
 * the margin max_{j≠label} f_j − f_label in the ℓ2 ball of radius ε around x, no other constraint. Three starts, each
 * with all its steps: from x towards the class whose boundary the gradients at x put nearest (Moosavi-Dezfooli et al.
 * 2016, "DeepFool"), from x towards whichever class is ahead, and from a random point of the sphere. The first is the
 * one that finds what can be found on nearly linear networks, the last is for those that are flat at x; further
 * random starts cost as much again each and mostly find the same points.
 *
 * @param network of one input and one output, at least two classes; x must be classified as `label`.
 * @returns the first point found whose class as evaluated is another and whose distance, rounded up, is at most ε;
 * null when none was found, which shows nothing.
 */
export async function attack(
  network: Network,
  x: Float64Array,
  label: number,
  epsilon: number,
  options: AttackOptions,
): Promise<Adversarial | null> {
  const starts: readonly (() => Start)[] = [
    () => ({ offset: new Float64Array(x.length), target: nearestClass(network, x, label) }),
    () => ({ offset: new Float64Array(x.length), target: null }),
    () => {
      const offset = new RandomStream(options.seed).direction(x.length);
      return { offset: scaled(offset, epsilon), target: null };
    },
  ];
  for (const start of starts) {
    const found = await ascend(network, x, label, epsilon, start(), options);
    if (found !== null) return found;
  }
  return null;
}

/** Where an ascent begins, and the class it aims at (null: whichever is ahead). */
interface Start {
  readonly offset: Float64Array;
  readonly target: number | null;
}

async function ascend(
  network: Network,
  x: Float64Array,
  label: number,
  epsilon: number,
  { offset, target }: Start,
  { steps, pause }: AttackOptions,
): Promise<Adversarial | null> {
  let at = within(x, offset, epsilon);
  for (let k = 0; ; k++) {
    await pause?.();
    const { tape, outputs, predicted } = evaluate(network, at.point);
    if (predicted === null) return null;
    if (predicted !== label) return { ...at, predicted };
    if (k === steps) return null;
    const gradient = marginGradient(network, tape, target ?? runnerUp(outputs, label), label);
    const length = norm(gradient);
    if (!(length > 0 && length < Infinity)) return null;
    const step = (FIRST_STEP * epsilon * (steps - k)) / (steps * steps * length);
    const next = at.point.map((value, i) => value - x[i] + step * gradient[i]);
    at = within(x, next, epsilon);
  }
}

/**
 * A proposed change of x, pulled back into the ball of radius ε where it lies outside, and evaluated.
 * @returns null when its class is still the label, or undecided.
 */
export function proposed(
  network: Network,
  x: Float64Array,
  label: number,
  epsilon: number,
  proposal: Float64Array,
): Adversarial | null {
  const at = within(
    x,
    proposal.map((value, i) => value - x[i]),
    epsilon,
  );
  const { predicted } = evaluate(network, at.point);
  return predicted === null || predicted === label ? null : { ...at, predicted };
}

/**
 * The adversarial point nearest to x on the line between them, as far as halving finds it.
 */
export function shorten(
  network: Network,
  x: Float64Array,
  label: number,
  { point, ...found }: Adversarial,
): Adversarial {
  let nearest: Adversarial = { point, ...found };
  let [low, high] = [0, 1];
  for (let k = 0; k < HALVINGS; k++) {
    const share = (low + high) / 2;
    const candidate = x.map((value, i) => value + share * (point[i] - value));
    const { predicted } = evaluate(network, candidate);
    const distance = distanceUp(x, candidate);
    if (predicted === null || predicted === label) low = share;
    else {
      high = share;
      if (distance < nearest.distance) nearest = { point: candidate, distance, predicted };
    }
  }
  return nearest;
}

/**
 * False where rounding alone may have changed the class of an evaluated point: its outputs, enclosed, leave the label
 * possible. True where the enclosure rules it out, and where it is unbounded and so excuses nothing.
 */
export function isBeyondRounding(network: Network, point: Float64Array, label: number): boolean {
  const boxes = [pointBox(point)];
  const { lo, hi } = readBox(network.outputs[0].ref, boxes, enclose(network, boxes));
  if (!lo.every(Number.isFinite) || !hi.every(Number.isFinite)) return true;
  return lo.some((low, j) => j !== label && low > hi[label]);
}

/** x + offset, or as far towards it as ε allows. */
function within(
  x: Float64Array,
  offset: Float64Array,
  epsilon: number,
): { readonly point: Float64Array; readonly distance: number } {
  let share = 1;
  for (let k = 0; k < FITTINGS; k++) {
    const point = x.map((value, i) => value + share * offset[i]);
    const distance = distanceUp(x, point);
    if (distance <= epsilon) return { point, distance };
    // A hair less than needed, so that the next measurement, rounded up, fits.
    share *= (epsilon / distance) * (1 - 2 ** -40);
  }
  return { point: x, distance: 0 };
}

/** ‖y − x‖ rounded up. */
function distanceUp(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (y[i] - x[i]) * (y[i] - x[i]);
  // Two more roundings per term: the difference, squared.
  return sqrtUp(sumOfSquaresUp(sum, x.length + 4));
}

interface Evaluation {
  readonly tape: Tape;
  readonly outputs: Float64Array;
  /** The first of the largest outputs; null where one is NaN, so that there is no class. */
  readonly predicted: number | null;
}

function evaluate(network: Network, x: Float64Array): Evaluation {
  const tape = forward(network, [x]);
  const [outputs] = outputsOf(network, tape);
  return { tape, outputs, predicted: outputs.some(Number.isNaN) ? null : largest(outputs) };
}

/** The gradient of f_j − f_label. */
function marginGradient(network: Network, tape: Tape, j: number, label: number): Float64Array {
  const weights = new Float64Array(network.outputs[0].ref.size);
  weights[j] = 1;
  weights[label] = -1;
  return vjp(network, tape, [weights])[0];
}

/** The class whose boundary is nearest by the gradients at x; null where none has one. */
function nearestClass(network: Network, x: Float64Array, label: number): number | null {
  const { tape, outputs } = evaluate(network, x);
  const others = Array.from(outputs.keys()).filter((j) => j !== label);
  others.sort((a, b) => outputs[b] - outputs[a]);
  let nearest: number | null = null;
  let least = Infinity;
  for (const j of others.slice(0, MOST_TARGETS)) {
    const distance = (outputs[label] - outputs[j]) / norm(marginGradient(network, tape, j, label));
    if (distance < least) [nearest, least] = [j, distance];
  }
  return nearest;
}

function largest(values: Float64Array): number {
  let best = 0;
  for (let j = 1; j < values.length; j++) if (values[j] > values[best]) best = j;
  return best;
}

function runnerUp(values: Float64Array, label: number): number {
  let best = label === 0 ? 1 : 0;
  for (let j = 0; j < values.length; j++) if (j !== label && values[j] > values[best]) best = j;
  return best;
}

function norm(v: Float64Array): number {
  let sum = 0;
  for (const value of v) sum += value * value;
  return Math.sqrt(sum);
}

function scaled(v: Float64Array, factor: number): Float64Array {
  return v.map((value) => factor * value);
}
