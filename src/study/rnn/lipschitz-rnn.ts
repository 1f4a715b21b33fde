import { numpy as np, random } from "@jax-js/jax";
import { checkCount } from "../../train/checks.ts";
import { TrainError } from "../../train/errors.ts";
import { uniformFanIn } from "../../train/layers/initial.ts";
import { joinSteps, splitSteps } from "../../train/layers/steps.ts";
import type { Module } from "../../train/module.ts";
import { arrayIn, layerTree } from "../../train/trees.ts";
import type { LayerTree, Tensor } from "../../train/types.ts";

/** Length of a step of the differential equation. */
export const EPSILON = 0.03;
/** Share of the antisymmetric part, which keeps lengths, beside the symmetric one. */
const BETA = 0.75;
/** Damping. */
const GAMMA = 0.001;

/** What every step uses; the arrays belong to the caller. */
export interface LipschitzKernels {
  /** I + εA, [hidden, hidden]. */
  readonly keep: Tensor;
  /** W, [hidden, hidden]. */
  readonly turn: Tensor;
}

/**
 * The Lipschitz recurrent network (Erichson et al. 2021, arXiv:2006.12070): h ← h + ε(A h + tanh(W h + U x + b)), with A and W
 * both β(M − Mᵀ) + (1 − β)(M + Mᵀ) − γI of a trained M; ε = 0.03, β = 0.75, γ = 0.001, and entries of M normal with standard
 * deviation 1/hidden at the start, as in the authors' code. [steps, features] → [steps, hidden], or [hidden] with
 * `returns: "last"`. Its one step is (‖I + εA‖ + ε‖W‖)-Lipschitz in h. It is made for measurements only: it cannot be exported.
 */
export function lipschitzRnn(hidden: number, returns: "sequence" | "last"): Module {
  checkCount("lipschitzRnn", "hidden", hidden);
  return {
    kind: "lipschitzRnn",
    outputShape: ([steps]) => (returns === "last" ? [hidden] : [steps, hidden]),

    init(key, [, features]) {
      // Input kernel and bias as the library's recurrent layers start.
      const keys = [...random.split(key, 4)];
      const draw = (i: number) => random.normal(keys[i], [hidden, hidden]).mul(1 / hidden);
      return {
        params: {
          keep: draw(0),
          turn: draw(1),
          input: uniformFanIn(keys[2], [hidden, features], hidden),
          inputBias: uniformFanIn(keys[3], [hidden], hidden),
        },
        state: {},
      };
    },

    apply(params, _state, x) {
      const states = unroll(layerTree(params), x, hidden);
      if (returns === "sequence") return { y: np.transpose(joinSteps(states), [1, 0, 2]), state: {} };
      for (const earlier of states.slice(0, -1)) earlier.dispose();
      return { y: states.at(-1)!, state: {} };
    },

    advance: () => ({}),
    project: (params) => ({ params: lent(layerTree(params)), state: {} }),
    weights: () => [],
    emit() {
      throw new TrainError("lipschitzRnn cannot be exported.");
    },
  };
}

/** I + εA and W from the parameters, which are lent. */
export function lipschitzKernels(params: LayerTree): LipschitzKernels {
  const hidden = arrayIn(params, "keep").shape[0];
  const a = balanced(arrayIn(params, "keep").ref, hidden);
  return {
    keep: np.eye(hidden).add(a.mul(EPSILON)),
    turn: balanced(arrayIn(params, "turn").ref, hidden),
  };
}

/** The state after a step; consumes the state [batch, hidden] and U x + b [batch, hidden], lends the kernels. */
export function lipschitzStep({ keep, turn }: LipschitzKernels, state: Tensor, ofInput: Tensor): Tensor {
  const turned = np.matmul(state.ref, np.transpose(turn.ref));
  const kept = np.matmul(state, np.transpose(keep.ref));
  return kept.add(np.tanh(turned.add(ofInput)).mul(EPSILON));
}

/** β(M − Mᵀ) + (1 − β)(M + Mᵀ) − γI = M + (1 − 2β)Mᵀ − γI; consumes M. */
function balanced(m: Tensor, hidden: number): Tensor {
  return m.ref.add(np.transpose(m).mul(1 - 2 * BETA)).sub(np.eye(hidden).mul(GAMMA));
}

/** Every state, [batch, hidden] each; consumes x. */
function unroll(params: LayerTree, x: Tensor, hidden: number): Tensor[] {
  const [batch, steps, features] = x.shape;
  const rows = np.transpose(x, [1, 0, 2]).reshape([steps * batch, features]);
  const product = np.matmul(rows, np.transpose(arrayIn(params, "input").ref));
  const projected = product.add(arrayIn(params, "inputBias").ref).reshape([steps, batch, hidden]);
  const kernels = lipschitzKernels(params);
  const states: Tensor[] = [];
  let state = np.zeros([batch, hidden]);
  for (const ofInput of splitSteps(projected)) {
    state = lipschitzStep(kernels, state, ofInput);
    states.push(state.ref);
  }
  for (const used of [state, kernels.keep, kernels.turn]) used.dispose();
  return states;
}

function lent(params: LayerTree): LayerTree {
  return Object.fromEntries(Object.keys(params).map((name) => [name, arrayIn(params, name).ref]));
}
