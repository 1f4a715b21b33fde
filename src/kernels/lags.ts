import { expectSize } from "./checks.ts";
import { gamma, inflated, SQRT2_UP } from "./gram-error.ts";
import type { TapLattice } from "./types.ts";

/** Lags q − r between the taps of a lattice, a lag and its opposite counted once. */
export interface Lags {
  /** Number of lags; lag 0 is the difference 0. */
  readonly count: number;
  /** Triples q ≥ r, lag. */
  readonly pairs: Uint32Array;
}

/** @throws RangeError unless `taps` taps lie on the lattice. */
export function lagsOf(lattice: TapLattice, taps: number): Lags {
  for (const size of lattice.size) expectSize("taps per axis", size, 1);
  if (lattice.size.reduce((a, b) => a * b, 1) !== taps) {
    throw new RangeError(`a lattice of ${lattice.size.join(" × ")} taps does not hold ${taps}`);
  }
  const numbers = new Map<string, number>();
  const pairs: number[] = [];
  for (let q = 0; q < taps; q++) {
    for (let r = 0; r <= q; r++) {
      const key = difference(lattice.size, q, r).join();
      const lag = numbers.get(key) ?? numbers.size;
      numbers.set(key, lag);
      pairs.push(q, r, lag);
    }
  }
  return { count: numbers.size, pairs: Uint32Array.from(pairs) };
}

/** Per axis, q − r. */
function difference(size: readonly number[], q: number, r: number): number[] {
  const result: number[] = [];
  for (let axis = size.length - 1; axis >= 0; axis--) {
    const n = size[axis]!;
    result.push((q % n) - (r % n));
    q = Math.floor(q / n);
    r = Math.floor(r / n);
  }
  return result;
}

/** Lags weighed for one frequency. */
export interface LagWeights {
  /** Per lag the real and imaginary part of Σ z_q z̄_r over the aliases, of one of its pairs. */
  readonly weights: Float64Array;
  /** ≥ ‖fl(G) − G‖_F / ρ²; see `weighLags`. */
  readonly error: number;
}

/**
 * The weights of the lags at z_q = cos − i·sin, and a bound of the error of the Gram matrix made from them, relative
 * to ρ² = ‖P‖_F², P = Σ_q |W_q|.
 *
 * Let F̂ = Σ_q W_q z_q per alias, exactly, and F̃ what is stored; a aliases, T taps, w = max |cos|, |sin|. Then
 * F̂F̂ᴴ = Σ_{q,r} W_q W_rᵀ ẑ_qr with ẑ_qr = Σ_aliases z_q z̄_r, and N = Σ_{q,r} |W_q||W_r|ᵀ = P Pᵀ, ‖N‖_F ≤ ρ².
 *
 * 1. Each part of an entry is a sum of products (W·W)·weight, each rounded at most k = `roundings` times, and the weights
 *    are at most z: both parts differ from Σ W_q W_rᵀ z_lag by at most γ_k·z·N.
 * 2. All pairs of a lag get one weight. Parts of ẑ_qr are computed within γ_{2a+1}·2aw² (2a products of size ≤ w²)
 *    and the computed ones differ by at most `spread` from the weight: with δ = spread + 2aw²·γ_{2a+1}, both
 *    parts change by at most δ·N.
 * 3. |F̃ − F̂| ≤ γ_T·w·P in both parts, so ‖F̃ − F̂‖_F ≤ √(2a)·γ_T·w·ρ, ‖F̂‖_F ≤ √(2a)·w·ρ, and
 *    ‖F̃F̃ᴴ − F̂F̂ᴴ‖_F ≤ ‖F̃ − F̂‖_F·(2‖F̂‖_F + ‖F̃ − F̂‖_F) ≤ 2a·w²·γ_T·(2 + γ_T)·ρ² ≤ 5a·w²·γ_T·ρ².
 *
 * Together ‖fl(G) − F̃F̃ᴴ‖_F ≤ (√2·(γ_k·z + δ) + 5a·w²·γ_T)·ρ². Nothing is assumed of the waves: where they do not
 * belong to the lattice, `spread` says so.
 */
export function weighLags(
  { count, pairs }: Lags,
  cos: Float64Array,
  sin: Float64Array,
  aliases: number,
  roundings: number,
): LagWeights {
  const taps = cos.length / aliases;
  const weights = new Float64Array(2 * count).fill(Number.NaN);
  let spread = 0;
  for (let p = 0; p < pairs.length; p += 3) {
    const lag = 2 * pairs[p + 2]!;
    let re = 0;
    let im = 0;
    for (let j = 0; j < aliases; j++) {
      const q = j * taps + pairs[p]!;
      const r = j * taps + pairs[p + 1]!;
      re += cos[q]! * cos[r]! + sin[q]! * sin[r]!;
      im += cos[q]! * sin[r]! - sin[q]! * cos[r]!;
    }
    if (Number.isNaN(weights[lag]!)) {
      weights[lag] = re;
      weights[lag + 1] = im;
    }
    spread = Math.max(spread, Math.abs(re - weights[lag]!), Math.abs(im - weights[lag + 1]!));
  }
  const z = largest(weights);
  const square = aliases * Math.max(largest(cos), largest(sin)) ** 2;
  const delta = spread + 2 * square * gamma(2 * aliases + 1);
  return {
    weights,
    error: inflated(SQRT2_UP * (gamma(roundings) * z + delta) + 5 * square * gamma(taps)),
  };
}

function largest(values: Float64Array): number {
  let max = 0;
  for (const value of values) max = Math.max(max, Math.abs(value));
  return max;
}

/** An upper bound of ρ² = Σ_{i,c} (Σ_q |W_q[i,c]|)², taps fastest. */
export function magnitude(kernel: Float64Array, taps: number): number {
  let total = 0;
  for (let start = 0; start < kernel.length; start += taps) {
    let sum = 0;
    for (let q = 0; q < taps; q++) sum += Math.abs(kernel[start + q]!);
    total += sum * sum;
  }
  return inflated(total * (1 + (kernel.length / taps + 2 * taps + 4) * 2 ** -52));
}
