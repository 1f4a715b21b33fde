import { product } from "./eclipse-products.ts";
import type { Stage } from "./eclipse-stage.ts";
import type { Factor } from "./eclipse-step.ts";

/** One stage on the way forward, as the way back needs it. */
export interface Trace {
  readonly stage: Stage;
  readonly factor: Factor;
  /** zᵀM_UU z, by which the stage's multipliers were scaled. */
  readonly size: number;
  readonly z: Float64Array;
  /** The reach behind the stage is stored multiplied by the square of this power of two. */
  readonly scale: number;
}

/** A symmetric matrix Σ sign·x xᵀ, one x per row. */
export interface Rows {
  readonly entries: Float64Array;
  readonly signs: readonly number[];
}

/**
 * The gradient of a merit with respect to the logarithms of all multipliers, and Σ of both terms as a guess of the
 * Hessian's diagonal. If Q = Σ x xᵀ is the derivative by the reach behind a stage, then with a = CVᵀx and
 * u = A⁻¹ M_U a the derivative by the reach before it is Σ q qᵀ, where q = a + u on the loose units, and the derivative
 * by log pⱼ is Σ pⱼ(rⱼ²(Vᵀx)ⱼ² − uⱼ²). That pⱼ follows the size zᵀMz of the reach adds a multiple of zzᵀ.
 * @param derivative of the merit by the last reach.
 */
export function backward(traces: readonly Trace[], derivative: Rows, count: number) {
  const gradient = new Float64Array(count);
  const curvature = new Float64Array(count);
  let rows = derivative;
  let to = count;
  for (const trace of traces.toReversed()) {
    const { units, activation } = trace.stage;
    const { loose } = activation;
    const k = loose.length;
    to -= k;
    const { pulled, terms } = pullBack(trace, rows.entries, rows.signs.length);
    rows.signs.forEach((sign, i) => {
      for (let j = 0; j < k; j++) {
        const gained = terms[i * 2 * k + k + j]!;
        const saved = terms[i * 2 * k + j]!;
        gradient[to + j]! += sign * (gained - saved);
        if (sign > 0) curvature[to + j]! += gained + saved;
      }
    });
    let total = 0;
    for (let j = 0; j < k; j++) total += gradient[to + j]!;
    const length = Math.sqrt(Math.abs(total) / trace.size);
    const last = pulled.length - units;
    loose.forEach((unit, j) => {
      pulled[last + unit] = length * trace.z[j]!;
    });
    rows = { entries: pulled, signs: [...rows.signs, Math.sign(total)] };
  }
  return { gradient, curvature };
}

/**
 * For each row x: q, with room for one row more; and (p u², p r²(Vᵀx)²) on the loose units. Bx stands for R⁻ᵀDM_U a,
 * so u = D R⁻¹ B x.
 */
function pullBack({ stage, factor, scale }: Trace, rows: Float64Array, count: number) {
  const { units, next, centered, activation } = stage;
  const { loose } = activation;
  const k = loose.length;
  const x = rows.map((value) => value * scale);
  const terms = product(x, factor.columns, count, next, 2 * k);
  const pulled = new Float64Array((count + 1) * units);
  pulled.set(product(x, centered, count, next, units));
  const width = k + next;
  const u = new Float64Array(k);
  for (let row = 0; row < count; row++) {
    const at = row * 2 * k;
    for (let i = k - 1; i >= 0; i--) {
      let sum = terms[at + i]!;
      for (let j = i + 1; j < k; j++) sum -= factor.rows[i * width + j]! * u[j]!;
      u[i] = sum / factor.rows[i * width + i]!;
    }
    loose.forEach((unit, i) => {
      const moved = factor.scales[i]! * u[i]!;
      pulled[row * units + unit]! += moved;
      terms[at + i] = factor.multipliers[i]! * moved * moved;
      terms[at + k + i]! *= terms[at + k + i]!;
    });
  }
  return { pulled, terms };
}
