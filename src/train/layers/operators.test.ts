import { defaultDevice, init } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { explicitMatrix } from "../../linalg/explicit.ts";
import { RandomStream } from "../../linalg/random.ts";
import { singularValuesSmall } from "../../linalg/svd.ts";
import { float64 } from "../testing/float64.ts";
import type { Shape } from "../types.ts";
import type { WeightOperator } from "../weight.ts";
import { convolutionOperator, transposedOperator } from "./convolution-operator.ts";
import { denseOperator } from "./dense-operator.ts";
import { embeddingOperator } from "./embedding-operator.ts";
import { slidingWindow } from "./window.ts";

interface Case {
  readonly name: string;
  readonly operator: WeightOperator;
  readonly weightShape: Shape;
  readonly inputShape: Shape;
}

type Window = Parameters<typeof slidingWindow>;

function conv(
  inputShape: Shape,
  channels: number,
  size: Window[2],
  options: Window[3] = {},
  groups = 1,
): Case {
  const window = slidingWindow("conv", inputShape.length - 1, size, options);
  return {
    name: `conv ${channels} ${size} ${JSON.stringify(options)} of [${inputShape}], groups ${groups}`,
    operator: convolutionOperator("conv", window, groups),
    weightShape: [channels, inputShape[0] / groups, ...window.size],
    inputShape,
  };
}

function transposed(
  inputShape: Shape,
  channels: number,
  size: Window[2],
  options: Omit<Window[3], "padding"> & { readonly padding?: number } = {},
  groups = 1,
  outputPadding = 0,
): Case {
  const window = slidingWindow("transposed", inputShape.length - 1, size, options);
  const padding = window.padding as Exclude<typeof window.padding, "same">;
  const extra = window.size.map(() => outputPadding);
  return {
    name: `transposed ${channels} ${size} ${JSON.stringify(options)} +${outputPadding} of [${inputShape}], groups ${groups}`,
    operator: transposedOperator("transposed", { ...window, padding }, groups, extra),
    weightShape: [inputShape[0], channels / groups, ...window.size],
    inputShape,
  };
}

const CASES: readonly Case[] = [
  { name: "dense", operator: denseOperator, weightShape: [3, 5], inputShape: [5] },
  { name: "embedding", operator: embeddingOperator, weightShape: [6, 2], inputShape: [6] },
  conv([2, 7], 3, 3, { padding: 1 }),
  conv([3, 8], 2, 4, { strides: 2, padding: "same" }),
  conv([2, 9], 2, 2, { strides: 3, dilations: 2, padding: [[2, 0]] }),
  conv([2, 4, 5], 2, 3, { padding: 1 }),
  conv([2, 6, 6], 3, 4, { strides: 2, padding: 1 }),
  conv([1, 6, 5], 2, [3, 2], { strides: [2, 1], dilations: [1, 3], padding: "same" }),
  conv([4, 4, 4], 6, 3, { padding: 1, strides: 2 }, 2),
  conv([3, 4, 4], 3, 3, { padding: 1 }, 3),
  conv([1, 2, 2], 2, 2, { padding: 3 }),
  conv([2, 5, 5], 2, 2, { strides: 3 }),
  transposed([2, 5], 3, 3, { strides: 2, padding: 1 }),
  transposed([2, 3, 3], 3, 3),
  transposed([3, 3, 3], 1, 4, { strides: 2, padding: 1 }),
  transposed([2, 3, 3], 2, 3, { strides: 2, padding: 1 }, 1, 1),
  transposed([4, 3, 3], 2, 3, { strides: [1, 2] }, 2),
  transposed([2, 3, 2], 2, 2, { strides: 3, dilations: 2 }, 1, 2),
  transposed([2, 5, 5], 2, 2, { padding: 2 }),
];

const named = CASES.map((given) => [given.name, given] as const);
const product = (sizes: Shape) => sizes.reduce((all, size) => all * size, 1);
const normals = (stream: RandomStream, count: number) => Array.from({ length: count }, () => stream.normal());
const dot = (a: readonly number[], b: ArrayLike<number>) => a.reduce((sum, v, i) => sum + v * b[i], 0);

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

/** σ₁ of the layer's own operator, by its explicit matrix. */
function operatorNorm({ operator, weightShape, inputShape }: Case, weight: readonly number[]): number {
  const exact = operator.exact(Float64Array.from(weight), weightShape, inputShape);
  return singularValuesSmall(explicitMatrix(exact), exact.rows, exact.cols)[0];
}

