import { dense } from "../../linalg/dense.ts";
import { RandomStream } from "../../linalg/random.ts";
import { spectralNorm } from "../../linalg/spectral-norm.ts";
import { usingJax } from "../../train/export/arrays.ts";
import { bake } from "../../train/export/bake.ts";
import type { LayerValues } from "../../train/graph-builder.ts";
import { arrayValue, layerValues, memberValues } from "../../train/values.ts";
import type { DataArray, Shape, Variables } from "../../train.ts";
import type { Deep, PlainActivation } from "./network.ts";

/** A hidden layer in plain numbers: x ↦ activation(scale·(W x + bias) + shift). */
export interface PlainLayer {
  /** [outputs, inputs], rows one after another, as the layer uses it. */
  readonly weight: Float64Array;
  readonly bias: Float64Array;
  /** Of a batch normalisation in evaluation; 1 and 0 without one. */
  readonly scale: Float64Array;
  readonly shift: Float64Array;
  readonly activation: PlainActivation;
}

/** How far a change has grown behind every hidden layer, beside what proves that it cannot grow more. */
export interface Growth {
  /** ‖Δh_l‖/‖Δx‖, the mean over the examples for a change of 1e-6 in a random direction, in float64. */
  readonly growth: readonly number[];
  /** The product of the layers' spectral norms (guarantee "proof") up to l. */
  readonly bound: readonly number[];
}

/** The length of the change whose growth is followed: small enough for one linear piece, large enough for float64. */
const CHANGE = 1e-6;
const CHANGE_SEED = 4n;
/** Of the search that the proof is for: any gives a bound, one the same bound every time. */
const BOUND_SEED = 5n;
/** Of batch normalisation. */
const EPSILON = 1e-5;

/** What becomes of a small change on its way through the layers, as in evaluation. Lends the variables. */
export async function layerGrowth(
  deep: Deep,
  variables: Variables,
  x: DataArray,
  inputShape: Shape,
): Promise<Growth> {
  const layers = await plainLayers(deep, variables, inputShape);
  const stream = new RandomStream(CHANGE_SEED);
  const [count, size] = [x.shape[0], x.data.length / x.shape[0]];
  const sums = new Float64Array(layers.length);
  for (let e = 0; e < count; e++) {
    let h = Float64Array.from(x.data.subarray(e * size, (e + 1) * size));
    const direction = h.map(() => stream.normal());
    const scale = CHANGE / length(direction);
    let moved = h.map((value, i) => value + scale * direction[i]);
    layers.forEach((layer, l) => {
      h = through(layer, h);
      moved = through(layer, moved);
      sums[l] += length(moved.map((value, i) => value - h[i]));
    });
  }
  let product = 1;
  const bound = layers.map((layer) => {
    product *= layerNorm(layer);
    return product;
  });
  return { growth: Array.from(sums, (sum) => sum / count / CHANGE), bound };
}

/** One example through one layer. */
export function through(
  { weight, bias, scale, shift, activation }: PlainLayer,
  x: Float64Array,
): Float64Array<ArrayBuffer> {
  const sums = bias.map((offset, i) => {
    let sum = offset;
    for (let j = 0; j < x.length; j++) sum += weight[i * x.length + j] * x[j];
    return scale[i] * sum + shift[i];
  });
  return activation(sums);
}

/** σ₁ of diag(scale)·W from above; the activations stretch nothing. */
function layerNorm({ weight, scale }: PlainLayer): number {
  const columns = weight.length / scale.length;
  const scaled = weight.map((value, i) => value * scale[Math.floor(i / columns)]);
  return spectralNorm(dense(scaled, scale.length, columns), { guarantee: "proof", seed: BOUND_SEED }).upper!;
}

/** The hidden layers' numbers, weights as their controls make them. */
async function plainLayers(deep: Deep, variables: Variables, inputShape: Shape): Promise<PlainLayer[]> {
  const { values } = await usingJax(variables, (own) =>
    bake(deep.network, own, inputShape, { prove: false }),
  );
  return deep.hidden.map((_, l) => {
    const hidden = memberValues(values, l);
    const { params } = layerValues(memberValues(hidden, 0));
    const bias = Float64Array.from(arrayValue(params, "bias").data);
    const weight = Float64Array.from(arrayValue(params, "weight").data);
    const norm = deep.isNormalized ? memberValues(hidden, 1) : null;
    return { weight, bias, ...affineOf(norm, bias.length), activation: deep.activation };
  });
}

/** A batch normalisation in evaluation is an affine map; none is the identity. */
function affineOf(norm: LayerValues | null, units: number): Pick<PlainLayer, "scale" | "shift"> {
  if (norm === null) return { scale: new Float64Array(units).fill(1), shift: new Float64Array(units) };
  const { params, state } = layerValues(norm);
  const of = (values: typeof params, name: string) => Float64Array.from(arrayValue(values, name).data);
  const [gain, offset] = [of(params, "weight"), of(params, "bias")];
  const [mean, variance] = [of(state, "runningMean"), of(state, "runningVariance")];
  const scale = gain.map((value, i) => value / Math.sqrt(variance[i] + EPSILON));
  return { scale, shift: offset.map((value, i) => value - scale[i] * mean[i]) };
}

function length(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return Math.sqrt(sum);
}
