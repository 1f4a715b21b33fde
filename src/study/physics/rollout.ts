import { numpy as np } from "@jax-js/jax";
import { compile, type NativeArray, toNative } from "../../compile.ts";
import type { Tensor } from "../../train.ts";
import type { Activation, Perceptron } from "./perceptron.ts";
import type { System } from "./systems.ts";

/** A learned step run on from its own results. */
export interface Rollout {
  /** The steps that are kept, from 0. */
  readonly steps: readonly number[];
  /** The states at those steps, one after another. */
  readonly states: readonly Float32Array[];
  /** The largest |x| on the whole way up to each step kept, for each state; Infinity once there was a NaN. */
  readonly peaks: readonly Float64Array[];
}

type Layers = { weight: Tensor; bias: Tensor }[];

/** x ← x + h·f(x), x first moved by the coarse solver where there is one, from several starts at once, in float32. */
export async function rollOut(
  system: System,
  f: Perceptron,
  starts: Float64Array,
  { calls, chunk }: { readonly calls: number; readonly chunk: number },
): Promise<Rollout> {
  const { size, coarse } = system;
  const count = starts.length / size;
  const step = compile((layers: Layers, matrices: Tensor[], x: Tensor) => {
    let at = x;
    let peak = np.zeros([count]);
    for (let i = 0; i < chunk; i++) {
      at = advanced(system, layers, f.activation, matrices, at);
      peak = np.maximum(peak, np.max(np.abs(at.ref), 1));
    }
    return { x: at, peak };
  });
  const layers = f.layers.map(({ inputs, outputs, weight, bias }) => ({
    weight: toNative(transposed(weight, outputs, inputs), [inputs, outputs]),
    bias: toNative(Float32Array.from(bias), [outputs]),
  }));
  const matrices = (coarse === null ? [] : [coarse.linear, coarse.product]).map((matrix) =>
    toNative(transposed(matrix, size, size), [size, size]),
  );
  const first = Float32Array.from(starts);
  const found = { steps: [0], states: [first], peaks: [peaksOf(first, count)] };
  let x: NativeArray = toNative(first, [count, size]);
  for (let call = 1; call <= calls; call++) {
    const held = layers.map(({ weight, bias }) => ({ weight: weight.ref, bias: bias.ref }));
    const next = await step(
      held,
      matrices.map((matrix) => matrix.ref),
      x,
    );
    x = next.x;
    const before = found.peaks.at(-1)!;
    const peaks = (await next.peak.data()) as Float32Array;
    found.steps.push(call * chunk);
    found.states.push((await x.ref.data()) as Float32Array<ArrayBuffer>);
    found.peaks.push(before.map((peak, i) => Math.max(peak, Number.isNaN(peaks[i]) ? Infinity : peaks[i])));
  }
  x.dispose();
  for (const { weight, bias } of layers) for (const array of [weight, bias]) array.dispose();
  for (const matrix of matrices) matrix.dispose();
  step.dispose();
  return found;
}

function advanced(
  { size, window, h, coarse }: System,
  layers: Layers,
  activation: Activation,
  [linear, product]: Tensor[],
  x: Tensor,
): Tensor {
  let from = x;
  for (let i = 0; i < (coarse?.substeps ?? 0); i++) {
    from = np.matmul(from.ref, linear.ref).add(np.matmul(np.square(from), product.ref));
  }
  let y = window === null ? from.ref : windowsOf(from.ref, size, window);
  layers.forEach(({ weight, bias }, i) => {
    y = np.matmul(y, weight.ref).add(bias.ref);
    if (i < layers.length - 1) y = activation === "tanh" ? np.tanh(y) : np.maximum(y, 0);
  });
  return from.add((window === null ? y : y.reshape([-1, size])).mul(h));
}

/** The `window` points around each point of the circle: [count, size] → [count, size, window]. Consumes x. */
function windowsOf(x: Tensor, size: number, window: number): Tensor {
  const half = window >> 1;
  const around = np.concatenate([x.ref.slice([], [size - half, size]), x.ref, x.slice([], [0, half])], 1);
  const shifted = Array.from({ length: window }, (_, j) => around.ref.slice([], [j, j + size]));
  around.dispose();
  return np.stack(shifted, 2);
}

function peaksOf(states: Float32Array, count: number): Float64Array {
  const size = states.length / count;
  return Float64Array.from({ length: count }, (_, i) =>
    states.subarray(i * size, (i + 1) * size).reduce((most, value) => Math.max(most, Math.abs(value)), 0),
  );
}

function transposed(matrix: ArrayLike<number>, rows: number, columns: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    { length: rows * columns },
    (_, at) => matrix[(at % rows) * columns + Math.floor(at / rows)],
  );
}
