import { Array as Tensor, tree } from "@jax-js/jax";
import type { Bound } from "../../linalg/bound.ts";
import { BAKED, effectiveWeight, factorName, hasFactor } from "../controlled.ts";
import type { NormOf } from "../controls/control.ts";
import { TrainError } from "../errors.ts";
import type { LayerValues, PlainArray } from "../graph-builder.ts";
import type { Module } from "../module.ts";
import type { Shape, Tree, Variables } from "../types.ts";
import type { WeightUse } from "../weight.ts";
import { checkFinite, jaxTree, numbersOf, plainTree } from "./arrays.ts";
import { keepPromise, promiseOf, scaled, type WeightNumbers } from "./proved.ts";

/** One weight of a network that was baked. */
export interface BakedWeight {
  /** Its path in the network: "0.2.weight". */
  readonly name: string;
  readonly use: WeightUse;
  /** What its control promises; null where it promises nothing. */
  readonly promise: { readonly cap: number; readonly norm: NormOf } | null;
  readonly values: PlainArray;
  /** The proved interval of the σ promised; null where nothing is promised. */
  readonly sigma: Bound | null;
  /** 1 − the factor that proving took; 0 where the weight kept its promise as it was. */
  readonly shrunkBy: number;
  /** The part of `shrunkBy` by which the weight was above its cap for certain; the rest is the width of the proof. */
  readonly excess: number;
}

/** A network's numbers, its weights as its layers use them. */
export interface Baked {
  readonly values: LayerValues;
  readonly weights: readonly BakedWeight[];
}

export interface BakeOptions {
  /** Whether weights are shrunk until their promises are proved; without it they are as the network uses them. */
  readonly prove: boolean;
  readonly onWeight?: ((name: string, index: number, count: number) => void) | undefined;
}

/** The name of a weight in a network. */
export function weightName({ path, slot }: WeightUse): string {
  return [...path, slot.name].join(".");
}

/**
 * A network's parameters and state in float32, every weight as its layer uses it: scaled by its control and its trained
 * factor, and with `prove` also by what makes its promise certain. Lends the variables, which are jax-js arrays.
 * @throws ExportError for numbers that are not finite, naming where they are, and for promises that cannot be proved.
 */
export async function bake(
  net: Module,
  variables: Variables,
  inputShape: Shape,
  options: BakeOptions,
): Promise<Baked> {
  const uses = net.weights(inputShape);
  const values = {
    params: await plainTree(variables.params, ""),
    state: await plainTree(withoutControls(variables.state, uses), ""),
  };
  const weights: BakedWeight[] = [];
  for (const [index, use] of uses.entries()) {
    const name = weightName(use);
    options.onWeight?.(name, index, uses.length);
    const weight = await weightInUse(name, use, variables);
    const promise = promiseOf(use.slot);
    const { data, ...kept } =
      options.prove && promise !== null
        ? await keepPromise(name, use, weight, promise)
        : { data: scaled(weight.data, 1), sigma: null, shrunkBy: 0, excess: 0 };
    const baked = { data, shape: weight.shape };
    weights.push({ name, use, promise, values: baked, ...kept });
    const layer = layerAt(values.params, use.path);
    layer[use.slot.name] = baked;
    if (hasFactor(use.slot)) delete layer[factorName(use.slot)];
  }
  return { values: { ...values, path: "" }, weights };
}

/** The numbers of a weight as its layer uses it: the product of the weight and its scale, not yet rounded. */
export async function weightInUse(
  name: string,
  use: WeightUse,
  { params, state }: Variables,
): Promise<WeightNumbers> {
  const { weight, scale } = effectiveWeight(use.slot, layerAt(params, use.path), layerAt(state, use.path));
  const { shape } = weight;
  const data = await numbersOf(weight);
  const factor = scale === undefined ? 1 : (await numbersOf(scale))[0]!;
  checkFinite(name, data);
  checkFinite(`${name}'s scale by its control`, [factor]);
  return { data: factor === 1 ? data : Float64Array.from(data, (value) => value * factor), shape };
}

/** Lends `compute` the baked numbers as jax-js arrays, its weights marked as baked: what `net.apply` takes. */
export async function usingBaked<T>(
  { values, weights }: Baked,
  compute: (variables: Variables) => Promise<T>,
): Promise<T> {
  const params = jaxTree(values.params);
  const state = jaxTree(values.state);
  try {
    return await compute({
      params,
      state: markBaked(
        state,
        weights.map(({ use }) => use),
      ),
    });
  } finally {
    tree.dispose([params, state]);
  }
}

/** A state without controls, so marked that layers use the weights they find in their parameters; its arrays are shared. */
export function markBaked(state: Tree, uses: readonly WeightUse[]): Tree {
  const marked = copied(state);
  for (const use of uses) layerAt(marked, use.path)[use.slot.name] = BAKED;
  return marked;
}

function withoutControls(state: Tree, uses: readonly WeightUse[]): Tree {
  const bare = copied(state);
  for (const use of uses) delete layerAt(bare, use.path)[use.slot.name];
  return bare;
}

/** Its objects and lists copied, its arrays shared. */
function copied(shared: Tree): Tree {
  if (Array.isArray(shared)) return shared.map(copied);
  if (shared instanceof Tensor) return shared;
  return Object.fromEntries(Object.entries(shared).map(([name, member]) => [name, copied(member)]));
}

/** The object of the layer at `path` in a composition's tree, its members by name. */
function layerAt<T>(root: T, path: readonly number[]): Record<string, T> {
  const layer = path.reduce<T | undefined>(
    (parent, index) => (Array.isArray(parent) ? (parent as readonly T[])[index] : undefined),
    root,
  );
  if (typeof layer === "object" && layer !== null && !Array.isArray(layer)) return layer as Record<string, T>;
  throw new TrainError(
    `There is no layer at "${path.join(".")}": these are not the params and state that this network's init made.`,
  );
}
