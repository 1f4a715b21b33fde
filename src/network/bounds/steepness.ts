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
  /** Of all of the result it is a stretch of, where that is steeper: what disjoint stretches share. */
  readonly whole?: Steepness;
}

/** The values of a join, with what is known of the results that several of them are stretches of. */
export function takenFrom(
  network: Network,
  refs: readonly Ref[],
  at: (ref: Ref) => Steepness,
): readonly Taken[] {
  return refs.map((ref) => {
    const shared = refs.some((other) => other.node === ref.node && refKey(other) !== refKey(ref));
    return { ref, steepness: at(ref), ...(shared ? { whole: at(wholeOf(network, ref.node)) } : {}) };
  });
}

/**
 * What a join with these constants makes of what it takes. Disjoint stretches of one node's result are bounded
 * together, by the steepness of the whole result, or each on its own, whichever is less; overlapping ones on their
 * own.
 */
export function joined(taken: readonly Taken[], sensitivity: Sensitivity): Steepness {
  const givers = taken.map(({ ref }) => (overlaps(ref, taken) ? refKey(ref) : ref.node));
  const together = joinedBy(
    taken.map(({ ref, steepness, whole = steepness }) => ({ ref, steepness: whole })),
    givers,
    sensitivity,
  );
  if (taken.every((t) => t.whole === undefined)) return together;
  const apart = joinedBy(
    taken,
    taken.map(({ ref }) => refKey(ref)),
    sensitivity,
  );
  return smaller(together, apart);
}

/** Of all outputs of a network together. */
export function outputSteepness(network: Network, at: (ref: Ref) => Steepness): Steepness {
  const refs = network.outputs.map(({ ref }) => ref);
  return joined(takenFrom(network, refs, at), { constants: refs.map(() => 1), join: "euclidean" });
}

function joinedBy(
  taken: readonly Taken[],
  givers: readonly unknown[],
  { constants, join }: Sensitivity,
): Steepness {
  const vectors = taken.flatMap((t) => t.steepness ?? []);
  const [first] = vectors;
  if (first === undefined || vectors.length < taken.length) return null;
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

/** A whole result or input as a reference. */
export function wholeOf(network: Network, node: number): Ref {
  const size = node < 0 ? network.inputs[-1 - node].size : network.nodes[node].size;
  return { node, offset: 0, size };
}

/** The steepness a reference reads. */
export function steepnessAt(network: Network, ref: Ref, results: readonly Steepness[]): Steepness {
  const input = inputIndex(ref);
  return input === null ? results[ref.node] : ofInput(network, input);
}
