import { dense } from "./dense.ts";
import { chainOf, type FirstGram, type RunMatrix } from "./eclipse-chain.ts";
import { type Functional, functionalsOf } from "./eclipse-functionals.ts";
import { gram } from "./eclipse-products.ts";
import { boundEach, boundWhole, powerOfTwoTimes } from "./eclipse-search.ts";
import { type Activation, activationOf, type SlopeRange } from "./eclipse-stage.ts";
import { checkInteger, checkLength, OperatorError } from "./errors.ts";
import { addUp, mulUp, scaleToUnit } from "./rounding.ts";
import { spectralNorm } from "./spectral-norm.ts";

export type { RunMatrix } from "./eclipse-chain.ts";
export type { SlopeRange } from "./eclipse-stage.ts";

/** Dense layers with elementwise functions between them: x → W₁ → φ₁ → W₂ → … → W_m. */
export interface DenseRun {
  readonly layers: readonly RunMatrix[];
  /** One per activation: layers.length − 1. */
  readonly slopes: readonly SlopeRange[];
}

/** What is worked out once per run, whatever the slopes. */
export interface PreparedRun {
  readonly layers: readonly RunMatrix[];
  /** Proved upper bounds of σ₁ of each layer's `entries`; null when an entry is not finite. */
  readonly norms: readonly number[] | null;
  /** null where the recursion is not tried. */
  readonly gram: FirstGram | null;
}

/** Wider layers are left to the product: one step takes n³ operations, minutes in all. */
const MAX_UNITS = 2048;

/**
 * @param layers kept by reference: do not change them while the run is in use.
 * @throws OperatorError when there is no layer, or shapes do not fit together.
 */
export function prepareRun(layers: readonly RunMatrix[]): PreparedRun {
  checkLayers(layers);
  const finite = layers.every(
    ({ entries, error }) => Number.isFinite(error) && entries.every(Number.isFinite),
  );
  if (!finite) return { layers, norms: null, gram: null };
  const norms = layers.map(({ entries, rows, cols }) => {
    const { upper } = spectralNorm(dense(entries, rows, cols), { guarantee: "proof", seed: 1n });
    return upper !== null && upper >= 0 ? upper : Number.POSITIVE_INFINITY;
  });
  const narrow = layers.length > 1 && layers.slice(0, -1).every(({ rows }) => rows <= MAX_UNITS);
  return { layers, norms, gram: narrow ? firstGram(layers[0]!) : null };
}

function firstGram({ entries, rows, cols }: RunMatrix): FirstGram {
  const scale = scaleToUnit(entries.reduce((most, x) => Math.max(most, Math.abs(x)), 0) || 1);
  const scaled = entries.map((x) => x * scale);
  return { entries: gram(scaled, rows, cols), rows, cols, scale };
}

/**
 * A proved upper bound of the Lipschitz constant, in the ℓ2 norm, of a run of dense layers whose activations have
 * these slopes; at most the product of the layers' norms and steepest slopes. null when nothing finite was proved.
 * @param slopes one per activation.
 * @throws OperatorError when there are not as many slopes as units, or a minimum exceeds its maximum.
 */
export function eclipseUpper(run: PreparedRun, slopes: readonly SlopeRange[]): number | null {
  const activations = activationsOf(run, slopes);
  if (run.norms === null || activations === null) return null;
  const { layers, norms } = run;
  const last = layers.length - 1;
  const product = through(features(run, activations), norms[last]!, layers[last]!.error);
  const bound = Math.min(total(product), chainBound(run, activations, product));
  return Number.isFinite(bound) ? bound : null;
}

function chainBound(
  { gram, layers }: PreparedRun,
  activations: readonly Activation[],
  product: Product,
): number {
  const tried = gram !== null && layers.at(-1)!.rows <= MAX_UNITS && total(product) > 0;
  if (!tried) return Number.POSITIVE_INFINITY;
  const chain = chainOf(gram, layers.slice(1), activations);
  if (chain === "constant") return product.excess;
  if (chain === null) return Number.POSITIVE_INFINITY;
  return sum(powerOfTwoTimes(boundWhole(chain), chain.exponent), product.excess);
}

/**
 * For each row f of `functionals` a proved upper bound of the Lipschitz constant of x ↦ f · (output of the run); at
 * most the product. ∞ where nothing finite was proved, null where that is so for all.
 * @param functionals row-major, count × rows of the last layer.
 * @throws OperatorError when there are not as many slopes as units, or a minimum exceeds its maximum, or the
 *   functionals have another length.
 */
