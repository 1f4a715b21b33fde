import { addUp, mulUp } from "../../linalg/rounding.ts";
import { imageOf } from "../enclose.ts";
import { applyOperation } from "../evaluate.ts";
import type { AffineOperation, Box, Interval, ScalarFunction } from "./operation.ts";
import { hull, product, roundDown, roundUp, sum } from "./scalar-interval.ts";

/**
 * One step of a recurrent layer on one example, as a list of vector operations. Registers: the step's input, the
 * states before it, then one result per instruction.
 */
export interface Program {
  readonly inputs: number;
  readonly instructions: readonly Instruction[];
  /** Registers of the states after the step. */
  readonly next: readonly number[];
}

export type Instruction =
  /** Matrices times registers, and a bias. `norms` are those of the matrices, proved. */
  | {
      readonly kind: "affine";
      readonly from: readonly number[];
      readonly operation: AffineOperation;
      readonly norms: readonly (() => number)[];
    }
  | { readonly kind: "apply"; readonly from: readonly [number]; readonly f: ScalarFunction }
  | { readonly kind: "product" | "sum"; readonly from: readonly [number, number] }
  /** (1 − z)·a + z·b of registers z, a, b. */
  | { readonly kind: "mix"; readonly from: readonly [number, number, number] };

function resultOf(instruction: Instruction, of: readonly Float64Array[]): Float64Array {
  switch (instruction.kind) {
    case "affine":
      return applyOperation(instruction.operation, of);
    case "apply":
      return of[0].map((v) => instruction.f.value(v));
    case "product":
      return of[0].map((v, i) => v * of[1][i]);
    case "sum":
      return of[0].map((v, i) => v + of[1][i]);
    case "mix":
      return of[0].map((z, i) => (1 - z) * of[1][i] + z * of[2][i]);
  }
}

/** Every register of a step. */
export function run(program: Program, inputs: readonly Float64Array[]): Float64Array[] {
  const registers = [...inputs];
  for (const instruction of program.instructions) {
    registers.push(
      resultOf(
        instruction,
        instruction.from.map((r) => registers[r]),
      ),
    );
  }
  return registers;
}

function tangentOf(
  instruction: Instruction,
  x: readonly Float64Array[],
  dx: readonly Float64Array[],
): Float64Array {
  switch (instruction.kind) {
    case "affine":
      return applyOperation({ kind: "affine", parts: instruction.operation.parts }, dx);
    case "apply":
      return dx[0].map((v, i) => instruction.f.slope(x[0][i]) * v);
    case "product":
      return dx[0].map((v, i) => v * x[1][i] + x[0][i] * dx[1][i]);
    case "sum":
      return dx[0].map((v, i) => v + dx[1][i]);
    case "mix":
      return dx[0].map((v, i) => v * (x[2][i] - x[1][i]) + (1 - x[0][i]) * dx[1][i] + x[0][i] * dx[2][i]);
  }
}

/** How the registers of a step move with its inputs. */
export function tangents(
  program: Program,
  registers: readonly Float64Array[],
  moves: readonly Float64Array[],
): Float64Array[] {
  const moved = [...moves];
  for (const instruction of program.instructions) {
    const { from } = instruction;
    moved.push(
      tangentOf(
        instruction,
        from.map((r) => registers[r]),
        from.map((r) => moved[r]),
      ),
    );
  }
  return moved;
}

function cotangentsOf(
  instruction: Instruction,
  x: readonly Float64Array[],
  dy: Float64Array,
): readonly Float64Array[] {
  switch (instruction.kind) {
    case "affine":
      return instruction.operation.parts.map((part) => part.adjoint(dy));
    case "apply":
      return [dy.map((v, i) => instruction.f.slope(x[0][i]) * v)];
    case "product":
      return [dy.map((v, i) => v * x[1][i]), dy.map((v, i) => v * x[0][i])];
    case "sum":
      return [dy, dy];
    case "mix":
      return [
        dy.map((v, i) => v * (x[2][i] - x[1][i])),
        dy.map((v, i) => v * (1 - x[0][i])),
        dy.map((v, i) => v * x[0][i]),
      ];
  }
}

/** Gradients with respect to a step's inputs of ⟨cotangents, states after it⟩. */
export function cotangents(
  program: Program,
  registers: readonly Float64Array[],
  states: readonly Float64Array[],
): Float64Array[] {
  const all: Float64Array[] = registers.map((r) => new Float64Array(r.length));
  const add = (register: number, change: Float64Array) => {
    const target = all[register];
    for (let i = 0; i < target.length; i++) target[i] += change[i];
  };
  program.next.forEach((register, i) => void add(register, states[i]));
  for (let k = program.instructions.length - 1; k >= 0; k--) {
    const instruction = program.instructions[k];
    const { from } = instruction;
    const changes = cotangentsOf(
      instruction,
      from.map((r) => registers[r]),
      all[program.inputs + k],
    );
    changes.forEach((change, i) => void add(from[i], change));
  }
  return all.slice(0, program.inputs);
}

