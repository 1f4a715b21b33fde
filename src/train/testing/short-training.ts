import { jit, numpy as np, random, tree } from "@jax-js/jax";
import { differentiate } from "../differentiate.ts";
import type { Module } from "../module.ts";
import type { Shape, Tensor, Tree, Variables } from "../types.ts";

export interface ShortTraining {
  readonly steps?: number;
  readonly learningRate?: number;
  readonly batch?: number;
  /** Further advances after the last step, until power iterations have converged. Default 60. */
  readonly settle?: number;
  /** Ids are below it; without it inputs are numbers. */
  readonly ids?: number;
  readonly seed?: number;
}

/**
 * A network after some steps of gradient descent towards random targets, an advance before and a projection after each. The variables belong to the caller.
 */
export async function trainedBriefly(
  net: Module,
  inputShape: Shape,
  options: ShortTraining = {},
): Promise<Variables> {
  const { steps = 30, learningRate = 0.1, batch = 8, settle = 60, ids, seed = 1 } = options;
  const [init, forX, forTargets] = [...random.split(random.key(seed), 3)];
  const x =
    ids === undefined
      ? random.normal(forX, [batch, ...inputShape])
      : np.floor(random.uniform(forX, [batch, ...inputShape]).mul(ids)).astype(np.int32);
  const targets = random.normal(forTargets, [batch, ...net.outputShape(inputShape)]);
  const step = jit((params: Tree, state: Tree, input: Tensor, wanted: Tensor) =>
    descended(net, { params, state }, input, wanted, learningRate),
  );
  let { params, state } = net.init(init, inputShape);
  for (let k = 0; k < steps; k++) {
    [params, state] = step(params as never, state as never, x.ref, targets.ref) as unknown as [Tree, Tree];
  }
  tree.dispose([x, targets]);
  const advance = jit((lent: Tree, moving: Tree) => {
    const advanced = net.advance(lent, moving);
    tree.dispose([lent, moving] as never);
    return advanced;
  });
  for (let k = 0; k < settle; k++) {
    state = advance(tree.ref(params as never), state as never) as unknown as Tree;
  }
  return { params, state };
}

/** One step; consumes everything. */
function descended(
  net: Module,
  { params, state }: Variables,
  x: Tensor,
  targets: Tensor,
  learningRate: number,
): [Tree, Tree] {
  const advanced = net.advance(params, state);
  const { loss, aux, gradient } = differentiate((lent) => {
    const { y, state: next } = net.apply(lent, advanced, x.ref, { training: true });
    return { loss: np.mean(np.square(y.sub(targets.ref))), aux: next };
  }, params);
  const moved = tree.map(
    (weight: Tensor, slope: Tensor) => weight.sub(slope.mul(learningRate)),
    params as never,
    gradient as never,
  ) as unknown as Tree;
  const projected = net.project(moved, aux);
  tree.dispose([loss, x, targets, state, advanced, aux, moved] as never);
  return [projected.params, projected.state];
}