export function eclipseFunctionals(
  run: PreparedRun,
  slopes: readonly SlopeRange[],
  functionals: Float64Array,
  count: number,
): Float64Array | null {
  const last = run.layers.at(-1)!;
  checkLength("functionals", functionals.length, count * last.rows);
  const activations = activationsOf(run, slopes);
  if (run.norms === null || activations === null || !functionals.every(Number.isFinite)) return null;
  const rows = functionalsOf(last, functionals, count);
  const before = features(run, activations);
  const products = rows.map(({ norm, error }) => through(before, norm, error));
  const chains = functionalBounds(run, activations, rows);
  const bounds = Float64Array.from(rows, ({ exponent }, i) => {
    const product = products[i]!;
    return powerOfTwoTimes(Math.min(total(product), sum(chains[i]!, product.excess)), exponent);
  });
  return count === 0 || bounds.some(Number.isFinite) ? bounds : null;
}

/** Bounds of the rows, each in its own scale, without what the true matrices may add. */
function functionalBounds(
  { gram, layers }: PreparedRun,
  activations: readonly Activation[],
  rows: readonly Functional[],
): Float64Array {
  const bounds = Float64Array.from(rows, ({ norm }) => (norm === 0 ? 0 : Number.POSITIVE_INFINITY));
  const live = [...rows.keys()].filter((i) => rows[i]!.norm > 0);
  const constant = activations.some(({ steepest }) => steepest === 0);
  if (gram === null || constant || live.length === 0 || live.length > MAX_UNITS) return bounds;
  const { cols } = layers.at(-1)!;
  const entries = new Float64Array(live.length * cols);
  live.forEach((i, place) => {
    entries.set(rows[i]!.entries, place * cols);
  });
  const last: RunMatrix = { rows: live.length, cols, entries, error: 0 };
  const chain = chainOf(gram, [...layers.slice(1, -1), last], activations);
  if (chain === null) return bounds;
  if (chain === "constant") return bounds.fill(0);
  boundEach(chain).forEach((bound, place) => {
    bounds[live[place]!] = powerOfTwoTimes(bound, chain.exponent);
  });
  return bounds;
}

/**
 * The product of norms and steepest slopes so far for the matrices as given, and what the true matrices may add:
 * with Ŵᵢ + Eᵢ in place of Ŵᵢ, ‖∏(Ŵᵢ + Eᵢ)Dᵢ − ∏ŴᵢDᵢ‖ ≤ (∏(σᵢ + ηᵢ) − ∏σᵢ)·∏|slope|.
 */
interface Product {
  readonly value: number;
  readonly excess: number;
}

function through({ value, excess }: Product, norm: number, error: number): Product {
  return {
    value: mulUp(value, norm),
    excess: sum(mulUp(excess, sum(norm, error)), mulUp(value, error)),
  };
}

function total({ value, excess }: Product): number {
  return sum(value, excess);
}

/** a + b rounded up, but exact where one of them is 0. */
function sum(a: number, b: number): number {
  return a === 0 || b === 0 ? a + b : addUp(a, b);
}

/** The product up to the last activation. */
function features({ norms, layers }: PreparedRun, activations: readonly Activation[]): Product {
  let product: Product = { value: 1, excess: 0 };
  activations.forEach(({ steepest }, i) => {
    const { value, excess } = through(product, norms![i]!, layers[i]!.error);
    product = { value: mulUp(value, steepest), excess: mulUp(excess, steepest) };
  });
  return product;
}

function activationsOf({ layers }: PreparedRun, slopes: readonly SlopeRange[]): readonly Activation[] | null {
  checkLength("slopes of a run", slopes.length, layers.length - 1);
  slopes.forEach(({ min, max }, i) => {
    const { rows } = layers[i]!;
    checkLength(`smallest slopes of activation ${i}`, min.length, rows);
    checkLength(`largest slopes of activation ${i}`, max.length, rows);
    const wrong = min.findIndex((low, j) => low > max[j]!);
    if (wrong >= 0) {
      throw new OperatorError(
        `slopes of unit ${wrong} of activation ${i}`,
        [min[wrong], max[wrong]],
        "min ≤ max",
      );
    }
  });
  if (!slopes.every(({ min, max }) => min.every(Number.isFinite) && max.every(Number.isFinite))) return null;
  return slopes.map(activationOf);
}

function checkLayers(layers: readonly RunMatrix[]): void {
  if (layers.length === 0) throw new OperatorError("layers of a run", "none", "at least one");
  layers.forEach(({ rows, cols, entries, error }, i) => {
    checkInteger(`rows of layer ${i}`, rows, 1);
    checkInteger(`columns of layer ${i}`, cols, 1);
    checkLength(`layer ${i}`, entries.length, rows * cols);
    if (i > 0) checkLength(`columns of layer ${i}`, cols, layers[i - 1]!.rows);
    if (error < 0) throw new OperatorError(`error of layer ${i}`, error, "a number of at least 0");
  });
}
