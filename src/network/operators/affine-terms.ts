import type { AffineOperation, LinearPart } from "./operation.ts";
import { movedPart, scaledPart } from "./parts.ts";
import type { Binding } from "./rule.ts";

/**
 * Collects what an affine operation is the sum of: the node's inputs, each as a matrix acting on it, or its entries
 * moved and multiplied by one factor. Inputs that are constant add up to the offset.
 */
export class AffineTerms {
  readonly #binding: Binding;
  readonly #parts = new Map<number, LinearPart>();
  readonly #constants: Float64Array[] = [];
  #rounded = 0;

  constructor(binding: Binding) {
    this.#binding = binding;
  }

  /** Adds A·x of the signal at input `index`. */
  part(index: number, part: LinearPart): void {
    this.#parts.set(index, part);
  }

  /** Adds numbers that went through at most `roundings` roundings each. */
  constant(numbers: Float64Array, roundings = 0): void {
    this.#constants.push(numbers);
    this.#rounded = Math.max(this.#rounded, roundings);
  }

  /** Adds factor·x[sources[i]] of the input at `index`, whatever it is; nothing when it is omitted. */
  moved(index: number, sources: Int32Array, factor = 1): void {
    const input = this.#binding.inputs[index];
    if (input === undefined) return;
    const { data } = input;
    if (data !== undefined) {
      this.constant(
        Float64Array.from(sources, (s) => factor * data[s]),
        factor === 1 ? 0 : 1,
      );
      return;
    }
    const cols = input.shape.reduce((a, b) => a * b, 1);
    const factors = new Float64Array(sources.length).fill(factor);
    this.part(index, factor === 1 ? movedPart(sources, cols) : scaledPart(sources, factors, cols, 0));
  }

  /** The operation; undefined when one of the node's signals is none of its terms. */
  operation(): AffineOperation | undefined {
    const parts = this.#binding.signals.map((index) => this.#parts.get(index));
    if (!parts.every((part) => part !== undefined)) return undefined;
    const [first, ...rest] = this.#constants;
    if (first === undefined) return { kind: "affine", parts };
    const roundings = this.#rounded + rest.length;
    if (roundings === 0) return { kind: "affine", parts, offset: first };
    const offset = first.slice();
    const offsetMagnitude = first.map(Math.abs);
    for (const term of rest) {
      for (let i = 0; i < offset.length; i++) {
        offset[i] += term[i];
        offsetMagnitude[i] += Math.abs(term[i]);
      }
    }
    // The magnitudes were rounded as often themselves.
    return { kind: "affine", parts, offset, offsetRoundings: 2 * roundings, offsetMagnitude };
  }
}
