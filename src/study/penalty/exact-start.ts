import { numpy as np, tree } from "@jax-js/jax";
import { singularValueDecomposition } from "../../linalg/svd.ts";
import type { StatefulPenalty, Tensor, Tree } from "../../train.ts";

/**
 * A spectral penalty whose vectors start as the leading right singular vectors themselves, by a decomposition: exact, and on
 * one core faster than its own start, which iterates op by op.
 * @param rank the penalty's.
 */
export function startedExactly(penalty: StatefulPenalty, rank: number): StatefulPenalty {
  return {
    ...penalty,
    init(params, key) {
      key.dispose();
      return weightsIn(params).map((weight) => {
        const [rows, columns] = weight.shape;
        const values = Float64Array.from(weight.ref.dataSync() as Float32Array);
        const { v, s } = singularValueDecomposition(values, rows, columns);
        const leading = Float32Array.from(
          { length: rank * columns },
          (_, at) => v[(at % columns) * s.length + Math.floor(at / columns)],
        );
        return np.array(leading, { shape: [rank, columns] });
      });
    },
  };
}

/** The weights of dense layers in a network's parameters, first layer first; lent. */
export function weightsIn(params: Tree): Tensor[] {
  return (tree.leaves(params as never) as Tensor[]).filter(({ shape }) => shape.length === 2);
}