function matrixNorm({ operator, weightShape }: Case, weight: readonly number[]): number {
  const [rows, columns] = operator.matrix.shape(weightShape);
  const matrix = operator.matrix.of(float64(weight, weightShape));
  expect(matrix.shape).toEqual([rows, columns]);
  return singularValuesSmall(Float64Array.from(matrix.dataSync()), rows, columns)[0];
}

describe.each(named)("%s", (_, given) => {
  const { operator, weightShape, inputShape } = given;
  const outputShape = operator.outputShape(weightShape, inputShape);

  it("⟨A x, y⟩ = ⟨x, Aᵀ y⟩ for a batch", () => {
    const stream = new RandomStream(3n);
    const weight = normals(stream, product(weightShape));
    const x = normals(stream, 2 * product(inputShape));
    const y = normals(stream, 2 * product(outputShape));
    const image = operator.apply(float64(weight, weightShape), float64(x, [2, ...inputShape]));
    const back = operator.adjoint(float64(weight, weightShape), float64(y, [2, ...outputShape]), inputShape);
    expect(image.shape).toEqual([2, ...outputShape]);
    expect(back.shape).toEqual([2, ...inputShape]);
    expect(dot(y, image.dataSync())).toBeCloseTo(dot(x, back.dataSync()), 11);
  });

  it("is the operator that proofs are made of", () => {
    const stream = new RandomStream(4n);
    const weight = normals(stream, product(weightShape));
    const x = normals(stream, product(inputShape));
    const image = operator.apply(float64(weight, weightShape), float64(x, [1, ...inputShape])).dataSync();
    const exact = operator.exact(Float64Array.from(weight), weightShape, inputShape);
    const expected = exact.apply(Float64Array.from(x));
    expect(image.length).toBe(exact.rows);
    expected.forEach((value, i) => {
      expect(image[i]).toBeCloseTo(value, 11);
    });
  });

  it("restores the weight from its matrix", () => {
    const weight = normals(new RandomStream(5n), product(weightShape));
    const matrix = operator.matrix.of(float64(weight, weightShape));
    expect([...operator.matrix.restore(matrix, weightShape).dataSync()]).toEqual(weight);
  });

  it("never stretches more than its factor times the matrix's norm", () => {
    const stream = new RandomStream(6n);
    for (let i = 0; i < 8; i++) {
      // Positive kernels and kernels with one entry come closest.
      const weight = normals(stream, product(weightShape)).map(
        (v) => [v, Math.abs(v), 1, Math.sign(v)].at(i % 4)!,
      );
      const bound = operator.matrix.factor(weightShape) * matrixNorm(given, weight);
      expect(operatorNorm(given, weight)).toBeLessThanOrEqual(bound * (1 + 1e-12));
    }
  });
});

describe("the factor between the operator and its matrix", () => {
  it("is reached by a stride-1 convolution of ones, but for the border", () => {
    const given = conv([1, 40], 1, 3, { padding: 1 });
    const share =
      operatorNorm(given, [1, 1, 1]) /
      (given.operator.matrix.factor([1, 1, 3]) * matrixNorm(given, [1, 1, 1]));
    expect(given.operator.matrix.factor([1, 1, 3])).toBeCloseTo(Math.sqrt(3), 12);
    expect(share).toBeGreaterThan(0.997);
  });

  it("of PyTorch's matrix of a transposed convolution is √k even where windows do not overlap", () => {
    const given = transposed([1, 3], 2, 2, { strides: 2 });
    // One input writes its taps to two channels in two places: the matrix is the identity, the operator is √2 long.
    const weight = [1, 0, 0, 1];
    expect(matrixNorm(given, weight)).toBeCloseTo(1, 12);
    expect(operatorNorm(given, weight)).toBeCloseTo(Math.SQRT2, 12);
    expect(given.operator.matrix.factor([1, 2, 2])).toBeCloseTo(Math.SQRT2, 12);
  });

  it("is less for few output channels", () => {
    const { operator } = transposed([3, 3, 3], 1, 4, { strides: 2, padding: 1 });
    expect(operator.matrix.factor([3, 1, 4, 4])).toBe(2);
    expect(operator.matrix.factor([3, 3, 4, 4])).toBeCloseTo(Math.sqrt(12), 12);
    expect(operator.matrix.factor([3, 8, 4, 4])).toBe(4);
  });
});
