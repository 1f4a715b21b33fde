import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ConvolutionOperator, convolution, convolutionAnySize } from "./convolution.ts";
import { OperatorError } from "./errors.ts";
import { explicitMatrix, sparseRows } from "./explicit.ts";
import type { Boundary } from "./geometry.ts";
import { RandomStream } from "./random.ts";
import { explicitConvolution } from "./testing/explicit-convolution.ts";
import { type ConvolutionCase, convolutionCases } from "./testing/random-convolution.ts";

const BOUNDARIES: readonly Boundary[] = ["zero", "circular", "reflect", "replicate"];

/** [before, after] for an axis of kernel extent `extent`: none, same, asymmetric, beyond the kernel. */
function paddings(extent: number): [number, number][] {
  return [
    [0, 0],
    [Math.floor((extent - 1) / 2), Math.ceil((extent - 1) / 2)],
    [2, 0],
    [extent + 1, extent],
  ];
}

function integers(length: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => ((i * 37 + 11) % 19) - 9);
}

function largestDifference(a: Float64Array, b: Float64Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}

function times(matrix: Float64Array, rows: number, cols: number, x: Float64Array): Float64Array {
  return Float64Array.from({ length: rows }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < cols; j++) sum += matrix[i * cols + j]! * x[j]!;
    return sum;
  });
}

function timesTransposed(matrix: Float64Array, rows: number, cols: number, y: Float64Array): Float64Array {
  const x = new Float64Array(cols);
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) x[j]! += matrix[i * cols + j]! * y[i]!;
  return x;
}

function fromSparse(operator: ConvolutionOperator): Float64Array {
  const { starts, columns, values } = sparseRows(operator);
  const matrix = new Float64Array(operator.rows * operator.cols);
  for (let row = 0; row < operator.rows; row++) {
    for (let e = starts[row]!; e < starts[row + 1]!; e++)
      matrix[row * operator.cols + columns[e]!] = values[e]!;
  }
  return matrix;
}

/** All of the operator against the definition; integers throughout, so nothing may differ at all. */
function worstDifference({ kernel, kernelShape, geometry }: ConvolutionCase): number {
  const operator = convolution(kernel, kernelShape, geometry);
  const { matrix, rows, cols } = explicitConvolution(kernel, kernelShape, geometry);
  if (operator.rows !== rows || operator.cols !== cols) return Number.POSITIVE_INFINITY;
  const x = integers(cols);
  const y = integers(rows);
  const gram = new Float64Array(cols).fill(Number.NaN);
  operator.gram(x, gram);
  const image = times(matrix, rows, cols, x);
  return Math.max(
    largestDifference(operator.apply(x), image),
    largestDifference(operator.adjoint(y), timesTransposed(matrix, rows, cols, y)),
    largestDifference(gram, timesTransposed(matrix, rows, cols, image)),
    largestDifference(fromSparse(operator), matrix),
  );
}

