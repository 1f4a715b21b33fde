import { effectiveWeight } from "../controlled.ts";
import { iterate, linearMap, singularValue, startingVectors } from "../controls/power-iteration.ts";
import { splitKey } from "../keys.ts";
import { layerTree, memberOf } from "../trees.ts";
import type { LayerTree, Tensor, Tree } from "../types.ts";
import type { WeightUse } from "../weight.ts";

/**
 * Watches σ₁ of every weight as its layer uses it: one power iteration in each step, from vectors of its own, so that what a
 * control believes of a weight is not what it is measured by. An estimate, from below. Pure functions; trees are lent.
 */
export interface WeightMonitor {
  /** Names of the weights, "0.weight", in the order of the values. */
  readonly names: readonly string[];
  /** The vectors at the start. Consumes `key`. */
  init(params: Tree, state: Tree, key: Tensor): Tree;
  /** σ₁ of each weight, and the vectors one iteration further. */
  observe(params: Tree, state: Tree, vectors: Tree): { values: Tensor[]; vectors: Tree };
}

export function weightMonitor(uses: readonly WeightUse[]): WeightMonitor {
  return {
    names: uses.map(({ path, slot }) => [...path, slot.name].join(".")),

    init(params, state, key) {
      if (uses.length === 0) {
        key.dispose();
        return [];
      }
      const keys = splitKey(key, uses.length);
      return uses.map((use, i) => {
        const { weight, scale } = inUse(use, params, state);
        scale?.dispose();
        const held = { operator: use.slot.operator, weight };
        const vectors = startingVectors(held, "operator", use.inputShape, keys[i]);
        weight.dispose();
        return vectors;
      });
    },

    observe(params, state, vectors) {
      const seen = uses.map((use, i) => {
        const { weight, scale } = inUse(use, params, state);
        const map = linearMap(use.slot.operator, weight, "operator", use.inputShape);
        const next = iterate(map, (vectors as LayerTree[])[i], 1);
        const sigma = singularValue(map, next);
        weight.dispose();
        return { sigma: scale ? sigma.mul(scale) : sigma, next };
      });
      return { values: seen.map(({ sigma }) => sigma), vectors: seen.map(({ next }) => next) };
    },
  };
}

function inUse({ path, slot }: WeightUse, params: Tree, state: Tree) {
  const layer = (whole: Tree) => layerTree(path.reduce(memberOf, whole));
  return effectiveWeight(slot, layer(params), layer(state));
}
