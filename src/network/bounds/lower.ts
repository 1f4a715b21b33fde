import { norm } from "../../linalg/basis.ts";
import { frobeniusNorm } from "../../linalg/frobenius.ts";
import { RandomStream } from "../../linalg/random.ts";
import { down, up } from "../../linalg/rounding.ts";
import { enclose, pointBox, readBox } from "../enclose.ts";
import { forward, jvp, type Tape, vjp } from "../evaluate.ts";
import type { Network } from "../network.ts";
import type { Box } from "../operators/operation.ts";
import { runCost } from "./cost.ts";

/** Multiplications spent on looking for steep places: about a second. */
const BUDGET = 6e8;

/** Power steps at a point that is only looked at, and most at the steepest ones found. */
const FEW_STEPS = 4;
const MANY_STEPS = 30;

/** Runs that the budget must allow for more than the one steepest place to be looked at closely. */
const MANY_RUNS = 200;

/** Least and most points looked at. */
const POINTS: readonly [number, number] = [1, 400];

/** Share of the points that are steps from the steepest one so far. */
const CLIMBING = 0.5;

/**
 * Lengths of secants tried at the steepest places, relative to 1 + ‖x‖∞: long ones drown rounding, short ones fit
 * between bends.
 */
const SECANTS = [1e-3, 1e-2, 1e-4, 0.1, 1e-5, 1, 1e-6];

/** A secant as steep as this share of the Jacobian ends the search at its place. */
const STEEP_ENOUGH = 0.999;

/** Runs that an enclosure costs, about. */
const ENCLOSURE = 5;

/** The steepest places at which secants are measured. */
const KEPT = 4;

/** What a search for steep places found. */
export interface SampledSteepness {
  /**
   * Certain: ‖f(x) − f(x′)‖/‖x − x′‖ at two points, the rounding of both runs enclosed. A bound from secants needs no
   * care at kinks, where derivatives by automatic differentiation may be none of the function's.
   */
  readonly lower: number;
  /** The largest σ₁ of a computed Jacobian: what was seen, not a bound. */
  readonly seen: number;
  /** Points looked at. */
  readonly points: number;
}

