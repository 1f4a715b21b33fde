import { kernels } from "../../kernels/index.ts";
import type { RowBlock } from "../../kernels/types.ts";
import type { RunMatrix, SlopeRange } from "../../linalg/eclipse.ts";
import { matrixFrobeniusUp } from "../../linalg/frobenius.ts";
import { transpose } from "../../linalg/matrix.ts";
import { addUp, gamma, mulUp, sqrtUp } from "../../linalg/rounding.ts";
import { above, below, UNDERFLOW } from "../enclose.ts";
import type { Box } from "../operators/operation.ts";

/**
 * A layer's pre-activations over a ball of inputs, z(x + δ) − z(x) = Bδ + t: a linear part, known by its Gram matrix
 * BBᵀ, and a rest t in a box.
 */
export interface LinearForm {
  /** fl(BBᵀ), n × n row-major. */
  readonly gram: Float64Array;
  /** √diag rounded up: norms of B's rows. */
  readonly rows: Float64Array;
  /** Σ|w||s|… along the layers, at least 2⁻⁴⁰⁰, which bounds rounding and underflow: |fl(BBᵀ) − BBᵀ|ᵢⱼ ≤ γ·qᵢ·qⱼ. */
  readonly q: Float64Array;
  /** Products and sums behind one entry of the Gram matrix. */
  readonly terms: number;
  readonly rest: Box;
}

/** The least q, and what is added to each |w||s|: far above underflow, and far below what a network computes with. */
const LEAST_Q = 2 ** -400;
const LEAST_WEIGHT = 2 ** -1022;

/** The dense layers of a run that starts at the network's input, prepared for many balls. */
export class RunRelaxation {
  readonly #layers: readonly RunMatrix[];
  readonly #first: LinearForm;

  /** @param layers exact matrices (error 0), the first acting on the network's input. */
  constructor(layers: readonly RunMatrix[]) {
    this.#layers = layers;
    const [{ rows, cols, entries }] = layers;
    const block = loaded(entries, rows, cols);
    const gram = symmetric(kernels().gramMatrix(block, 1), rows);
    block.release();
    const norms = Float64Array.from({ length: rows }, (_, i) =>
      matrixFrobeniusUp(entries.subarray(i * cols, (i + 1) * cols)),
    );
    const q = norms.map((n) => Math.max(n, LEAST_Q));
    const rest = { lo: new Float64Array(rows), hi: new Float64Array(rows) };
    this.#first = { gram, rows: norms, q, terms: cols + 2, rest };
  }

  /** How far the first layer's pre-activations move. */
  start(): LinearForm {
    return this.#first;
  }

  /**
   * The form of layer `index` from that of the layer before and the slopes of the function between: each unit is
   * replaced by its middle slope (for a fixed unit, its slope) and what it may deviate from that.
   */
  next(before: LinearForm, radius: number, slopes: SlopeRange, index: number): LinearForm {
    const { rows, cols, entries } = this.#layers[index];
    const middle = middleSlopes(slopes);
    const bent = deviation(before, radius, slopes, middle);
    const scaled = new Float64Array(rows * cols);
    const q = new Float64Array(rows);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < cols; j++) {
        const a = entries[i * cols + j] * middle[j];
        scaled[i * cols + j] = a;
        q[i] += (Math.abs(a) + LEAST_WEIGHT) * before.q[j];
      }
    }
    const block = loaded(scaled, rows, cols);
    // C = (MS)K, columns of (MS)ᵀ as right-hand sides: BBᵀ of the next layer is C(MS)ᵀ.
    const left = new Float64Array(rows * cols);
    block.applyBlock(before.gram, cols, left);
    const product = loaded(left, rows, cols);
    const transposed = transpose(scaled, rows, cols);
    const gram = new Float64Array(rows * rows);
    product.applyBlock(transposed, rows, gram);
    block.release();
    product.release();
    const terms = before.terms + 2 * cols + 4;
    const slack = 1 + 4 * gamma(cols + 4);
    for (let i = 0; i < rows; i++) q[i] = Math.max(mulUp(q[i], slack), LEAST_Q);
    const error = 2 * gamma(terms);
    const norms = Float64Array.from({ length: rows }, (_, i) =>
      sqrtUp(addUp(Math.max(gram[i * rows + i], 0), mulUp(error, mulUp(q[i], q[i])))),
    );
    return { gram, rows: norms, q, terms, rest: this.#image(index, bent) };
  }

  /**
   * For each output j, the most by which output `label` minus output j of the last layer can fall from its value at
   * the centre.
   */
  falls(before: LinearForm, radius: number, slopes: SlopeRange, label: number): Float64Array {
    const { rows, cols, entries } = this.#layers.at(-1)!;
    const middle = middleSlopes(slopes);
    const bent = deviation(before, radius, slopes, middle);
    const row = (r: number) => entries.subarray(r * cols, (r + 1) * cols);
    return Float64Array.from({ length: rows }, (_, j) => {
      if (j === label) return 0;
      const other = row(j);
      const weights = row(label).map((a, i) => a - other[i]);
      return fallOf(weights, before, radius, middle, bent);
    });
  }

  #image(index: number, { lo, hi }: Box): Box {
    const { rows, cols, entries } = this.#layers[index];
    const out = { lo: new Float64Array(rows), hi: new Float64Array(rows) };
    const g = 2 * gamma(cols + 2);
    for (let i = 0; i < rows; i++) {
      let low = 0;
      let high = 0;
      let size = 0;
      let still = true;
      for (let j = 0; j < cols; j++) {
        const a = entries[i * cols + j];
        if (a === 0 || (lo[j] === 0 && hi[j] === 0)) continue;
        still = false;
        low += a * (a > 0 ? lo[j] : hi[j]);
        high += a * (a > 0 ? hi[j] : lo[j]);
        size += Math.abs(a) * Math.max(-lo[j], hi[j]);
      }
      const error = addUp(mulUp(g, size), UNDERFLOW);
      out.lo[i] = still ? 0 : below(low - error);
      out.hi[i] = still ? 0 : above(high + error);
    }
    return out;
  }
}

