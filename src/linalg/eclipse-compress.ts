import type { Chain } from "./eclipse-chain.ts";
import { product } from "./eclipse-products.ts";
import { type Reach, reachOf } from "./eclipse-reach.ts";
import type { Stage } from "./eclipse-stage.ts";
import { stageProducts } from "./eclipse-step.ts";
import { transpose } from "./matrix.ts";

/**
 * A smaller chain with the same loose units, and the same bound for the same multipliers up to rounding, which is not
 * accounted for: only to search in. Between loose units a network is linear. Of the pre-activations z of a stage, the
 * stages behind it need the loose ones and G V C z, where G takes what they need in turn; with those as its units the
 * loose ones have slopes 0 ± r, the others slope 1, and the matrix is [G V_U, I].
 */
export function compressed(chain: Chain): Chain | null {
  const stages: Stage[] = [];
  let needed: Float64Array | null = null;
  let count = chain.stages.at(-1)!.next;
  for (const stage of chain.stages.toReversed()) {
    const { units, next, weights, centered, activation } = stage;
    const linear: Float64Array = needed === null ? centered : product(needed, centered, count, next, units);
    const behind: Float64Array = needed === null ? weights : product(needed, weights, count, next, units);
    stages.unshift(smallStage(stage, behind, count));
    const k: number = activation.loose.length;
    needed = new Float64Array((k + count) * units);
    activation.loose.forEach((unit, i) => {
      needed![i * units + unit] = 1;
    });
    needed.set(linear, k * units);
    count += k;
  }
  const first = restricted(chain.first, needed!, count, chain.stages[0]!.activation.loose);
  return first === null ? null : { ...chain, first, products: stageProducts(stages[0]!, first), stages };
}

/** Numbers of a stage's units, loose units, and of its matrix's rows. */
export interface StageSize {
  readonly units: number;
  readonly loose: number;
  readonly next: number;
}

/** The sizes of the compressed chain's stages. */
export function compressedSizes(stages: readonly StageSize[]): StageSize[] {
  let next = stages.at(-1)!.next;
  const sizes = stages.toReversed().map(({ loose }) => {
    const size = { units: loose + next, next, loose };
    next = size.units;
    return size;
  });
  return sizes.toReversed();
}

/** [G V_U, I] behind slopes 0 ± r and 1. */
function smallStage({ units, activation }: Stage, behind: Float64Array, count: number): Stage {
  const { loose } = activation;
  const k = loose.length;
  const width = k + count;
  const weights = new Float64Array(count * width);
  const centered = new Float64Array(count * width);
  for (let i = 0; i < count; i++) {
    loose.forEach((unit, j) => {
      weights[i * width + j] = behind[i * units + unit]!;
    });
    weights[i * width + k + i] = 1;
    centered[i * width + k + i] = 1;
  }
  return {
    activation: {
      ...activation,
      kept: Int32Array.from({ length: width }, (_, i) => i),
      center: Float64Array.from({ length: width }, (_, i) => (i < k ? 0 : 1)),
      loose: Int32Array.from({ length: k }, (_, i) => i),
    },
    units: width,
    next: count,
    weights,
    centered,
    frobenius: Math.sqrt(count),
  };
}

/** G M Gᵀ, where the first rows of G are unit vectors of the loose units. */
function restricted(
  { entries, n, exponent }: Reach,
  rows: Float64Array,
  count: number,
  loose: Int32Array,
): Reach | null {
  const k = loose.length;
  const combined = rows.subarray(k * n);
  const image = new Float64Array(count * n);
  loose.forEach((unit, i) => {
    image.set(entries.subarray(unit * n, (unit + 1) * n), i * n);
  });
  image.set(product(combined, entries, count - k, n, n), k * n);
  return reachOf(product(image, transpose(rows, count, n), count, n, count), count, 0, exponent);
}