describe("a convolution equals the matrix of its definition", () => {
  for (const boundary of BOUNDARIES) {
    for (const groups of [1, 2, 3]) {
      test(`1-D, ${boundary}, ${groups} groups: every stride, padding, dilation, kernel size`, () => {
        let cases = 0;
        for (const k of [1, 2, 3, 4]) {
          for (const stride of [1, 2, 3]) {
            for (const dilation of [1, 2]) {
              for (const padding of paddings(dilation * (k - 1) + 1)) {
                const n = boundary === "reflect" ? Math.max(7, padding[0] + 1) : 7;
                const kernelShape = [2 * groups, groups === 3 ? 1 : 2, k];
                const kernel = integers(kernelShape[0]! * kernelShape[1]! * k);
                const geometry = {
                  inputSize: [n],
                  strides: [stride],
                  padding: [padding],
                  dilations: [dilation],
                };
                const all = { ...geometry, groups, boundary };
                expect(worstDifference({ kernel, kernelShape, geometry: all })).toBe(0);
                cases++;
              }
            }
          }
        }
        expect(cases).toBe(96);
      });
    }
  }

  for (const [axes, largest, runs] of [
    [2, 6, 400],
    [3, 4, 150],
  ] as const) {
    test(`${axes}-D, sampled`, () => {
      fc.assert(
        fc.property(convolutionCases(axes, largest), (sample) => worstDifference(sample) === 0),
        { numRuns: runs },
      );
    });
  }

  for (const boundary of BOUNDARIES) {
    test(`many channels, ${boundary}: the kernels' block products`, () => {
      for (const [groups, strides] of [
        [1, [1, 1]],
        [2, [2, 1]],
        [1, [3, 2]],
      ] as const) {
        const kernelShape = [10, 8 / groups, 3, 3];
        const geometry = {
          inputSize: [7, 6],
          strides,
          padding: [
            [2, 1],
            [1, 1],
          ],
          dilations: [1, 2],
        } as const;
        const kernel = integers((10 * 8 * 9) / groups);
        expect(worstDifference({ kernel, kernelShape, geometry: { ...geometry, groups, boundary } })).toBe(0);
      }
    });
  }

  test("several tiles of positions give the same as one", () => {
    const kernelShape = [8, 1, 3, 3];
    const geometry = {
      inputSize: [97, 101],
      strides: [1, 1],
      padding: [
        [1, 1],
        [1, 1],
      ],
      dilations: [1, 1],
    } as const;
    const operator = convolution(integers(72), kernelShape, { ...geometry, groups: 1, boundary: "zero" });
    expect(operator.outputSize).toEqual([97, 101]);
    const x = integers(operator.cols);
    const image = operator.apply(x);
    for (const [row, column] of [
      [0, 0],
      [50, 50],
      [96, 100],
      [71, 3],
    ] as const) {
      let sum = 0;
      for (let i = -1; i <= 1; i++) {
        for (let j = -1; j <= 1; j++) {
          if (row + i < 0 || row + i > 96 || column + j < 0 || column + j > 100) continue;
          sum += operator.kernel[9 + (i + 1) * 3 + j + 1]! * x[(row + i) * 101 + column + j]!;
        }
      }
      expect(image[97 * 101 + row * 101 + column]).toBe(sum);
    }
    const gram = new Float64Array(operator.cols);
    operator.gram(x, gram);
    expect(largestDifference(gram, operator.adjoint(image))).toBe(0);
  });

  test("⟨A x, y⟩ = ⟨x, Aᵀ y⟩ for real kernels", () => {
    fc.assert(
      fc.property(convolutionCases(2, 6), fc.integer(), ({ kernel, kernelShape, geometry }, seed) => {
        const random = new RandomStream(BigInt(seed));
        const operator = convolution(
          Float32Array.from(kernel, () => random.normal()),
          kernelShape,
          geometry,
        );
        const x = Float64Array.from({ length: operator.cols }, () => random.normal());
        const y = Float64Array.from({ length: operator.rows }, () => random.normal());
        const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
        const left = dot(operator.apply(x), y);
        const right = dot(x, operator.adjoint(y));
        const size = Math.hypot(...operator.apply(x)) * Math.hypot(...y);
        expect(Math.abs(left - right)).toBeLessThanOrEqual(1e-13 * size);
      }),
      { numRuns: 200 },
    );
  });
});

describe("a block of output channels", () => {
  test("is that block of rows", () => {
    for (const groups of [1, 2, 4]) {
      const kernelShape = [8, 4 / groups, 3];
      const kernel = integers((8 * 4 * 3) / groups);
      const geometry = { inputSize: [6], strides: [2], padding: [[1, 1]], dilations: [1], groups } as const;
      const whole = convolution(kernel, kernelShape, { ...geometry, boundary: "zero" });
      const matrix = explicitMatrix(whole);
      for (const outputChannels of [
        [0, 3],
        [3, 5],
        [1, 8],
        [5, 6],
      ] as const) {
        const [from, to] = outputChannels;
        const part = convolution(kernel, kernelShape, { ...geometry, boundary: "zero" }, { outputChannels });
        expect(part.rows).toBe((to - from) * 3);
        expect(explicitMatrix(part)).toEqual(matrix.slice(from * 3 * whole.cols, to * 3 * whole.cols));
        expect(fromSparse(part)).toEqual(explicitMatrix(part));
      }
    }
  });

  test("must exist", () => {
    const geometry = { inputSize: [6], strides: [1], padding: [[0, 0]], dilations: [1], groups: 1 } as const;
    for (const outputChannels of [
      [0, 3],
      [2, 2],
      [-1, 1],
      [0.5, 2],
    ] as const) {
      expect(() =>
        convolution(integers(6), [2, 1, 3], { ...geometry, boundary: "zero" }, { outputChannels }),
      ).toThrow(OperatorError);
    }
  });
});

