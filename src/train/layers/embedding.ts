import { numpy as np, random } from "@jax-js/jax";
import { checkCount, checkOptions } from "../checks.ts";
import { effectiveWeight, initWeight } from "../controlled.ts";
import type { Control } from "../controls/control.ts";
import { uncontrolled } from "../controls/uncontrolled.ts";
import { TrainError } from "../errors.ts";
import { splitKey } from "../keys.ts";
import type { Module } from "../module.ts";
import { layerTree, lend } from "../trees.ts";
import type { Tensor } from "../types.ts";
import { arrayValue, layerValues } from "../values.ts";
import type { WeightSlot } from "../weight.ts";
import { int } from "./attributes.ts";
import { embeddingOperator } from "./embedding-operator.ts";
import { betweenSteps } from "./slots.ts";

export interface EmbeddingOptions {
  /** How the table is kept from being steep. Default: not at all. */
  readonly control?: Control;
}

/**
 * A row of a table for every id: ids of shape […axes], int32 from 0 to count − 1, → […axes, dim]. Parameter: `weight`
 * [count, dim], PyTorch's layout, normal with variance 1 at the start. Controls bound the table's norm σ₁; replacing one id by
 * another moves the output by the distance of their rows, √2·σ₁ at most.
 * @throws TrainError for counts that are not positive whole numbers, or unknown options; in `apply`, for ids of another type.
 */
export function embedding(count: number, dim: number, options: EmbeddingOptions = {}): Module {
  checkCount("embedding", "count", count);
  checkCount("embedding", "dim", dim);
  checkOptions("embedding", options, ["control"]);
  const slot: WeightSlot = {
    name: "weight",
    operator: embeddingOperator,
    control: options.control ?? uncontrolled,
  };

  return {
    kind: "embedding",

    outputShape: (inputShape) => [...inputShape, dim],

    init(key) {
      const [weightKey, controlKey] = splitKey(key, 2);
      return initWeight(slot, random.normal(weightKey, [count, dim]), [count], controlKey);
    },

    apply(params, state, ids) {
      checkIds(ids);
      const { weight, scale } = effectiveWeight(slot, layerTree(params), layerTree(state));
      // jax-js's jit adds up gradients of rows only if a computation has just written them, hence a product even with 1.
      const factor = scale ?? np.ones([dim], { dtype: weight.dtype });
      return { y: np.take(weight, ids, 0).mul(factor), state: lend(state) };
    },

    ...betweenSteps([{ slot, inputShape: () => [count] }]),

    emit(graph, input, values) {
      const table = arrayValue(layerValues(values).params, "weight");
      const weight = graph.weight(`${values.path}weight`, table);
      return {
        name: graph.node("Gather", [weight, input.name], { axis: int(0) }),
        shape: [...input.shape, dim],
      };
    },
  };
}

function checkIds(ids: Tensor): void {
  if (ids.dtype === np.int32 || ids.dtype === np.uint32) return;
  throw new TrainError(
    `embedding takes ids as whole numbers, an array of int32; got ${ids.dtype}. Convert with np.array(ids, { dtype: np.int32 }).`,
  );
}
