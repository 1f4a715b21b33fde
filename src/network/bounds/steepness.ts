import { joinedSteepness, rootOfSquares, times } from "../join.ts";
import { inputIndex, type Network, type Ref, refKey } from "../network.ts";
import type { Sensitivity } from "../operators/operation.ts";

/**
 * How far a value moves: ‖Δvalue‖ ≤ Σ sᵢ‖Δinputᵢ‖, one sᵢ ≥ 0 per network input, rounded up; null where there is no
 * finite bound.
 */
export type Steepness = Float64Array | null;

/** ‖s‖: the Lipschitz constant with respect to all inputs together. */
export function total(steepness: Steepness): number {
  return steepness === null ? Infinity : rootOfSquares([...steepness]);
}

/** The smaller of two bounds of one value. */
export function smaller(a: Steepness, b: Steepness): Steepness {
  return total(a) <= total(b) ? a : b;
}

/** A value times a factor. */
export function scaled(steepness: Steepness, factor: number): Steepness {
  if (steepness === null || !Number.isFinite(factor)) return null;
  return steepness.map((s) => times(factor, s));
}

/** Of one network input. */
export function ofInput(network: Network, index: number): Steepness {
  return Float64Array.from(network.inputs, (_, i) => (i === index ? 1 : 0));
}

/** One value that a join takes, and where it comes from. */
export interface Taken {
  readonly ref: Ref;
  readonly steepness: Steepness;
}

/**
 * What a join with these constants makes of what it takes. Disjoint stretches of one node's result are bounded
 * together; overlapping ones count on their own.
 */
export function joined(taken: readonly Taken[], { constants, join }: Sensitivity): Steepness {
  const vectors = taken.flatMap((t) => t.steepness ?? []);
  const [first] = vectors;
  if (first === undefined || vectors.length < taken.length) return null;
  const givers = taken.map(({ ref }) => (overlaps(ref, taken) ? refKey(ref) : ref.node));
  const result = first.map((_, i) => {
    const terms = taken.map(({ ref }, t) => ({
      giver: givers[t],
      value: refKey(ref),
      constant: constants[t],
      steepness: vectors[t][i],
    }));
    return joinedSteepness(terms, join);
  });
  return result.every(Number.isFinite) ? result : null;
}

/** True when another stretch of the same result shares entries with this one. */
function overlaps(ref: Ref, taken: readonly Taken[]): boolean {
  return taken.some(({ ref: other }) => {
    const same = other.offset === ref.offset && other.size === ref.size;
    const meet = other.offset < ref.offset + ref.size && ref.offset < other.offset + other.size;
    return other.node === ref.node && !same && meet;
  });
}

/** The steepness a reference reads. */
export function steepnessAt(network: Network, ref: Ref, results: readonly Steepness[]): Steepness {
  const input = inputIndex(ref);
  return input === null ? results[ref.node] : ofInput(network, input);
}
