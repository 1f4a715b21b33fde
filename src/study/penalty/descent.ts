import { numpy as np, random, tree } from "@jax-js/jax";
import { compile, toNative } from "../../compile.ts";
import { deriveSeed, RandomStream } from "../../linalg/random.ts";
import { singularValueDecomposition, singularValuesSmall } from "../../linalg/svd.ts";
import {
  differentiate,
  frobenius,
  linear,
  type StatefulPenalty,
  spectralPenalty,
  type Tensor,
  type Tree,
} from "../../train.ts";
import { startedExactly } from "./exact-start.ts";
import type { TopPenalty } from "./flow.ts";

export interface DescentOptions {
  /** `rank` as large as the spectrum stands for weight decay. */
  readonly penalty: TopPenalty;
  /** Columns of the matrix, at least as many as the spectrum has values; it has a row for each value. */
  readonly columns: number;
  readonly lambda: number;
  readonly steps: number;
  /** Of a step, from 0. */
  readonly stepSize: (step: number) => number;
  /** Adds ½‖X − W‖_F² to the objective, W being the start: its minimiser is the proximal map of W. */
  readonly anchored: boolean;
}

/** Power iterations before each step: enough to follow singular values that meet. */
const ITERATIONS = 20;

/**
 * The singular values after gradient descent on a penalty alone, with the penalties of `lipschitz/train` in float32, from a
 * matrix with this spectrum and random singular vectors.
 */
export async function descend(spectrum: Float64Array, options: DescentOptions): Promise<Float64Array> {
  const { columns, steps, stepSize } = options;
  const rows = spectrum.length;
  const start = Float32Array.from(matrixWith(spectrum, columns));
  const penalty = penaltyFor(options, rows);
  const step = compile(descentStep(penalty, options.anchored), { threads: 1 });
  const origin = toNative(start, [rows, columns]);
  let weight = toNative(start, [rows, columns]);
  const params = { weight: np.array(start, { shape: [rows, columns] }) };
  let vectors = penalty.init(params, random.key(1)) as never;
  tree.dispose(params);
  for (let k = 0; k < steps; k++) {
    const moved = await step(weight, origin.ref, vectors, stepSize(k));
    weight = moved.weight;
    vectors = moved.vectors as never;
  }
  const values = Float64Array.from((await weight.data()) as Float32Array);
  tree.dispose([origin, vectors] as never);
  step.dispose();
  return singularValuesSmall(values, rows, columns);
}

function descentStep(penalty: StatefulPenalty, anchored: boolean) {
  return (weight: Tensor, origin: Tensor, vectors: Tree, size: Tensor) => {
    const params = { weight };
    const advanced = penalty.advance(params, vectors);
    const { gradient, loss } = differentiate((lent) => {
      const value = penalty.value(lent, advanced);
      if (!anchored) return { loss: value, aux: {} };
      const change = lent.weight.ref.sub(origin.ref);
      return { loss: value.add(np.sum(np.square(change)).mul(0.5)), aux: {} };
    }, params);
    const next = weight.ref.sub(gradient.weight.mul(size));
    tree.dispose([loss, params, origin, vectors] as never);
    return { weight: next, vectors: advanced };
  };
}

function penaltyFor({ penalty, columns, lambda }: DescentOptions, rows: number): StatefulPenalty {
  const weights = linear(rows, { bias: false }).weights([columns]);
  const { power, rank } = penalty;
  if (rank < rows) {
    return startedExactly(spectralPenalty(weights, lambda, { power, rank, iterations: ITERATIONS }), rank);
  }
  return {
    init(_params, key) {
      key.dispose();
      return [];
    },
    advance: () => [],
    value: (params) => frobenius(weights, params, lambda),
  };
}

/** A matrix with this spectrum, row-major, singular vectors random. */
function matrixWith(spectrum: Float64Array, columns: number): Float64Array {
  const rows = spectrum.length;
  const stream = new RandomStream(deriveSeed(1n, columns));
  const noise = Float64Array.from({ length: rows * columns }, () => stream.normal());
  const { u, v } = singularValueDecomposition(noise, rows, columns);
  return Float64Array.from(noise, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    return spectrum.reduce((sum, value, l) => sum + value * u[i * rows + l] * v[j * rows + l], 0);
  });
}
