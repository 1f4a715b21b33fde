import { tree } from "@jax-js/jax";
import { advanceWeight, projectWeight } from "../controlled.ts";
import type { Module } from "../module.ts";
import { layerTree } from "../trees.ts";
import type { LayerTree, Shape } from "../types.ts";
import type { WeightSlot } from "../weight.ts";

/** A slot, and the shape of its operator's input for one input of the layer. */
export interface SlotOfLayer {
  readonly slot: WeightSlot;
  readonly inputShape: (layerInput: Shape) => Shape;
}

/** What every layer with controlled weights does between steps: advance, project, and say which weights it holds. */
export function betweenSteps(slots: readonly SlotOfLayer[]): Pick<Module, "advance" | "project" | "weights"> {
  return {
    advance(params, state) {
      const own = layerTree(state);
      return replaceIn(
        own,
        slots.map(({ slot }) => advanceWeight(slot, layerTree(params), own)),
      );
    },

    project(params, state) {
      const [ownParams, ownState] = [layerTree(params), layerTree(state)];
      const moved = slots.map(({ slot }) => projectWeight(slot, ownParams, ownState));
      return {
        params: replaceIn(
          ownParams,
          moved.map((part) => part.params),
        ),
        state: replaceIn(
          ownState,
          moved.map((part) => part.state),
        ),
      };
    },

    weights: (layerInput) =>
      slots.map(({ slot, inputShape }) => ({ path: [], slot, inputShape: inputShape(layerInput) })),
  };
}

/** The tree with some members replaced; the others are lent once more. */
function replaceIn(lent: LayerTree, parts: readonly LayerTree[]): LayerTree {
  const replaced: LayerTree = Object.assign({}, ...parts);
  for (const [name, member] of Object.entries(lent)) {
    if (!(name in replaced)) replaced[name] = tree.ref(member);
  }
  // Members keep the order they were made in: two trees of the same layer must have the same structure.
  return Object.fromEntries(Object.keys(lent).map((name) => [name, replaced[name]!]));
}
