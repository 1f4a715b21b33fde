import { numpy as np } from "@jax-js/jax";
import type { Effective, Held } from "./controls/rule.ts";
import { ruleOf } from "./controls/rules.ts";
import { checkOwnCopy } from "./own-copy.ts";
import { arrayIn } from "./trees.ts";
import type { LayerTree, Shape, Tensor } from "./types.ts";
import type { WeightSlot } from "./weight.ts";

/**
 * What every layer with weights does with them: a slot's weight is `params[name]`, the trained factor of its control
 * `params[nameScale]`, and the control's state `state[name]`.
 */

/** Parameters and state of a slot, from its starting weight. Consumes `weight` and `key`. */
export function initWeight(slot: WeightSlot, weight: Tensor, inputShape: Shape, key: Tensor) {
  const rule = ruleOf(slot.control);
  const started = rule.init(slot.control, { operator: slot.operator, weight }, inputShape, key);
  weight.dispose();
  const params: LayerTree = { [slot.name]: started.weight };
  if (hasFactor(slot)) params[factorName(slot)] = np.ones([], { dtype: started.weight.dtype });
  return { params, state: { [slot.name]: started.state } as LayerTree };
}

/** Controlled weight times inputs, without the bias: [batch, ...input] → [batch, ...output]. Consumes `x`. */
export function applyWeight(slot: WeightSlot, params: LayerTree, state: LayerTree, x: Tensor): Tensor {
  checkOwnCopy("x, the input of a layer,", x);
  const output = cheapOutput(slot, params, state, x);
  if (output) return output;
  const { weight, scale } = effectiveWeight(slot, params, state);
  const y = slot.operator.apply(weight, x);
  return scale ? y.mul(scale) : y;
}

/** The same by the control's own way around the weight, where it has one. Consumes `x` if so. */
function cheapOutput(slot: WeightSlot, params: LayerTree, state: LayerTree, x: Tensor): Tensor | undefined {
  if (state[slot.name] === BAKED) return undefined;
  return ruleOf(slot.control).output?.(slot.control, held(slot, params), stateOf(slot, state), x);
}

/** In a state, in the place of a weight's control: the weight is baked, the layer uses it as it stands. */
export const BAKED: LayerTree = Object.freeze({});

/** The weight a layer uses and the scalar that multiplies its output; see `Effective`. */
export function effectiveWeight(slot: WeightSlot, params: LayerTree, state: LayerTree): Effective {
  if (state[slot.name] === BAKED) return { weight: arrayIn(params, slot.name).ref };
  return ruleOf(slot.control).effective(slot.control, held(slot, params), stateOf(slot, state));
}

/** The state of a slot, one step further. */
export function advanceWeight(slot: WeightSlot, params: LayerTree, state: LayerTree): LayerTree {
  return {
    [slot.name]: ruleOf(slot.control).advance(slot.control, held(slot, params), stateOf(slot, state)),
  };
}

/** Parameters and state of a slot, moved into the set its control allows. */
export function projectWeight(slot: WeightSlot, params: LayerTree, state: LayerTree) {
  const moved = ruleOf(slot.control).project(slot.control, held(slot, params), stateOf(slot, state));
  const projected: LayerTree = { [slot.name]: moved.weight };
  if (hasFactor(slot)) {
    projected[factorName(slot)] = np.clip(arrayIn(params, factorName(slot)).ref, -1, 1);
  }
  return { params: projected, state: { [slot.name]: moved.state } as LayerTree };
}

/** The name of the trained factor of a control with `learnableScale`. */
export function factorName(slot: WeightSlot): string {
  return `${slot.name}Scale`;
}

export function hasFactor(slot: WeightSlot): boolean {
  return slot.control.kind === "spectralNorm" && slot.control.learnableScale;
}

function held(slot: WeightSlot, params: LayerTree): Held {
  const weight = arrayIn(params, slot.name);
  if (!hasFactor(slot)) return { operator: slot.operator, weight };
  return { operator: slot.operator, weight, factor: arrayIn(params, factorName(slot)) };
}

function stateOf(slot: WeightSlot, state: LayerTree): LayerTree {
  return (state[slot.name] ?? {}) as LayerTree;
}
