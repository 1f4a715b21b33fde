import type { Loss } from "./classifier.ts";

/** What one strength sets; all the rest is the same for every arm. */
export interface Choice {
  readonly loss: Loss;
  /** Of every layer with a control. */
  readonly cap?: number;
  /** λ of λ/2 Σ‖W‖². */
  readonly decay?: number;
}

/** An arm with one strength of what it does. */
export interface Strength {
  /** "margin 2"; "" where there is nothing to choose. */
  readonly name: string;
  readonly choice: Choice;
  /** Whether the convolutional network tries it too. */
  readonly both: boolean;
}

const CROSS_ENTROPY: Loss = { kind: "cross-entropy" };

function strengths(
  kind: string,
  values: readonly number[],
  both: readonly number[],
  choice: (value: number) => Strength["choice"],
): Strength[] {
  return values.map((value) => ({
    name: `${kind} ${value}`,
    choice: choice(value),
    both: both.includes(value),
  }));
}

const margins = (values: readonly number[], both: readonly number[]) =>
  strengths("margin", values, both, (margin) => ({ loss: { kind: "hinge", margin } }));
const caps = (values: readonly number[], both: readonly number[]) =>
  strengths("cap", values, both, (cap) => ({ loss: CROSS_ENTROPY, cap }));

/** What each arm's sweep chooses from, and what the convolutional network tries of it; the MLP's frontier shows them all. */
export const STRENGTHS: Readonly<Record<string, readonly Strength[]>> = {
  plain: [{ name: "", choice: { loss: CROSS_ENTROPY }, both: true }],
  decay: strengths("λ", [1e-3, 1e-2, 3e-2], [1e-2, 3e-2], (decay) => ({ loss: CROSS_ENTROPY, decay })),
  gouk: caps([1.5, 2, 3], [1.5, 2]),
  sn: [...margins([0.5, 1, 2], [1]), ...caps([1.5, 2], [1.5])],
  bjorck: margins([1, 2, 3], [2]),
  hkr: strengths("α", [30, 100, 300], [100, 300], (alpha) => ({ loss: { kind: "hkr", margin: 1, alpha } })),
  gloro: strengths("ε", [0.3, 0.5, 1], [0.3, 0.5], (epsilon) => ({ loss: { kind: "certified", epsilon } })),
};

/** Learning rates that are tried at every strength. */
export const RATES: Readonly<Record<string, readonly number[]>> = {
  plain: [1e-3, 3e-3, 6e-3],
  decay: [1e-3, 3e-3, 6e-3],
  gouk: [3e-4, 1e-3, 3e-3],
  sn: [1e-3, 3e-3, 6e-3],
  bjorck: [3e-3, 6e-3, 1e-2],
  hkr: [3e-3, 6e-3, 1e-2],
  gloro: [1e-3, 3e-3, 6e-3],
};
