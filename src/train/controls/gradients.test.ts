import { grad, numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { orthonormalize } from "../../linalg/bjorck.ts";
import { singularValueDecomposition } from "../../linalg/svd.ts";
import { controlCases, gradientOfUse, onWasm, started, used } from "../testing/control-cases.ts";
import { drawn, heldOf, numbers, sizeOf, tensor, weightCases } from "../testing/controlled-weights.ts";
import { float64 } from "../testing/float64.ts";
import { expectNothingKept } from "../testing/ownership.ts";
import type { LayerTree, Tensor } from "../types.ts";
import { bjorck, bjorckRule } from "./bjorck.ts";
import { iterate, linearMap, singularValue, startingVectors } from "./power-iteration.ts";

beforeAll(onWasm);

const [wide] = weightCases;
const shapes = weightCases.filter(({ name }) => ["wide", "tall", "convolution"].includes(name));
const smooth = controlCases.filter(([name]) => /spectralNorm|bjorck|cayley/.test(name));
const each = smooth.flatMap(([name, control]) =>
  shapes.map((given) => [name, given.name, control, given] as const),
);

const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i], 0);

describe("the gradient through the weight in use", () => {
  it.each(each)(
    "%s on %s: that of central differences in float64, in random directions",
    (_, __, control, given) => {
      const { weight, state } = started(control, given);
      const count = sizeOf(given.shape);
      const precise = tree.map((array: Tensor) => array.astype(np.float64), state as never) as LayerTree;
      // Away from the fixed point of the iterations, where derivatives of all their steps count.
      const at = numbers(weight).map((x, i) => x + 0.05 * drawn(count, 19)[i]);
      const cotangent = drawn(count, 11);
      const valueAt = (values: Float64Array) => {
        const w = float64([...values], given.shape);
        const result = dot(numbers(used(control, given, w, precise)), cotangent);
        w.dispose();
        return result;
      };
      const w = float64([...at], given.shape);
      const gradient = numbers(
        gradientOfUse(control, given, w, precise, float64([...cotangent], given.shape)),
      );
      w.dispose();
      for (const seed of [23, 29, 31]) {
        const direction = drawn(count, seed);
        const [above, below] = [1e-5, -1e-5].map((h) => valueAt(at.map((x, i) => x + h * direction[i])));
        const slope = (above - below) / 2e-5;
        expect(Math.abs(dot(gradient, direction) - slope)).toBeLessThan(1e-7 * Math.max(1, Math.abs(slope)));
      }
      tree.dispose(precise as never);
    },
  );

  it("is u₁v₁ᵀ for σ₁, by the decomposition in float64", () => {
    const values = drawn(28, 3);
    const { u, s, v } = singularValueDecomposition(values, 4, 7);
    const weight = float64([...values], [4, 7]);
    const start = startingVectors(heldOf(wide, weight), "operator", [7], random.key(1));
    const vectors = iterate(linearMap(wide.operator, weight, "operator", [7]), start, 100);
    const sigma = (w: Tensor) => {
      const result = singularValue(linearMap(wide.operator, w, "operator", [7]), vectors);
      w.dispose();
      return result;
    };
    expect(numbers(sigma(weight.ref))[0]).toBeCloseTo(s[0], 10);
    const gradient = numbers(grad(sigma)(weight) as Tensor);
    gradient.forEach((entry, i) => {
      expect(entry).toBeCloseTo(u[Math.floor(i / 7) * 4] * v[(i % 7) * 4], 8);
    });
    tree.dispose([start, vectors] as never);
  });

  it.each([
    [4, 7],
    [7, 4],
    [5, 5],
  ])(
    "of one Björck step at an orthonormal %i×%i weight is that of the nearest orthonormal matrix",
    (rows, columns) => {
      const given = { ...wide, shape: [rows, columns], inputShape: [columns] };
      const nearest = (a: Float64Array) => orthonormalize(a, rows, columns).matrix;
      const at = nearest(drawn(rows * columns, 5));
      const cotangent = drawn(rows * columns, 6);
      const weight = float64([...at], given.shape);
      const control = bjorck();
      const gradient = numbers(
        gradientOfUse(control, given, weight, {}, float64([...cotangent], given.shape)),
      );
      weight.dispose();
      const direction = drawn(rows * columns, 8);
      const [above, below] = [1e-5, -1e-5].map((h) =>
        dot(nearest(at.map((x, i) => x + h * direction[i])), cotangent),
      );
      expect(dot(gradient, direction)).toBeCloseTo((above - below) / 2e-5, 8);
    },
  );
});

describe("a layer's output around the weight in use", () => {
  const control = bjorck({ cap: 0.7 });

  it.each([
    [4, 7],
    [7, 4],
    [5, 5],
  ])("equals that with it, in values and gradients, for a %i×%i weight", (rows, columns) => {
    const given = { ...wide, shape: [rows, columns], inputShape: [columns] };
    const [values, points] = [drawn(rows * columns, 5), drawn(3 * columns, 6)].map((all) => [
      ...all.map((x) => 0.4 * x),
    ]);
    const cotangent = float64([...drawn(3 * rows, 8)], [3, rows]);
    const around = (w: Tensor, x: Tensor) => bjorckRule.output!(control, heldOf(given, w), {}, x)!;
    const through = (w: Tensor, x: Tensor) => wide.operator.apply(used(control, given, w, {}), x);
    const [first, second] = [around, through].map((output) => {
      const loss = (w: Tensor, x: Tensor) => {
        const y = output(w, x);
        w.dispose();
        return np.sum(y.mul(cotangent.ref));
      };
      const [value, gradients] = valueAndGrad(loss, { argnums: [0, 1] })(
        float64(values, given.shape),
        float64(points, [3, columns]),
      ) as unknown as [Tensor, Tensor[]];
      return [value, ...gradients].flatMap((array) => [...numbers(array)]);
    });
    first.forEach((entry, i) => {
      expect(entry).toBeCloseTo(second[i], 10);
    });
    cotangent.dispose();
  });

  it("is not taken where the batch is the longer side, or for a convolution", () => {
    const { weight, state } = started(control, wide);
    const x = tensor(drawn(49, 1), [7, 7]);
    expect(bjorckRule.output!(control, heldOf(wide, weight), state, x)).toBeUndefined();
    const convolution = weightCases.at(-1)!;
    const kernel = tensor(drawn(36, 1), convolution.shape);
    const image = tensor(drawn(32, 1), [1, 2, 4, 4]);
    expect(bjorckRule.output!(control, heldOf(convolution, kernel), state, image)).toBeUndefined();
    tree.dispose([weight, x, kernel, image] as never);
  });

  it("keeps nothing of what it is lent", () => {
    const { weight, state } = started(control, wide);
    const x = tensor(drawn(14, 1), [2, 7]);
    expectNothingKept([weight, x], () => bjorckRule.output!(control, heldOf(wide, weight), state, x.ref)!);
    tree.dispose([weight, x] as never);
  });
});
