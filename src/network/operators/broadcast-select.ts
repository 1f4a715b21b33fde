import { rootUp } from "../constants/rule.ts";
import { at, boxesOf, numbersOf, type Operand, type Operands } from "./broadcast.ts";
import type { Box, GeneralOperation } from "./operation.ts";

/** One of two choices between what was chosen so far and the next operand. */
export type Choice = "larger" | "smaller";

/** The entries of every operand. */
type Numbers = readonly Float64Array[];

/**
 * Each entry of the result is one of its operands: the first one, replaced by the next where that is larger (or
 * smaller), and so on. Monotone in every operand, and no entry moves further than the operand that moves furthest.
 */
class Selection {
  readonly #operands: Operands;
  readonly #choices: readonly Choice[];

  constructor(operands: Operands, choices: readonly Choice[]) {
    this.#operands = operands;
    this.#choices = choices;
  }

  /** Writes the result to y, from `start` on, and to `which` the operand that gives each entry. */
  select(numbers: Numbers, y: Float64Array, start: number, which?: Int32Array): void {
    const { all, size } = this.#operands;
    const [{ sources }] = all;
    for (let i = 0; i < size; i++) y[start + i] = numbers[0][at(sources, i)];
    this.#choices.forEach((choice, c) => {
      const next = numbers[c + 1];
      const from = all[c + 1].sources;
      for (let i = 0; i < size; i++) {
        const x = next[at(from, i)];
        if (choice === "larger" ? x > y[start + i] : x < y[start + i]) {
          y[start + i] = x;
          if (which !== undefined) which[start + i] = c + 1;
        }
      }
    });
  }

  /**
   * Whether operand k may be the one chosen for entry i, on the boxes; always true where that takes more than
   * comparing ends.
   */
  chances(boxes: readonly Box[]): (k: number, i: number) => boolean {
    const { all, size } = this.#operands;
    const [choice] = this.#choices;
    if (choice === undefined || this.#choices.some((c) => c !== choice)) return () => true;
    const sign = choice === "larger" ? 1 : -1;
    const [near, far] = choice === "larger" ? (["lo", "hi"] as const) : (["hi", "lo"] as const);
    // What the result reaches at least: who stays behind it is never chosen.
    const reached = new Float64Array(size).fill(-Infinity);
    all.forEach(({ sources }, k) => {
      for (let i = 0; i < size; i++) reached[i] = Math.max(reached[i], sign * boxes[k][near][at(sources, i)]);
    });
    return (k, i) => sign * boxes[k][far][at(all[k].sources, i)] >= reached[i];
  }
}

/** One selection, or the maximum and the minimum of the same pair one after the other, which move together. */
export function selection(operands: Operands, outputs: readonly (readonly Choice[])[]): GeneralOperation {
  const { all, size } = operands;
  const selections = outputs.map((choices) => new Selection(operands, choices));
  const total = size * selections.length;
  const signals = all.flatMap((o, k) => (o.data === undefined ? [k] : []));
  const forward = (x: Numbers, which?: Int32Array) => {
    const y = new Float64Array(total);
    const numbers = numbersOf(operands, x);
    selections.forEach((s, k) => void s.select(numbers, y, k * size, which));
    return y;
  };
  const chosen = (x: Numbers) => {
    const which = new Int32Array(total);
    forward(x, which);
    return which;
  };
  return {
    kind: "general",
    forward,
    jvp(x, _y, dx) {
      const which = chosen(x);
      const dy = new Float64Array(total);
      signals.forEach((k, s) => {
        const { sources } = all[k];
        for (let i = 0; i < total; i++) if (which[i] === k) dy[i] = dx[s][at(sources, i % size)];
      });
      return dy;
    },
    vjp(x, _y, dy) {
      const which = chosen(x);
      return signals.map((k) => {
        const { sources, size: cols } = all[k];
        const dx = new Float64Array(cols);
        for (let i = 0; i < total; i++) if (which[i] === k) dx[at(sources, i % size)] += dy[i];
        return dx;
      });
    },
    image: (boxes) => ({ lo: forward(boxes.map((b) => b.lo)), hi: forward(boxes.map((b) => b.hi)) }),
    local(boxes) {
      const around = boxesOf(operands, boxes);
      // Per entry Σ over outputs of squared moves ≤ the sum of the operands' squared moves.
      const chances = selections.map((s) => s.chances(around));
      const may = (k: number, i: number) => chances.some((chance) => chance(k, i));
      return {
        constants: signals.map((k) => rootUp(mostCopies(all[k], size, (i) => may(k, i)))),
        join: "euclidean",
      };
    },
  };
}

/** How often one entry of the operand is read where `counts`, at most. */
function mostCopies({ sources, size }: Operand, total: number, counts: (i: number) => boolean): number {
  const copies = new Float64Array(size);
  let most = 0;
  for (let i = 0; i < total; i++) {
    if (!counts(i)) continue;
    const j = at(sources, i);
    copies[j]++;
    most = Math.max(most, copies[j]);
  }
  return most;
}
