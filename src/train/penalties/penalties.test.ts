import { grad, jit, numpy as np, random, tree } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { singularValueDecomposition } from "../../linalg/svd.ts";
import { sequential } from "../compositions.ts";
import { conv2d } from "../layers/convolution.ts";
import { flatten } from "../layers/flatten.ts";
import { linear } from "../layers/linear.ts";
import { relu } from "../layers/relu.ts";
import { onWasm } from "../testing/control-cases.ts";
import { drawn, numbers, operatorNorm, tensor, withSingularValues } from "../testing/controlled-weights.ts";
import { expectGradient } from "../testing/finite-differences.ts";
import { float64 } from "../testing/float64.ts";
import { expectNothingKept } from "../testing/ownership.ts";
import type { Tensor, Tree } from "../types.ts";
import { frobenius } from "./frobenius.ts";
import { orthogonality } from "./orthogonality.ts";
import { type SpectralPenaltyOptions, spectralPenalty } from "./spectral-penalty.ts";

beforeAll(onWasm);

const value = (scalar: Tensor) => numbers(scalar)[0];
const sum = (values: ArrayLike<number>) => Array.from(values).reduce((all, x) => all + x, 0);

/** A layer of one weight, and its params with given numbers. */
function single(values: ArrayLike<number>, rows: number, columns: number) {
  const net = linear(rows, { bias: false });
  const weights = net.weights([columns]);
  const params = (own: Tensor): Tree => ({ weight: own });
  return { weights, params, lent: params(tensor(values, [rows, columns])) };
}

const values = drawn(28, 3);
const { u, s, v } = singularValueDecomposition(values, 4, 7);

describe("frobenius", () => {
  it("is λ/2 Σ‖W‖² over a network's weights, biases left out", () => {
    const net = sequential(linear(5), relu(), linear(2));
    const { params, state } = net.init(random.key(1), [7]);
    const [first, , last] = params as { weight: Tensor }[];
    const squares = [first, last].flatMap(({ weight }) => [...numbers(weight.ref)].map((x) => x * x));
    expect(value(frobenius(net.weights([7]), params, 0.3))).toBeCloseTo(0.15 * sum(squares), 6);
    tree.dispose([params, state] as never);
  });

  it("has the gradient λW", () => {
    const { weights, params } = single(values, 4, 7);
    const gradient = grad((w: Tensor) => {
      const result = frobenius(weights, params(w), 0.3);
      w.dispose();
      return result;
    })(float64([...values], [4, 7])) as Tensor;
    numbers(gradient).forEach((entry, i) => {
      expect(entry).toBeCloseTo(0.3 * values[i], 12);
    });
  });
});

describe("orthogonality", () => {
  it.each([
    [4, 7],
    [7, 4],
  ])("of a %i×%i weight is λ Σ(σ² − 1)²", (rows, columns) => {
    const { weights, lent } = single(values, rows, columns);
    const { s } = singularValueDecomposition(values, rows, columns);
    const expected = 0.2 * sum(s.map((x) => (x * x - 1) ** 2));
    expect(value(orthogonality(weights, lent, 0.2)) / expected).toBeCloseTo(1, 5);
    tree.dispose(lent as never);
  });

  it("has the gradient of finite differences, also of a convolution's kernel", () => {
    const net = conv2d(3, 2, { bias: false });
    const compute = (w: Tensor) => {
      const result = orthogonality(net.weights([2, 3, 3]), { weight: w }, 0.2);
      w.dispose();
      return result;
    };
    expectGradient(compute, [...drawn(24, 5)], [3, 2, 2, 2]);
  });

  it("is zero for an orthonormal weight", () => {
    const { weights, lent } = single(withSingularValues([1, 1, 1, 1], 4, 7), 4, 7);
    expect(value(orthogonality(weights, lent, 1))).toBeLessThan(1e-10);
    tree.dispose(lent as never);
  });
});

