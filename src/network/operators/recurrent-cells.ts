import type { AffineOperation, ScalarFunction } from "./operation.ts";
import { densePart } from "./parts.ts";
import type { Instruction, Program } from "./recurrent-program.ts";

/** The stored weights of one direction. */
export interface CellWeights {
  readonly input: number;
  readonly hidden: number;
  /** [gates·hidden, input]. */
  readonly w: Float64Array;
  /** [gates·hidden, hidden]. */
  readonly r: Float64Array;
  /** Biases of the input's part and of the state's, [gates·hidden] each; 0 when absent. */
  readonly bias?: readonly [Float64Array, Float64Array] | undefined;
  readonly activations: readonly ScalarFunction[];
}

/** One matrix with its register. */
interface Term {
  readonly from: number;
  readonly entries: Float64Array;
  readonly cols: number;
}

/** Registers that every program begins with. */
const X = 0;
const H = 1;
const C = 2;

/** Builds a program instruction by instruction. */
class Builder {
  readonly instructions: Instruction[] = [];
  readonly inputs: number;
  readonly #weights: CellWeights;

  constructor(weights: CellWeights, inputs: number) {
    this.#weights = weights;
    this.inputs = inputs;
  }

  /** The register of a new instruction's result. */
  add(instruction: Instruction): number {
    this.instructions.push(instruction);
    return this.inputs + this.instructions.length - 1;
  }

  apply(activation: number, from: number): number {
    return this.add({ kind: "apply", from: [from], f: this.#weights.activations[activation] });
  }

  /** W_gate·x + R_gate·(register `state`) + both biases, through an activation. */
  gate(gate: number, activation: number, state = H): number {
    return this.apply(
      activation,
      this.affine([this.fromInput(gate), this.fromState(gate, state)], gate, [0, 1]),
    );
  }

  fromInput(gate: number): Term {
    const { input, hidden, w } = this.#weights;
    return { from: X, entries: w.subarray(gate * hidden * input, (gate + 1) * hidden * input), cols: input };
  }

  fromState(gate: number, from: number): Term {
    const { hidden, r } = this.#weights;
    return { from, entries: r.subarray(gate * hidden * hidden, (gate + 1) * hidden * hidden), cols: hidden };
  }

  affine(terms: readonly Term[], gate: number, biases: readonly (0 | 1)[]): number {
    const { hidden, bias } = this.#weights;
    const parts = terms.map(({ entries, cols }) => densePart(entries.slice(), hidden, cols));
    const norms = parts.map((part) => {
      let known: number | undefined;
      return () => {
        known ??= part.norm?.({ guarantee: "proof", seed: 1 }).upper ?? Number.POSITIVE_INFINITY;
        return known;
      };
    });
    const vectors = biases.map((which) => bias?.[which].slice(gate * hidden, (gate + 1) * hidden));
    const operation: AffineOperation = { kind: "affine", parts, ...offsetOf(vectors) };
    return this.add({ kind: "affine", from: terms.map((t) => t.from), operation, norms });
  }

  program(...next: readonly number[]): Program {
    return { inputs: this.inputs, instructions: this.instructions, next };
  }
}

function offsetOf(vectors: readonly (Float64Array | undefined)[]): Partial<AffineOperation> {
  const [first, second] = vectors.filter((v) => v !== undefined);
  if (first === undefined) return {};
  if (second === undefined) return { offset: first };
  return {
    offset: first.map((v, i) => v + second[i]),
    offsetRoundings: 2,
    offsetMagnitude: first.map((v, i) => Math.abs(v) + Math.abs(second[i])),
  };
}

/** h′ = f(Wx + Rh + b). */
export function elman(weights: CellWeights): Program {
  const b = new Builder(weights, 2);
  return b.program(b.gate(0, 0));
}

/** Gates z, r and h. */
export function gru(weights: CellWeights, linearBeforeReset: boolean): Program {
  const b = new Builder(weights, 2);
  const z = b.gate(0, 0);
  const r = b.gate(1, 0);
  const candidate = () => {
    if (!linearBeforeReset) return b.gate(2, 1, b.add({ kind: "product", from: [r, H] }));
    const state = b.affine([b.fromState(2, H)], 2, [1]);
    const reset = b.add({ kind: "product", from: [r, state] });
    const input = b.affine([b.fromInput(2)], 2, [0]);
    return b.apply(1, b.add({ kind: "sum", from: [input, reset] }));
  };
  return b.program(b.add({ kind: "mix", from: [z, candidate(), H] }));
}

/** Gates i, o, f and c. */
export function lstm(weights: CellWeights): Program {
  const b = new Builder(weights, 3);
  const [i, o, f] = [0, 1, 2].map((gate) => b.gate(gate, 0));
  const candidate = b.gate(3, 1);
  const kept = b.add({ kind: "product", from: [f, C] });
  const added = b.add({ kind: "product", from: [i, candidate] });
  const cell = b.add({ kind: "sum", from: [kept, added] });
  return b.program(b.add({ kind: "product", from: [o, b.apply(2, cell)] }), cell);
}