/** The most by which w·(activation) can fall; ∞ where something overflows. */
function fallOf(
  w: Float64Array,
  before: LinearForm,
  radius: number,
  middle: Float64Array,
  bent: Box,
): number {
  const n = w.length;
  const scaled = w.map((a, i) => a * middle[i]);
  let square = 0;
  let q = 0;
  let low = 0;
  let size = 0;
  for (let i = 0; i < n; i++) {
    let row = 0;
    for (let j = 0; j < n; j++) row += before.gram[i * n + j] * scaled[j];
    square += scaled[i] * row;
    q += (Math.abs(scaled[i]) + LEAST_WEIGHT) * before.q[i];
    low += w[i] * (w[i] > 0 ? bent.lo[i] : bent.hi[i]);
    size += Math.abs(w[i]) * Math.max(-bent.lo[i], bent.hi[i]);
  }
  // Both sums of magnitudes are themselves rounded, and each weight is a rounded difference: γ twice over covers it.
  const g = 4 * gamma(before.terms + 2 * n + 8);
  const most = Math.max(q, LEAST_Q);
  const norm = sqrtUp(addUp(Math.max(square, 0), mulUp(g, mulUp(most, most))));
  const fall = addUp(mulUp(norm, radius), addUp(Math.max(-low, 0), addUp(mulUp(g, size), UNDERFLOW)));
  return Number.isNaN(fall) ? Infinity : fall;
}

/** Moves of pre-activations over the ball: ±‖row‖·radius and the rest. */
export function movesOf({ rows, rest }: LinearForm, radius: number): Box {
  return {
    lo: rest.lo.map((t, i) => below(t - mulUp(rows[i], radius))),
    hi: rest.hi.map((t, i) => above(t + mulUp(rows[i], radius))),
  };
}

/** The slope of a fixed unit, the middle of an open one's. */
function middleSlopes({ min, max }: SlopeRange): Float64Array {
  return min.map((a, i) => (a === max[i] ? a : (a + max[i]) / 2));
}

/**
 * The rest after an activation: s·(rest before) plus f(z + Δ) − f(z) − sΔ, whose slopes in Δ lie in [α − s, β − s],
 * over the Δ that the form allows.
 */
function deviation(form: LinearForm, radius: number, { min, max }: SlopeRange, middle: Float64Array): Box {
  const moves = movesOf(form, radius);
  const n = min.length;
  const out = { lo: new Float64Array(n), hi: new Float64Array(n) };
  for (let i = 0; i < n; i++) {
    const s = middle[i];
    const [a, b] =
      s >= 0 ? [form.rest.lo[i] * s, form.rest.hi[i] * s] : [form.rest.hi[i] * s, form.rest.lo[i] * s];
    const fixed = min[i] === max[i];
    const [down, up] = fixed
      ? [0, 0]
      : [
          Math.min(below(min[i] - s) * moves.hi[i], above(max[i] - s) * moves.lo[i], 0),
          Math.max(above(max[i] - s) * moves.hi[i], below(min[i] - s) * moves.lo[i], 0),
        ];
    const still = fixed && (s === 0 || (form.rest.lo[i] === 0 && form.rest.hi[i] === 0));
    out.lo[i] = still ? 0 : below(below(a) + below(down));
    out.hi[i] = still ? 0 : above(above(b) + above(up));
  }
  return out;
}

function loaded(entries: Float64Array, rows: number, cols: number): RowBlock {
  const block = kernels().rowBlock("float64", rows, cols);
  block.load(new Uint8Array(entries.buffer, entries.byteOffset, entries.byteLength), 0);
  return block;
}

function symmetric(lower: Float64Array, n: number): Float64Array {
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) lower[j * n + i] = lower[i * n + j];
  return lower;
}