describe("spectralPenalty", () => {
  /** Vectors after enough steps for the gaps of this weight's spectrum. */
  function settled(
    options: SpectralPenaltyOptions,
    lambda = 0.3,
    own: ArrayLike<number> = values,
    steps = 40,
  ) {
    const { weights, params, lent } = single(own, 4, 7);
    const penalty = spectralPenalty(weights, lambda, options);
    let vectors = penalty.init(lent, random.key(4));
    const advance = jit(((given: Tree) => {
      const next = penalty.advance(lent, given);
      tree.dispose(given as never);
      return next;
    }) as never) as unknown as (given: Tree) => Tree;
    for (let i = 0; i < steps; i++) vectors = advance(vectors);
    return { penalty, params, lent, vectors };
  }

  it.each([
    [2, 1],
    [2, 3],
    [1, 1],
    [1, 3],
    [2, 4],
  ] as const)("power %i, rank %i: values and gradients by the decomposition", (power, rank) => {
    const { penalty, params, lent, vectors } = settled({ power, rank });
    const top = s.subarray(0, rank);
    const expected = power === 2 ? 0.15 * sum(top.map((x) => x * x)) : 0.3 * sum(top);
    expect(value(penalty.value(lent, vectors)) / expected).toBeCloseTo(1, 5);
    const gradient = grad((w: Tensor) => {
      const result = penalty.value(params(w), vectors);
      w.dispose();
      return result;
    })((lent as { weight: Tensor }).weight.ref) as Tensor;
    numbers(gradient).forEach((entry, i) => {
      const [row, column] = [Math.floor(i / 7), i % 7];
      const terms = Array.from(top, (sigma, k) => {
        return 0.3 * (power === 2 ? sigma : 1) * u[row * 4 + k] * v[column * 4 + k];
      });
      expect(entry).toBeCloseTo(sum(terms), 4);
    });
    tree.dispose([lent, vectors] as never);
  });

  it.each([1, 2] as const)(
    "power %i has the gradient of finite differences at vectors held fixed",
    (power) => {
      const { penalty, params, lent, vectors } = settled({ power, rank: 2 });
      const precise = tree.map((array: Tensor) => array.astype(np.float64), vectors as never) as Tree;
      expectGradient(
        (w) => {
          const result = penalty.value(params(w), precise);
          w.dispose();
          return result;
        },
        [...drawn(28, 9)],
        [4, 7],
      );
      tree.dispose([lent, precise] as never);
    },
  );

  it("follows a double singular value with a block, where one vector alone sees a single one", () => {
    const double = withSingularValues([2, 2, 0.5, 0.1], 4, 7);
    for (const rank of [1, 2]) {
      const { penalty, lent, vectors } = settled({ rank }, 2, double);
      expect(value(penalty.value(lent, vectors))).toBeCloseTo(4 * rank, 4);
      tree.dispose([lent, vectors] as never);
    }
  });

  it("bounds the convolution itself, not its reshaped kernel", () => {
    const net = conv2d(3, 3, { padding: 1, bias: false });
    const [use] = net.weights([2, 5, 5]);
    const weight = tensor(drawn(54, 5), [3, 2, 3, 3]);
    const lent = { weight };
    const penalty = spectralPenalty([use], 1, { power: 1, iterations: 30 });
    const start = penalty.init(lent, random.key(1));
    const vectors = penalty.advance(lent, start);
    const { upper } = operatorNorm(
      { name: "conv", operator: use.slot.operator, shape: weight.shape, inputShape: use.inputShape },
      weight,
    );
    expect(value(penalty.value(lent, vectors)) / upper!).toBeGreaterThan(0.95);
    expect(value(penalty.value(lent, vectors)) / upper!).toBeLessThanOrEqual(1 + 1e-6);
    tree.dispose([lent, start, vectors] as never);
  });

  it.each([1, 2] as const)("power %i makes no NaN of zero, rank-one and tied weights", (power) => {
    const rankOne = Float64Array.from({ length: 28 }, (_, i) => (1 + (i % 7)) * (1 + Math.floor(i / 7)));
    for (const own of [new Float64Array(28), rankOne, withSingularValues([1, 1, 1, 1], 4, 7)]) {
      const { penalty, params, lent, vectors } = settled({ power, rank: 3 }, 1, own, 4);
      const gradient = grad((w: Tensor) => {
        const result = penalty.value(params(w), vectors);
        w.dispose();
        return result;
      })((lent as { weight: Tensor }).weight.ref) as Tensor;
      const block = numbers((vectors as Tensor[])[0].ref);
      for (const data of [numbers(gradient), block]) expect(data.every(Number.isFinite)).toBe(true);
      for (let i = 0; i < 3; i++) {
        for (let j = 0; j < 3; j++) {
          const product = sum(block.subarray(7 * i, 7 * i + 7).map((x, k) => x * block[7 * j + k]));
          expect(product).toBeCloseTo(i === j ? 1 : 0, 4);
        }
      }
      tree.dispose([lent, vectors] as never);
    }
  });

  it("keeps nothing of what it is lent", () => {
    const net = sequential(conv2d(2, 2), flatten(), linear(3));
    const variables = net.init(random.key(1), [1, 4, 4]);
    const { params } = variables;
    const penalty = spectralPenalty(net.weights([1, 4, 4]), 0.1, { rank: 2 });
    const vectors = penalty.init(params, random.key(2));
    expectNothingKept([params, vectors], () => penalty.value(params, vectors));
    expectNothingKept([params, vectors], () => penalty.advance(params, vectors));
    expectNothingKept(params, () => penalty.init(params, random.key(3)));
    expectNothingKept(params, () => frobenius(net.weights([1, 4, 4]), params, 0.1));
    expectNothingKept(params, () => orthogonality(net.weights([1, 4, 4]), params, 0.1));
    tree.dispose([{ ...variables }, vectors] as never);
  });
});

describe("bad arguments", () => {
  const { weights, lent } = { weights: linear(4).weights([7]), lent: {} };

  it("are named", () => {
    for (const lambda of [-1, Number.NaN]) {
      expect(() => frobenius(weights, lent, lambda)).toThrow(/lambda must be zero or a positive number/);
      expect(() => orthogonality(weights, lent, lambda)).toThrow(/lambda must be zero or a positive number/);
      expect(() => spectralPenalty(weights, lambda)).toThrow(/lambda must be zero or a positive number/);
    }
    expect(() => frobenius([], lent, 1)).toThrow(/no weights to penalise. Pass those of a network/);
    expect(() => frobenius(linear(4) as never, lent, 1)).toThrow(/no weights to penalise/);
    expect(() => spectralPenalty(weights, 1, { power: 3 as never })).toThrow(/power must be 2 .* or 1/);
    expect(() => spectralPenalty(weights, 1, { rank: 0 })).toThrow(
      /rank must be a whole number of 1 or more/,
    );
    expect(() => spectralPenalty(weights, 1, { ranks: 1 } as never)).toThrow(/has no option "ranks"/);
  });

  it("say when a rank is more than a weight has", () => {
    const { weights, lent } = single(values, 4, 7);
    const penalty = spectralPenalty(weights, 1, { rank: 5 });
    expect(() => penalty.init(lent, random.key(1))).toThrow(
      /rank is 5, but a weight maps \[7\] to \[4\] and has 4/,
    );
    tree.dispose(lent as never);
  });
});
