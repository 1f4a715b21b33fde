import { jit, random, tree } from "@jax-js/jax";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { dense } from "../../linalg/dense.ts";
import { spectralNorm as exactNorm } from "../../linalg/spectral-norm.ts";
import { controlCases, onWasm, started, trained, used } from "../testing/control-cases.ts";
import {
  drawn,
  heldOf,
  matrixSpectrum,
  numbers,
  sizeOf,
  tensor,
  type WeightCase,
  weightCases,
} from "../testing/controlled-weights.ts";
import type { LayerTree, Tensor } from "../types.ts";
import { bjorck } from "./bjorck.ts";
import { cayley } from "./cayley.ts";
import type { NormOf } from "./control.ts";
import { ruleOf } from "./rules.ts";
import { clipSingularValues } from "./singular-band.ts";

beforeAll(onWasm);

const shapes = weightCases.filter(({ name }) => ["wide", "convolution"].includes(name));
const promising = controlCases.filter(([, control]) => ruleOf(control).promise(control) !== null);
const each = promising.flatMap(([name, control]) =>
  shapes.map((given) => [name, given.name, control, given] as const),
);

/** The proved upper bound of what a control speaks of; lends the weight. */
function provedNorm({ operator, inputShape }: WeightCase, weight: Tensor, norm: NormOf): number {
  const values = numbers(weight.ref);
  if (norm === "operator") {
    return exactNorm(operator.exact(values, weight.shape, inputShape), { guarantee: "proof", gap: 1e-4 })
      .upper!;
  }
  const matrix = numbers(operator.matrix.of(weight.ref));
  return exactNorm(dense(matrix, ...operator.matrix.shape(weight.shape)), { guarantee: "proof", gap: 1e-6 })
    .upper!;
}

describe("after 200 noisy steps", () => {
  it.each(each)(
    "%s on %s: proved within 1 %% of the cap, and within it once divided by the proof",
    (_, __, control, given) => {
      let { weight, state } = started(control, given);
      const step = (w: Tensor, s: LayerTree, move: Tensor) => trained(control, given, w, s, move);
      const traced = jit(step as never) as unknown as typeof step;
      for (let i = 0; i < 200; i++) {
        const noise = drawn(sizeOf(given.shape), 1000 + i).map((x) => 0.01 * x);
        ({ weight, state } = traced(weight, state, tensor(noise, given.shape)));
      }
      const { cap, norm } = ruleOf(control).promise(control)!;
      const inUse = used(control, given, weight, state);
      const upper = provedNorm(given, inUse, norm);
      expect(upper).toBeLessThan(1.01 * cap);
      const baked = inUse.mul(Math.min(1, (cap / upper) * (1 - 1e-6)));
      expect(provedNorm(given, baked, norm)).toBeLessThanOrEqual(cap);
      tree.dispose([weight, state, baked] as never);
    },
  );
});

describe("properties", () => {
  it("orthonormal and clipped layers are no steeper than the cap, whatever the shape, the weight and the cap", () => {
    const property = fc.property(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 3 }),
      fc.double({ min: 0.05, max: 20, noNaN: true }),
      fc.double({ min: -3, max: 1, noNaN: true }),
      fc.nat(10_000),
      (rows, columns, cap, magnitude, seed) => {
        const given = { ...shapes[0], shape: [2 * rows, columns], inputShape: [columns] };
        const values = drawn(2 * rows * columns, seed).map((x) => x * 10 ** magnitude);
        for (const control of [bjorck({ cap }), cayley({ cap }), clipSingularValues({ cap })]) {
          const weight = tensor(values, given.shape);
          const rule = ruleOf(control);
          const first = rule.init(control, heldOf(given, weight), given.inputShape, random.key(seed));
          const projected = rule.project(control, heldOf(given, first.weight), first.state);
          const inUse = used(control, given, projected.weight, projected.state);
          expect(matrixSpectrum(given, inUse)[0]).toBeLessThan(cap * (1 + 1e-4));
          tree.dispose([weight, { ...first }, { ...projected }, inUse] as never);
        }
      },
    );
    fc.assert(property, { numRuns: 12 });
  });
});