/** A box made entry by entry. */
function each(boxes: readonly Box[], f: (...intervals: Interval[]) => Interval): Box {
  const n = boxes[0].lo.length;
  const box = { lo: new Float64Array(n), hi: new Float64Array(n) };
  for (let i = 0; i < n; i++) {
    [box.lo[i], box.hi[i]] = f(...boxes.map(({ lo, hi }): Interval => [lo[i], hi[i]]));
  }
  return box;
}

/** (1 − z)·a + z·b, for a weight between 0 and 1 at one of its ends and between a and b. */
function mixed(z: Interval, a: Interval, b: Interval): Interval {
  const at = (weight: number, side: 0 | 1) => {
    const [x, y] = [a[side], b[side]];
    if (weight === 0 || x === y) return [x, x] as const;
    if (weight === 1) return [y, y] as const;
    return sum(product(sum([1, 1], [-weight, -weight]), [x, x]), product([weight, weight], [y, y]));
  };
  if (z[0] < 0 || z[1] > 1) return sum(product(sum([1, 1], [-z[1], -z[0]]), a), product(z, b));
  const [low, high] = hull(a, b);
  const least = Math.min(at(z[0], 0)[0], at(z[1], 0)[0]);
  const most = Math.max(at(z[0], 1)[1], at(z[1], 1)[1]);
  return [Math.max(low, least), Math.min(high, most)];
}

/** Boxes of every register. */
export function enclosures(program: Program, inputs: readonly Box[]): Box[] {
  const boxes = [...inputs];
  for (const instruction of program.instructions) {
    const of = instruction.from.map((r) => boxes[r]);
    switch (instruction.kind) {
      case "affine":
        boxes.push(imageOf(instruction.operation, of, instruction.operation.parts[0].rows));
        break;
      case "apply":
        boxes.push(each(of, ([lo, hi]) => instruction.f.image(lo, hi)));
        break;
      case "product":
        boxes.push(each(of, product));
        break;
      case "sum":
        boxes.push(each(of, sum));
        break;
      case "mix":
        boxes.push(each(of, mixed));
    }
  }
  return boxes;
}

/** The largest |x| in a box, or of what `f` makes of its intervals. */
function furthest(boxes: readonly Box[], f: (...intervals: Interval[]) => Interval): number {
  let far = 0;
  for (let i = 0; i < boxes[0].lo.length; i++) {
    const [lo, hi] = f(...boxes.map((b): Interval => [b.lo[i], b.hi[i]]));
    far = Math.max(far, Math.abs(lo), Math.abs(hi));
  }
  return far;
}

const same = (interval: Interval) => interval;

/** Per step input: how far a register moves at most for one unit of it. Registers and moves as Euclidean norms. */
export type Moves = readonly number[];

function combined(terms: readonly (readonly [factor: number, moves: Moves])[]): Moves {
  return terms[0][1].map((_, i) => terms.reduce((s, [factor, m]) => addUp(s, mulUp(factor, m[i])), 0));
}

function movesOf(instruction: Instruction, boxes: readonly Box[], moves: readonly Moves[]): Moves {
  switch (instruction.kind) {
    case "affine":
      return combined(instruction.norms.map((norm, i) => [norm(), moves[i]]));
    case "apply":
      return combined([[furthest(boxes, ([lo, hi]) => instruction.f.slopes(lo, hi)), moves[0]]]);
    // Δ(ab) = Δa·b + a′·Δb.
    case "product":
      return combined([
        [furthest([boxes[1]], same), moves[0]],
        [furthest([boxes[0]], same), moves[1]],
      ]);
    case "sum":
      return combined([
        [1, moves[0]],
        [1, moves[1]],
      ]);
    // Δ = (1 − z)Δa + zΔb + Δz·(b′ − a′).
    case "mix":
      return combined([
        [furthest([boxes[0]], ([lo, hi]) => [roundDown(1 - hi), roundUp(1 - lo)]), moves[1]],
        [furthest([boxes[0]], same), moves[2]],
        [furthest(boxes.slice(1), ([a, b], [c, d]) => [roundDown(c - b), roundUp(d - a)]), moves[0]],
      ]);
  }
}

/** How far the states after a step move for one unit of each of its inputs, over boxes of its registers. */
export function steepness(program: Program, boxes: readonly Box[]): Moves[] {
  const moves: Moves[] = Array.from({ length: program.inputs }, (_, i) =>
    Array.from({ length: program.inputs }, (_, j) => (i === j ? 1 : 0)),
  );
  for (const instruction of program.instructions) {
    const { from } = instruction;
    moves.push(
      movesOf(
        instruction,
        from.map((r) => boxes[r]),
        from.map((r) => moves[r]),
      ),
    );
  }
  return program.next.map((r) => moves[r]);
}
