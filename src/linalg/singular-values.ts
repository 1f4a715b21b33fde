import { productAnswers } from "./dense-bounds.ts";
import { OperatorError } from "./errors.ts";
import { explicitMatrix } from "./explicit.ts";
import { Lanczos } from "./lanczos.ts";
import type { LinearOperator } from "./operator.ts";
import { MAX_LANCZOS_STEPS } from "./probable.ts";
import { RandomStream } from "./random.ts";
import { runIteration } from "./requests.ts";
import { singularValuesSmall } from "./svd.ts";

/** Largest shorter side whose whole spectrum is found by a dense decomposition (a second or two at most). */
const DENSE_SIDE = 256;

/** Largest explicit matrix formed for that, 2²² numbers (32 MiB). */
const DENSE_ENTRIES = 2 ** 22;

export interface SingularValuesOptions {
  /** How many, largest first; default all for small operators, 16 for large ones. */
  readonly count?: number;
  /** Relative accuracy of each value of a large operator; default 1e-6. */
  readonly tolerance?: number;
  /** Start of the iteration; default 0. */
  readonly seed?: bigint | number;
}

export interface SingularValues {
  /** Decreasing. Computed values, not bounds. */
  readonly values: Float64Array;
  /** True when these are all of them, repeated ones included; otherwise a repeated value appears once. */
  readonly complete: boolean;
}

/**
 * Singular values of an operator: all of them where its shorter side is at most 256 (dense decomposition), otherwise
 * the leading distinct ones, by Lanczos with full reorthogonalisation. Fewer than asked come back when the rest had
 * not converged after 600 steps or is lost in rounding (at the default tolerance, below about σ₁/10,000).
 * @throws OperatorError when an option makes no sense or an entry is not finite.
 */
export function singularValues(
  operator: LinearOperator,
  options: SingularValuesOptions = {},
): SingularValues {
  const { rows, cols } = operator;
  const side = Math.min(rows, cols);
  const { count = side <= DENSE_SIDE ? side : 16, tolerance = 1e-6 } = options;
  if (!(Number.isSafeInteger(count) && count >= 1)) {
    throw new OperatorError("number of singular values", count, "an integer of at least 1");
  }
  if (!(tolerance > 0 && tolerance < 1))
    throw new OperatorError("tolerance", tolerance, "a number between 0 and 1");
  if (side <= DENSE_SIDE && rows * cols <= DENSE_ENTRIES) {
    const values = singularValuesSmall(explicitMatrix(operator), rows, cols);
    return { values: values.slice(0, count), complete: count >= side };
  }
  return {
    values: leading(operator, Math.min(count, side), tolerance, BigInt(options.seed ?? 0)),
    complete: false,
  };
}

function leading(operator: LinearOperator, count: number, tolerance: number, seed: bigint): Float64Array {
  const lanczos = new Lanczos(new RandomStream(seed).direction(operator.cols), 1);
  const answers = productAnswers(operator);
  let values: number[] = [];
  for (let check = 2 * count; ; check = Math.ceil(1.25 * check)) {
    runIteration(lanczos.run(Math.min(check, MAX_LANCZOS_STEPS)), answers);
    values = lanczos.leadingValues(count, tolerance);
    if (values.length >= count || lanczos.closed || lanczos.steps >= MAX_LANCZOS_STEPS) break;
  }
  lanczos.release();
  return Float64Array.from(values);
}
