import { numpy as np, random } from "@jax-js/jax";
import type { LinearMap } from "../controls/power-iteration.ts";
import { TrainError } from "../errors.ts";
import type { Shape, Tensor } from "../types.ts";

/** As many as a single vector starts with. */
const STARTING_ITERATIONS = 15;

/** What is left of a vector after its projection on others is noise when this much shorter. */
const NEGLIGIBLE = 1e-6;

/**
 * A block of `rank` orthonormal approximations of the leading right singular vectors, [rank, ...input], from random ones.
 * Consumes `key`. `shapes` are those of one left and one right vector with a batch axis of 1.
 * @throws TrainError when the map has fewer singular values than `rank`.
 */
export function startingBlock(
  map: LinearMap,
  key: Tensor,
  rank: number,
  shapes: { readonly u: Shape; readonly v: Shape },
): Tensor {
  const [most, inputs] = [Math.min(size(shapes.u), size(shapes.v)), size(shapes.v)];
  if (rank > most) {
    throw new TrainError(
      `spectralPenalty: rank is ${rank}, but a weight maps [${shapes.v.slice(1)}] to [${shapes.u.slice(1)}] and has ${most} singular values. Lower rank, or leave that weight out.`,
    );
  }
  const start = random.normal(key, [rank, inputs]);
  const block = orthonormalRows(start, np.zeros([rank, inputs]));
  return iterateBlock(map, block.reshape([rank, ...shapes.v.slice(1)]), STARTING_ITERATIONS);
}

/**
 * Block power (subspace) iteration, `steps` times: every vector of the block through WᵀW, then Gram–Schmidt (Golub & Van Loan
 * §8.2). A vector that the map takes to zero, or that rounding cannot tell from those before it, stays, made orthogonal to
 * them. Consumes the block.
 */
export function iterateBlock(map: LinearMap, block: Tensor, steps: number): Tensor {
  const { shape } = block;
  const flat = [shape[0], size(shape.slice(1))];
  let current = block;
  for (let step = 0; step < steps; step++) {
    const images = map.apply(current.ref);
    const largest = np.max(np.abs(images.ref));
    const scaled = images.div(np.where(np.greater(largest.ref, 0), largest, 1));
    current = orthonormalRows(map.adjoint(scaled).reshape(flat), current.reshape(flat)).reshape([...shape]);
  }
  return current;
}

/** Gram–Schmidt on the rows, twice each; rows of `fallback` where nothing is left. Consumes both [k, n]. */
function orthonormalRows(rows: Tensor, fallback: Tensor): Tensor {
  const count = rows.shape[0];
  const spare = rowsOf(fallback, count);
  let basis: Tensor | undefined;
  rowsOf(rows, count).forEach((row, i) => {
    const before = lengthOf(row);
    const rest = orthogonalTo(basis, row);
    const usable = np.greater(lengthOf(rest), before.mul(NEGLIGIBLE));
    const unit = normalised(np.where(usable, rest, orthogonalTo(basis, spare[i])));
    basis = basis ? np.concatenate([basis, unit], 0) : unit;
  });
  return basis!;
}

/** The row without its projections on the orthonormal rows of `basis`. Lends the basis, consumes the row. */
function orthogonalTo(basis: Tensor | undefined, row: Tensor): Tensor {
  if (!basis) return row;
  let rest = row;
  for (let pass = 0; pass < 2; pass++) {
    const shares = np.matmul(rest.ref, np.transpose(basis.ref));
    rest = rest.sub(np.matmul(shares, basis.ref));
  }
  return rest;
}

/** The row with length 1; zero stays zero. Consumes it. */
function normalised(row: Tensor): Tensor {
  const length = lengthOf(row);
  return row.div(np.where(np.greater(length.ref, 0), length, 1));
}

/** Lends the row. */
function lengthOf(row: Tensor): Tensor {
  return np.sqrt(np.sum(np.square(row.ref)));
}

function rowsOf(block: Tensor, count: number): Tensor[] {
  return count === 1 ? [block] : np.split(block, count, 0);
}

function size(shape: Shape): number {
  return shape.reduce((all, n) => all * n, 1);
}