export interface SampleOptions {
  readonly seed: bigint;
  /** Points to start from, one flat vector per network input each; random ones of several sizes without them. */
  readonly points?: Iterable<readonly Float64Array[]> | undefined;
  /** False: look at the given points alone. Default true. */
  readonly climb?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Place {
  readonly x: readonly Float64Array[];
  readonly direction: readonly Float64Array[];
  readonly sigma: number;
}

/** Looks for steep places: at given or random points, then by climbing from the steepest one. */
export function sampleSteepness(network: Network, options: SampleOptions): SampledSteepness {
  const random = new RandomStream(options.seed);
  const runs = Math.floor(BUDGET / runCost(network));
  const count = Math.min(POINTS[1], Math.max(POINTS[0], Math.floor(runs / (2 * FEW_STEPS + 1))));
  const given = options.points === undefined ? null : [...taken(options.points, count)];
  const climbs = options.climb === false ? 0 : Math.floor(count * CLIMBING);
  const places: Place[] = [];
  const keep = (place: Place) => {
    places.push(place);
    places.sort((a, b) => b.sigma - a.sigma);
    places.length = Math.min(places.length, KEPT);
  };
  // Data may lie where the network is flat, so half of the places to start from are random all the same.
  const drawn = given === null ? count - climbs : Math.ceil(climbs / 2);
  const starts = [
    ...(given ?? []),
    ...Array.from({ length: drawn }, (_, k) => randomPoint(network, random, k)),
  ];
  for (const x of starts) {
    options.signal?.throwIfAborted();
    keep(steepestDirection(network, x, randomDirection(network, random), FEW_STEPS));
  }
  for (let k = 0; k < climbs && places.length > 0; k++) {
    options.signal?.throwIfAborted();
    keep(climb(network, places[0], random, k));
  }
  const steps = Math.min(MANY_STEPS, Math.max(FEW_STEPS, Math.floor(runs / 8)));
  const fine = places
    .slice(0, runs < MANY_RUNS ? 1 : KEPT)
    .map((p) => steepestDirection(network, p.x, p.direction, steps))
    .sort((a, b) => b.sigma - a.sigma);
  const lower = steepestSecant(network, fine, Math.max(3, Math.floor(runs / ENCLOSURE)));
  const seen = fine.reduce((m, p) => Math.max(m, p.sigma), 0);
  return { lower, seen: Math.max(seen, lower), points: starts.length + climbs };
}

function* taken<T>(items: Iterable<T>, count: number): Generator<T> {
  let n = 0;
  for (const item of items) {
    if (n++ >= count) return;
    yield item;
  }
}

/** Sizes that inputs come in: pixels in [0, 1], standardised values, raw measurements. */
const SIZES = [1, 0.3, 3, 0.05, 20];

function randomPoint(network: Network, random: RandomStream, k: number): readonly Float64Array[] {
  const size = SIZES[k % SIZES.length];
  const pixels = k % (2 * SIZES.length) < SIZES.length;
  return network.inputs.map((input) =>
    Float64Array.from({ length: input.size }, () =>
      pixels ? size * random.uniform() : size * random.normal(),
    ),
  );
}

function randomDirection(network: Network, random: RandomStream): readonly Float64Array[] {
  return normalised(
    network.inputs.map((input) => Float64Array.from({ length: input.size }, () => random.normal())),
  );
}

function length(vectors: readonly Float64Array[]): number {
  return Math.hypot(...vectors.map(norm));
}

function normalised(vectors: readonly Float64Array[]): readonly Float64Array[] {
  const n = length(vectors);
  return n > 0 ? vectors.map((v) => v.map((x) => x / n)) : vectors;
}

/** Power iteration on JᵀJ at a point. */
function steepestDirection(
  network: Network,
  x: readonly Float64Array[],
  start: readonly Float64Array[],
  steps: number,
): Place {
  const tape: Tape = forward(network, x);
  let direction = start;
  let sigma = 0;
  for (let k = 0; k < steps; k++) {
    const image = jvp(network, tape, direction);
    const next = length(image);
    const settled = Math.abs(next - sigma) <= 1e-6 * next;
    sigma = Number.isFinite(next) ? next : 0;
    if (sigma === 0 || settled) break;
    const back = vjp(network, tape, image);
    if (!(length(back) > 0) || !Number.isFinite(length(back))) break;
    direction = normalised(back);
  }
  return { x, direction, sigma };
}

/** One step from the steepest place: along its direction or at random, of a random size. */
function climb(network: Network, from: Place, random: RandomStream, k: number): Place {
  const along = k % 3 === 2 ? randomDirection(network, random) : from.direction;
  const size = (1 + length(from.x)) * 10 ** (-2 * random.uniform()) * (random.uniform() < 0.5 ? -1 : 1);
  return steepestDirection(network, moved(from.x, along, size), from.direction, FEW_STEPS);
}

function moved(
  x: readonly Float64Array[],
  along: readonly Float64Array[],
  step: number,
): readonly Float64Array[] {
  return x.map((v, i) => v.map((a, j) => a + step * along[i][j]));
}

/** The steepest secant at any of the places, with at most so many enclosures. */
function steepestSecant(network: Network, places: readonly Place[], enclosures: number): number {
  let best = 0;
  let left = enclosures;
  for (const { x, direction, sigma } of places) {
    if (!(sigma > best) || left < 2) continue;
    const size = 1 + x.reduce((m, v) => v.reduce((n, a) => Math.max(n, Math.abs(a)), m), 0);
    const here = outputBoxes(network, x);
    left--;
    // Rounding through many layers can leave boxes wider than any rise: no secant from here tells anything.
    if (width(here) > 2 * sigma * size) continue;
    for (const share of SECANTS) {
      for (const sign of [1, -1]) {
        if (left < 1 || best >= STEEP_ENOUGH * sigma) break;
        const other = moved(x, direction, sign * share * size);
        best = Math.max(best, secant(here, outputBoxes(network, other), x, other));
        left--;
      }
    }
  }
  return best;
}

/** ‖hi − lo‖ over all outputs. */
function width(boxes: readonly Box[]): number {
  return length(boxes.map(({ lo, hi }) => hi.map((h, i) => h - lo[i])));
}

function outputBoxes(network: Network, x: readonly Float64Array[]): readonly Box[] {
  const inputs = x.map(pointBox);
  const values = enclose(network, inputs);
  return network.outputs.map(({ ref }) => readBox(ref, inputs, values));
}

/** ‖f(x) − f(x′)‖/‖x − x′‖ rounded down, with f(x) and f(x′) known to lie in boxes. */
function secant(
  here: readonly Box[],
  there: readonly Box[],
  x: readonly Float64Array[],
  other: readonly Float64Array[],
): number {
  const rises = here.flatMap(({ lo, hi }, o) =>
    Array.from(lo, (low, i) => {
      const apart = Math.max(there[o].lo[i] - hi[i], low - there[o].hi[i], 0);
      return Number.isFinite(apart) ? down(apart) : 0;
    }),
  );
  const runs = x.flatMap((v, k) => Array.from(v, (a, i) => up(Math.abs(other[k][i] - a))));
  const height = frobeniusNorm(Float64Array.from(rises)).lower;
  const length = frobeniusNorm(Float64Array.from(runs)).upper;
  const slope = length > 0 ? down(height / length) : 0;
  return Number.isFinite(slope) ? slope : 0;
}
