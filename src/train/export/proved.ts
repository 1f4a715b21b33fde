import { numpy as np } from "@jax-js/jax";
import type { Bound, Guarantee } from "../../linalg/bound.ts";
import { dense } from "../../linalg/dense.ts";
import { spectralNorm } from "../../linalg/spectral-norm.ts";
import type { NormOf } from "../controls/control.ts";
import { ruleOf } from "../controls/rules.ts";
import type { Shape } from "../types.ts";
import type { WeightSlot, WeightUse } from "../weight.ts";
import { ExportError } from "./errors.ts";

/** Numbers of a weight, as a layer uses it. */
export interface WeightNumbers {
  readonly data: Float32Array | Float64Array;
  readonly shape: Shape;
}

/** A weight whose promise is proved. */
export interface Kept {
  readonly data: Float32Array;
  readonly sigma: Bound;
  /** 1 − the factor that the weight was multiplied by to keep the promise; 0 where it kept it already. */
  readonly shrunkBy: number;
  /** The part of `shrunkBy` that the weight itself is to blame for: by so much its σ was above the cap for certain. */
  readonly excess: number;
}

/** Proofs choose random starts; the same weights give the same file. */
const SEED = 0n;

/** Attempts to come under the cap after rounding; each aims further below it than the one before. */
const ATTEMPTS = 12;

/** How far below the cap the first attempt aims: rounding to float32 moves σ by about as much. */
const AIM_BELOW = 1e-7;

/** A proof of the same weight from another random start, as in the audit of the file, agrees to 1e-14 or so. */
const MARGIN = 1e-9;

/** The largest σ that a weight's control promises, and of which norm; null where it promises none. */
export function promiseOf({ control }: WeightSlot): { readonly cap: number; readonly norm: NormOf } | null {
  return ruleOf(control).promise(control);
}

/** The interval of σ₁ of a weight: of its layer's operator, or of its kernel as a matrix. */
export async function normBound(
  { slot, inputShape }: WeightUse,
  { data, shape }: WeightNumbers,
  norm: NormOf,
  guarantee: Guarantee,
): Promise<Bound> {
  const operator =
    norm === "operator"
      ? slot.operator.exact(data, shape, inputShape)
      : dense(await matrixNumbers(slot, data, shape), ...slot.operator.matrix.shape(shape));
  return spectralNorm(operator, { guarantee, seed: SEED });
}

/**
 * A weight rounded to float32 with a proved σ ≤ cap: as it is where that holds, else multiplied by cap/upper, rounded and
 * proved again, a little lower each time.
 * @throws ExportError when no bound can be proved, none below the cap, or when nothing is left of the weight.
 */
export async function keepPromise(
  name: string,
  use: WeightUse,
  weight: WeightNumbers,
  promise: { readonly cap: number; readonly norm: NormOf },
): Promise<Kept> {
  const { cap, norm } = promise;
  let [factor, excess] = [1, 0];
  let sigma: Bound | undefined;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const data = scaled(weight.data, factor);
    sigma = await normBound(use, { data, shape: weight.shape }, norm, "proof");
    const { lower, upper } = sigma;
    if (attempt === 0) excess = Math.max(0, 1 - cap / lower);
    if (upper === null || !Number.isFinite(upper)) break;
    if (upper <= cap * (1 - MARGIN)) {
      checkKept(name, cap, weight.data, data);
      return { data, sigma, shrunkBy: 1 - factor, excess };
    }
    factor *= (cap / upper) * (1 - AIM_BELOW * 2 ** attempt);
  }
  throw new ExportError(
    `${name}: its control promises σ ≤ ${cap}, and no float32 multiple of it was proved to keep that ` +
      `(last proved interval: [${sigma?.lower}, ${sigma?.upper ?? "∞"}]). Choose a larger cap, or export without a control.`,
  );
}

/** @throws ExportError when nothing is left of a weight: zero keeps every promise, but is no layer. */
function checkKept(name: string, cap: number, before: ArrayLike<number>, after: Float32Array): void {
  if (after.some((value) => value !== 0) || !Array.prototype.some.call(before, (value) => value !== 0))
    return;
  throw new ExportError(
    `${name} rounds to zero in float32: its cap of ${cap} is below the numbers that the type can hold. Choose a larger cap.`,
  );
}

/** The float32 numbers nearest to a multiple. */
export function scaled(data: Float32Array | Float64Array, factor: number): Float32Array {
  return Float32Array.from(data, (value) => value * factor);
}

/** The numbers of a weight in the order of its matrix. */
async function matrixNumbers({ operator }: WeightSlot, data: Float32Array | Float64Array, shape: Shape) {
  // Reshaping places rather than numbers is exact for every type, on every device.
  const places = np.arange(data.length, undefined, undefined, { dtype: np.int32 }).reshape([...shape]);
  const order = await operator.matrix.of(places).data();
  return data.map((_, i) => data[order[i]!]!);
}