describe("sparse rows", () => {
  const geometry = { inputSize: [2], strides: [1], padding: [[1, 1]], dilations: [1], groups: 1 } as const;

  test("say when taps on one pixel were added with rounding", () => {
    const rounding = Float64Array.of(0.1, 1, 0.3);
    expect(sparseRows(convolution(rounding, [1, 1, 3], { ...geometry, boundary: "replicate" })).exact).toBe(
      false,
    );
    expect(sparseRows(convolution(rounding, [1, 1, 3], { ...geometry, boundary: "zero" })).exact).toBe(true);
    const halves = Float64Array.of(0.5, 1, 0.25);
    expect(sparseRows(convolution(halves, [1, 1, 3], { ...geometry, boundary: "replicate" })).exact).toBe(
      true,
    );
  });

  test("name each column once", () => {
    const operator = convolution(integers(4), [1, 1, 4], {
      ...geometry,
      padding: [[3, 3]],
      boundary: "circular",
    });
    const { starts, columns } = sparseRows(operator);
    for (let row = 0; row < operator.rows; row++) {
      const row_ = [...columns.slice(starts[row], starts[row + 1])];
      expect(new Set(row_).size).toBe(row_.length);
    }
  });
});

describe("what does not fit is refused by name", () => {
  const good = {
    inputSize: [4],
    strides: [1],
    padding: [[1, 1]] as [number, number][],
    dilations: [1],
    groups: 1,
    boundary: "zero" as Boundary,
  };
  const kernel = integers(12);
  const refused: [string, RegExp, () => unknown][] = [
    ["kernel without axes", /kernel shape/, () => convolution(kernel, [4, 3], good)],
    ["kernel length", /kernel: got 12 numbers, expected 8/, () => convolution(kernel, [2, 2, 2], good)],
    ["zero size", /kernel shape/, () => convolution(new Float64Array(0), [0, 2, 3], good)],
    ["groups", /divisor/, () => convolution(kernel, [2, 2, 3], { ...good, groups: 3 })],
    ["stride", /stride/, () => convolution(kernel, [2, 2, 3], { ...good, strides: [0] })],
    ["strides' length", /strides/, () => convolution(kernel, [2, 2, 3], { ...good, strides: [1, 1] })],
    ["dilation", /dilation/, () => convolution(kernel, [2, 2, 3], { ...good, dilations: [1.5] })],
    ["padding", /padding/, () => convolution(kernel, [2, 2, 3], { ...good, padding: [[-1, 0]] })],
    ["NaN", /padding/, () => convolution(kernel, [2, 2, 3], { ...good, padding: [[Number.NaN, 0]] })],
    ["input size", /input size/, () => convolution(kernel, [2, 2, 3], { ...good, inputSize: [0] })],
    [
      "no output",
      /extent/,
      () => convolution(kernel, [2, 2, 3], { ...good, inputSize: [4], dilations: [4] }),
    ],
    [
      "reflection past the input",
      /reflect padding: got 4, expected less than the input size 4/,
      () => convolution(kernel, [2, 2, 3], { ...good, boundary: "reflect", padding: [[4, 0]] }),
    ],
    [
      "huge input",
      /convolution output/,
      () => convolution(kernel, [2, 2, 3], { ...good, inputSize: [2 ** 40] }),
    ],
    ["boundary", /boundary/, () => convolution(kernel, [2, 2, 3], { ...good, boundary: "wrap" as Boundary })],
    [
      "unknown size",
      /convolutionAnySize/,
      () => convolution(kernel, [2, 2, 3], { ...good, inputSize: undefined }),
    ],
    ["any size, groups", /divisor/, () => convolutionAnySize(kernel, [2, 2, 3], { ...good, groups: 3 })],
    ["argument's length", /convolution input/, () => convolution(kernel, [2, 2, 3], good).apply(integers(7))],
  ];
  test.each(refused)("%s", (_name, message, act) => {
    expect(act).toThrow(OperatorError);
    expect(act).toThrow(message);
  });
});
