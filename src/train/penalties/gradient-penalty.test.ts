import { numpy as np, random, tree } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { sequential } from "../compositions.ts";
import { spectralNorm } from "../controls/spectral-norm.ts";
import { differentiate } from "../differentiate.ts";
import { conv2d } from "../layers/convolution.ts";
import { flatten } from "../layers/flatten.ts";
import { linear } from "../layers/linear.ts";
import { relu } from "../layers/relu.ts";
import { onWasm } from "../testing/control-cases.ts";
import { drawn, numbers, tensor } from "../testing/controlled-weights.ts";
import { expectGradient } from "../testing/finite-differences.ts";
import { float64 } from "../testing/float64.ts";
import { expectNothingKept } from "../testing/ownership.ts";
import type { Tensor, Tree } from "../types.ts";
import { gradientPenalty } from "./gradient-penalty.ts";

beforeAll(onWasm);

const value = (scalar: Tensor) => numbers(scalar)[0];
const batch = (seed: number, shape: readonly number[]) =>
  tensor(
    drawn(
      shape.reduce((all, n) => all * n, 1),
      seed,
    ),
    shape,
  );

/** A critic with a steepness of 3 everywhere. */
const slope3 = (x: Tensor) => np.matmul(x, tensor([1, 2, 2], [3, 1]));

describe("gradientPenalty", () => {
  it("is λ(steepness − target)² for a linear critic", () => {
    const run = (options?: object) =>
      value(gradientPenalty(slope3, batch(1, [4, 3]), batch(2, [4, 3]), random.key(1), options));
    expect(run()).toBeCloseTo(10 * 4, 4);
    expect(run({ lambda: 1, target: 5 })).toBeCloseTo(4, 4);
    expect(run({ lambda: 1, target: 5, sided: "one" })).toBe(0);
    expect(run({ lambda: 1, target: 2, sided: "one" })).toBeCloseTo(1, 4);
  });

  it("is evaluated between the real and the generated example", () => {
    // Steepness |x|: from 2 to 3 on the way, whatever the random share.
    const critic = (x: Tensor) => np.square(x).mul(0.5);
    const penalty = gradientPenalty(critic, tensor([3, 3], [2, 1]), tensor([2, 2], [2, 1]), random.key(1), {
      lambda: 1,
      target: 0,
    });
    const found = value(penalty);
    expect(found).toBeGreaterThan(4);
    expect(found).toBeLessThan(9);
  });

  it("has a second derivative equal to finite differences, through a cubic", () => {
    const [real, fake] = [drawn(6, 1), drawn(6, 2)].map((own) => [...own]);
    const compute = (w: Tensor) => {
      const critic = (x: Tensor) => {
        const hidden = np.matmul(x, w.ref);
        return np.matmul(hidden.ref.mul(np.square(hidden)), float64([1, -2, 0.5, 3], [4, 1]));
      };
      const result = gradientPenalty(critic, float64(real, [2, 3]), float64(fake, [2, 3]), random.key(1));
      w.dispose();
      return result;
    };
    expectGradient(compute, [...drawn(12, 3)], [3, 4]);
  });

  it("makes no NaN where the critic is flat", () => {
    const compute = (w: Tensor) => {
      const critic = (x: Tensor) => np.matmul(x, w.ref);
      const result = gradientPenalty(critic, batch(1, [2, 3]), batch(2, [2, 3]), random.key(1));
      w.dispose();
      return result;
    };
    const { loss, gradient } = differentiate(
      (params: Record<"w", Tensor>) => ({ loss: compute(params.w.ref), aux: {} }),
      { w: tensor([0, 0, 0], [3, 1]) },
    );
    expect(value(loss)).toBeCloseTo(10, 5);
    expect([...numbers(gradient.w)]).toEqual([0, 0, 0]);
  });

  it("works inside differentiate for a controlled convolutional critic, and keeps nothing", () => {
    const critic = sequential(conv2d(2, 2, { control: spectralNorm() }), relu(), flatten(), linear(1));
    const { params, state } = critic.init(random.key(1), [1, 4, 4]);
    const [real, fake] = [batch(1, [3, 1, 4, 4]), batch(2, [3, 1, 4, 4])];
    const lent: Tree = { params, state, real, fake };
    const step = () => {
      const { loss, gradient } = differentiate((own: Tree) => {
        const outputs = (x: Tensor) => {
          const applied = critic.apply(own, state, x);
          tree.dispose(applied.state as never);
          return applied.y;
        };
        return { loss: gradientPenalty(outputs, real.ref, fake.ref, random.key(2)), aux: {} };
      }, params);
      return { loss, gradient };
    };
    const { loss, gradient } = step();
    const entries = (tree.leaves(gradient as never) as unknown as Tensor[]).flatMap((array) => [
      ...numbers(array),
    ]);
    expect(value(loss)).toBeGreaterThan(0);
    expect(entries.every(Number.isFinite)).toBe(true);
    expect(entries.some((entry) => Math.abs(entry) > 1e-3)).toBe(true);
    expectNothingKept(lent, step);
    tree.dispose(lent as never);
  });

  it("names what does not fit", () => {
    expect(() => gradientPenalty(slope3, batch(1, [4, 3]), batch(2, [5, 3]), random.key(1))).toThrow(
      /shapes must agree; got \[4,3\] and \[5,3\]/,
    );
    expect(() =>
      gradientPenalty(slope3, batch(1, [4, 3]), batch(2, [4, 3]), random.key(1), { sided: "both" as never }),
    ).toThrow(/sided must be "one" or "two"/);
  });
});
