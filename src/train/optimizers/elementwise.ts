import { numpy as np } from "@jax-js/jax";
import { TrainError } from "../errors.ts";
import { atLeastFloat32 } from "../layers/precision.ts";
import type { LayerTree, Tensor, Tree } from "../types.ts";
import { leavesLike, leavesOf, treeLike } from "./leaves.ts";
import type { Optimizer } from "./optimizer.ts";
import { type LearningRate, rateAt } from "./rate.ts";

/** Scalars of one step by name, the same for every parameter. */
export type Scalars = Readonly<Record<string, Tensor>>;

/** One parameter in a step, all in at least float32: the parameter, its gradient, and its statistics by position. */
export interface Entry {
  readonly param: Tensor;
  readonly gradient: Tensor;
  readonly statistics: readonly Tensor[];
}

/** An optimiser that treats every entry of every parameter alike. */
export interface ElementwiseRule {
  readonly kind: string;
  readonly learningRate: LearningRate;
  /** Names of the arrays kept for each parameter; they start at zero. */
  readonly statistics: readonly string[];
  /** Decay rates β of averages that started at zero, by name: the step is given 1 − βᵗ under that name. */
  readonly averages?: Readonly<Record<string, number>>;
  /** The scalars of a step, from its rate and the 1 − βᵗ of its averages; consumes both. */
  scalars(rate: Tensor, corrections: Scalars): Scalars;
  /** One step of one parameter; consumes the entry, `scalars` are lent. */
  step(entry: Entry, scalars: Scalars): { param: Tensor; statistics: readonly Tensor[] };
}

/** The optimiser of an elementwise rule. Its state is { step, …averages, …statistics }. */
export function elementwise(rule: ElementwiseRule): Optimizer {
  const averages = Object.entries(rule.averages ?? {});
  return {
    kind: rule.kind,

    init(params) {
      const state: LayerTree = { step: np.zeros([], { dtype: np.int32 }) };
      for (const [name] of averages) state[name] = np.zeros([], { dtype: np.float32 });
      for (const name of rule.statistics) state[name] = treeLike(params, leavesOf(params).map(zerosFor));
      return state;
    },

    update(gradient, state, params) {
      const gradients = leavesLike("The gradient", gradient, params);
      const step = member(rule.kind, state, "step") as Tensor;
      const corrections = Object.fromEntries(
        averages.map(([name, decay]) => [
          name,
          nextCorrection(member(rule.kind, state, name) as Tensor, decay),
        ]),
      );
      const kept: LayerTree = { step: step.ref.add(1) };
      for (const [name] of averages) kept[name] = corrections[name].ref;
      const scalars = rule.scalars(rateAt(rule.learningRate, step.ref), corrections);
      const old = rule.statistics.map((name) =>
        leavesLike(`"${name}" of the state`, member(rule.kind, state, name), params),
      );

      const stepped = leavesOf(params).map((param, i) => {
        const entry = {
          param: atLeastFloat32(param.ref),
          gradient: atLeastFloat32(gradients[i]),
          statistics: old.map((leaves) => leaves[i].ref),
        };
        const next = rule.step(entry, scalars);
        return { param: next.param.astype(param.dtype), statistics: next.statistics };
      });
      for (const scalar of Object.values(scalars)) scalar.dispose();
      rule.statistics.forEach((name, s) => {
        kept[name] = treeLike(
          params,
          stepped.map(({ statistics }) => statistics[s]),
        );
      });
      return {
        params: treeLike(
          params,
          stepped.map(({ param }) => param),
        ),
        state: kept,
      };
    },
  };
}

/**
 * 1 − βᵗ from 1 − βᵗ⁻¹: c + (1−β)(1−c). Unlike 1 minus a power it keeps its relative accuracy while β is near 1 and t small.
 * Lends the correction.
 */
function nextCorrection(correction: Tensor, decay: number): Tensor {
  return correction.ref
    .neg()
    .add(1)
    .mul(1 - decay)
    .add(correction.ref);
}

function zerosFor(param: Tensor): Tensor {
  const dtype = param.dtype === np.float16 ? np.float32 : param.dtype;
  return np.zeros([...param.shape], { dtype });
}

function member(kind: string, state: Tree, name: string): Tree {
  const found = (state as LayerTree)?.[name];
  if (found !== undefined) return found;
  throw new TrainError(
    `The state given to ${kind} has no "${name}": it is not what this ${kind}'s init made. Each optimiser needs its own state.`,
  );
}
