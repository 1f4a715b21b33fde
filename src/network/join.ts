import { addUp, divUp, mulUp, sqrtUp } from "../linalg/rounding.ts";

/** One value that a join takes, as seen from one source of change. */
export interface JoinTerm {
  /** What gives the value. Different values of one giver are bounded together: ‖(Δa, Δb)‖ ≤ steepness·‖Δsource‖. */
  readonly giver: unknown;
  /** The value: taken twice, it counts twice. */
  readonly value: unknown;
  readonly constant: number;
  readonly steepness: number;
}

/** How terms add up: Σ, √Σ², or the largest (one of several branches). */
export type JoinKind = "sum" | "euclidean" | "either";

/** a·b rounded up; exact when either is 1. */
export function times(a: number, b: number): number {
  if (a === 1) return b;
  return b === 1 ? a : mulUp(a, b);
}

function plus(a: number, b: number): number {
  return a === 0 ? b : b === 0 ? a : addUp(a, b);
}

/** √Σt², t ≥ 0, rounded up; exact for one nonzero term. */
export function rootOfSquares(terms: readonly number[]): number {
  const nonzero = terms.filter((t) => t !== 0);
  if (nonzero.length <= 1) return nonzero[0] ?? 0;
  const largest = nonzero.reduce((a, b) => Math.max(a, b));
  if (!Number.isFinite(largest)) return Infinity;
  // Shares of the largest keep squares in range.
  const sum = nonzero.reduce((s, t) => addUp(s, mulUp(divUp(t, largest), divUp(t, largest))), 0);
  return mulUp(sqrtUp(sum), largest);
}

function combined(kind: JoinKind, terms: readonly number[]): number {
  if (kind === "sum") return terms.reduce(plus, 0);
  return kind === "either" ? terms.reduce((a, b) => Math.max(a, b), 0) : rootOfSquares(terms);
}

function grouped(terms: readonly JoinTerm[], keyOf: (term: JoinTerm) => unknown): Map<unknown, JoinTerm[]> {
  const groups = new Map<unknown, JoinTerm[]>();
  for (const term of terms) {
    const group = groups.get(keyOf(term));
    if (group === undefined) groups.set(keyOf(term), [term]);
    else group.push(term);
  }
  return groups;
}

/** How steep the result of a join is, rounded up. */
export function joinedSteepness(terms: readonly JoinTerm[], kind: JoinKind): number {
  const givers = grouped(terms, (term) => term.giver);
  const shares = [...givers.values()].map((given) => {
    const values = [...grouped(given, (term) => term.value).values()];
    const constants = values.map((same) =>
      combined(
        kind,
        same.map((term) => term.constant),
      ),
    );
    // Σcᵢ‖Δvᵢ‖ ≤ √Σcᵢ²·‖(Δv₁, …)‖; a root of squares or a branch never needs more than its largest constant.
    const constant = kind === "sum" ? rootOfSquares(constants) : combined("either", constants);
    const steepest = given.reduce((most, term) => Math.max(most, term.steepness), 0);
    return times(constant, steepest);
  });
  return combined(kind, shares);
}
