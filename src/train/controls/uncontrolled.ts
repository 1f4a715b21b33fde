import { tree } from "@jax-js/jax";
import type { Uncontrolled } from "./control.ts";
import type { ControlRule } from "./rule.ts";

/** A weight that nothing controls. */
export const uncontrolled: Uncontrolled = { kind: "none" };

export const uncontrolledRule: ControlRule<Uncontrolled> = {
  init(_control, held, _inputShape, key) {
    key.dispose();
    return { weight: held.weight.ref, state: {} };
  },
  effective: (_control, held) => ({ weight: held.weight.ref }),
  advance: (_control, _held, state) => tree.ref(state),
  project: (_control, held, state) => ({ weight: held.weight.ref, state: tree.ref(state) }),
  promise: () => null,
};
