import { defaultDevice, grad, init, numpy as np, random, tree } from "@jax-js/jax";
import { bjorck } from "../controls/bjorck.ts";
import { cayley } from "../controls/cayley.ts";
import { clipWeights } from "../controls/clip-weights.ts";
import type { Control } from "../controls/control.ts";
import { projectNorm } from "../controls/project-norm.ts";
import { ruleOf } from "../controls/rules.ts";
import { clipSingularValues, singularBand } from "../controls/singular-band.ts";
import { spectralNorm } from "../controls/spectral-norm.ts";
import { uncontrolled } from "../controls/uncontrolled.ts";
import type { LayerTree, Tensor } from "../types.ts";
import { drawn, heldOf, sizeOf, tensor, type WeightCase, weightOf } from "./controlled-weights.ts";

/** The cap of the controls below that have one. */
export const CAP = 0.7;

/** Every kind of control, and those of their options that make them work differently. */
export const controlCases: readonly (readonly [string, Control])[] = [
  ["uncontrolled", uncontrolled],
  ["spectralNorm", spectralNorm({ cap: CAP })],
  ["spectralNorm reshaped", spectralNorm({ cap: CAP, norm: "reshaped" })],
  ["spectralNorm onlyAbove", spectralNorm({ cap: CAP, onlyAbove: true, iterations: 2 })],
  ["bjorck", bjorck({ cap: CAP })],
  ["bjorck twice", bjorck({ cap: CAP, iterations: 2 })],
  ["cayley", cayley({ cap: CAP })],
  ["singularBand", singularBand({ min: 0.3, max: CAP })],
  ["clipSingularValues", clipSingularValues({ cap: CAP })],
  ["projectNorm", projectNorm({ cap: CAP })],
  ["projectNorm reshaped", projectNorm({ cap: CAP, norm: "reshaped" })],
  ["clipWeights", clipWeights({ limit: 0.05 })],
];

/** Weight and state after init from a normal-like weight scaled by `size`. */
export function started(
  control: Control,
  given: WeightCase,
  size = 0.5,
): { weight: Tensor; state: LayerTree } {
  const values = drawn(sizeOf(given.shape), 7).map((x) => x * size);
  const weight = tensor(values, given.shape);
  const result = ruleOf(control).init(control, heldOf(given, weight), given.inputShape, random.key(3));
  weight.dispose();
  return result;
}

/** The weight in use; lends everything. */
export function used(control: Control, given: WeightCase, weight: Tensor, state: LayerTree): Tensor {
  return weightOf(ruleOf(control).effective(control, heldOf(given, weight), state));
}

/** One step of training: the state advances and the moved weight is projected. Consumes everything. */
export function trained(control: Control, given: WeightCase, weight: Tensor, state: LayerTree, move: Tensor) {
  const rule = ruleOf(control);
  const stepped = weight.add(move);
  const advanced = rule.advance(control, heldOf(given, stepped), state);
  const projected = rule.project(control, heldOf(given, stepped), advanced);
  stepped.dispose();
  tree.dispose([state, advanced] as never);
  return projected;
}

/** The gradient of ⟨weight in use, cotangent⟩ with respect to the stored weight; lends all but the cotangent. */
export function gradientOfUse(
  control: Control,
  given: WeightCase,
  weight: Tensor,
  state: LayerTree,
  cotangent: Tensor,
): Tensor {
  const output = (w: Tensor) => {
    const result = np.sum(used(control, given, w, state).mul(cotangent));
    w.dispose();
    return result;
  };
  return grad(output)(weight.ref) as Tensor;
}

export async function onWasm(): Promise<void> {
  await init("wasm");
  defaultDevice("wasm");
}
