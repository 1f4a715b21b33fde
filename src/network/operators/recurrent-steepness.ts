import { addUp, mulUp, sqrtUp } from "../../linalg/rounding.ts";
import type { Box, Sensitivity } from "./operation.ts";
import { enclosures, type Moves, steepness } from "./recurrent-program.ts";
import { boxesInto, type Direction, order, placesOf, type Sequence } from "./recurrent-sequence.ts";

/** What one example in one direction makes of a move: of the sequence, and of each initial state. */
interface Steep {
  readonly sequence: number;
  readonly initial: readonly number[];
}

function rootOfSquares(terms: readonly number[]): number {
  return sqrtUp(terms.reduce((s, t) => addUp(s, mulUp(t, t)), 0));
}

function largest(terms: readonly number[]): number {
  return terms.reduce((a, b) => Math.max(a, b), 0);
}

/**
 * How far everything a layer gives moves with its signals over boxes of them: norms of the states' moves, step by
 * step, make a linear recurrence with nonnegative coefficients. Examples do not mix; directions' outputs lie side
 * by side.
 */
export function sequenceSteepness(sequence: Sequence, x: readonly Box[]): Sensitivity | null {
  const { layout, directions, initial } = sequence;
  const each = directions.map((direction, d) => {
    const examples = Array.from({ length: layout.batch }, (_, b) =>
      recurrence(stepMoves(sequence, direction, d, b, x), layout.gives),
    );
    return {
      sequence: largest(examples.map((e) => e.sequence)),
      initial: initial.map((_, i) => largest(examples.map((e) => e.initial[i]))),
    };
  });
  // Both directions read the whole sequence, and each its own initial state.
  const constants: [signal: number, constant: number][] = [];
  const note = (source: Sequence["x"], constant: number) => {
    if ("signal" in source) constants.push([source.signal, constant]);
  };
  note(sequence.x, rootOfSquares(each.map((e) => e.sequence)));
  initial.forEach((source, i) => void note(source, largest(each.map((e) => e.initial[i]))));
  const sorted = constants.sort(([a], [b]) => a - b).map(([, constant]) => constant);
  return sorted.every(Number.isFinite) ? { constants: sorted, join: "sum" } : null;
}

/** The moves of each step, in the order in which the direction takes them. */
function stepMoves(
  sequence: Sequence,
  direction: Direction,
  d: number,
  b: number,
  x: readonly Box[],
): readonly (readonly Moves[])[] {
  const { input, hidden } = sequence.layout;
  const { read } = boxesInto(undefined, x);
  const places = placesOf(sequence, d, b);
  let states = sequence.initial.map((source) => read(source, places.state, hidden));
  let before: readonly Box[] = [];
  let moves: readonly Moves[] = [];
  return order(sequence, direction).map((t) => {
    const inputs = [read(sequence.x, places.x(t), input), ...states];
    // Where nothing is known of the input, steps are soon all alike.
    if (!sameBoxes(inputs, before)) {
      const boxes = enclosures(direction.program, inputs);
      states = direction.program.next.map((r) => boxes[r]);
      moves = steepness(direction.program, boxes);
      before = inputs;
    }
    return moves;
  });
}

function sameBoxes(a: readonly Box[], b: readonly Box[]): boolean {
  const same = (x: Float64Array, y: Float64Array) => x.every((v, i) => v === y[i]);
  return a.length === b.length && a.every(({ lo, hi }, i) => same(lo, b[i].lo) && same(hi, b[i].hi));
}

/** Σ coefficients·terms over the states, for moves [of the input, of each state]. */
function applied(moves: Moves, input: number, states: readonly number[]): number {
  return states.reduce((s, v, i) => addUp(s, mulUp(moves[i + 1], v)), mulUp(moves[0], input));
}

/**
 * The norm of the map from moves of the steps' inputs (or of an initial state) to moves of what is given. All states
 * together: √(largest row sum × largest column sum) of a matrix with nonnegative entries; the last ones: a row's norm.
 */
function recurrence(steps: readonly (readonly Moves[])[], gives: readonly boolean[]): Steep {
  const kinds = steps[0]?.length ?? 1;
  const zero = new Array<number>(kinds).fill(0);
  const parts: number[] = [];
  if (gives[0]) {
    let states: readonly number[] = zero;
    const rows = steps.map((moves) => {
      states = moves.map((m) => applied(m, 1, states));
      return states[0];
    });
    const columns = backwards(steps, (_last, seed) => {
      seed[0] = addUp(seed[0], 1);
    });
    parts.push(sqrtUp(mulUp(largest(rows), largest(columns))));
  }
  for (let k = 0; k < kinds; k++) {
    if (!gives[k + 1]) continue;
    parts.push(
      rootOfSquares(
        backwards(steps, (last, seed) => {
          if (last) seed[k] = 1;
        }),
      ),
    );
  }
  const initial = zero.map((_, k) => {
    let states: readonly number[] = zero.map((_, i) => (i === k ? 1 : 0));
    const moved = steps.map((moves) => {
      states = moves.map((m) => applied(m, 0, states));
      return states[0];
    });
    return rootOfSquares([...(gives[0] ? moved : []), ...states.filter((_, i) => gives[i + 1])]);
  });
  return { sequence: rootOfSquares(parts), initial };
}

/**
 * For each step how much its input moves a sum of states: `seed` adds the weights of a step's own states to those
 * that later steps give them.
 */
function backwards(
  steps: readonly (readonly Moves[])[],
  seed: (last: boolean, weights: number[]) => void,
): readonly number[] {
  const sums: number[] = [];
  let weights = new Array<number>(steps[0]?.length ?? 1).fill(0);
  for (let t = steps.length - 1; t >= 0; t--) {
    const moves = steps[t];
    seed(t === steps.length - 1, weights);
    const given = weights;
    const sum = (column: number) => moves.reduce((s, m, i) => addUp(s, mulUp(given[i], m[column])), 0);
    sums.push(sum(0));
    weights = given.map((_, i) => sum(i + 1));
  }
  return sums;
}
