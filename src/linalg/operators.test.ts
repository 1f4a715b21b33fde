import { describe, expect, test } from "vitest";
import type { ConvolutionOperator } from "./convolution.ts";
import { conv1d, conv2d, convTranspose } from "./convolutions.ts";
import { dense, embedding } from "./dense.ts";
import { OperatorError } from "./errors.ts";
import { explicitMatrix } from "./explicit.ts";
import type { LinearOperator } from "./operator.ts";
import { adjointOf, compose, directSum, scale } from "./operators.ts";
import { RandomStream } from "./random.ts";
import { gaussian, largestDifference, matrixProduct, transposed } from "./testing/matrices.ts";

const random = new RandomStream(5n);
const a = gaussian(random, 4, 6);
const b = gaussian(random, 6, 3);

/** The matrix found by `apply` and by `adjoint` alike. */
function bothWays(operator: LinearOperator): Float64Array {
  const matrix = explicitMatrix(operator);
  const other = explicitMatrix(adjointOf(operator));
  expect(largestDifference(transposed(other, operator.cols, operator.rows), matrix)).toBeLessThan(1e-14);
  return matrix;
}

describe("operators built from others", () => {
  test("a dense matrix is itself, in either precision", () => {
    expect(bothWays(dense(a, 4, 6))).toEqual(a);
    const single = Float32Array.from(a);
    expect(bothWays(dense(single, 4, 6))).toEqual(Float64Array.from(single));
    expect(dense(a, 4, 6).kind).toBe("dense");
    expect(bothWays(embedding(a, 4, 6))).toEqual(a);
    const gram = new Float64Array(6);
    const x = gaussian(random, 6, 1);
    dense(a, 4, 6).gram(x, gram);
    const expected = matrixProduct(transposed(a, 4, 6), matrixProduct(a, x, 4, 6, 1), 6, 4, 1);
    expect(largestDifference(gram, expected)).toBeLessThan(1e-13);
  });

  test("a typed array that is a window on a larger buffer is read in its place", () => {
    const window = new Float64Array(a.buffer, 8 * 6, 12);
    expect(explicitMatrix(dense(window, 2, 6))).toEqual(a.slice(6, 18));
  });

  test("composition is the matrix product", () => {
    const c = gaussian(random, 3, 2);
    const composed = compose(dense(a, 4, 6), dense(b, 6, 3), dense(c, 3, 2));
    expect([composed.rows, composed.cols, composed.kind, composed.parts.length]).toEqual([
      4,
      2,
      "composition",
      3,
    ]);
    const expected = matrixProduct(matrixProduct(a, b, 4, 6, 3), c, 4, 3, 2);
    expect(largestDifference(bothWays(composed), expected)).toBeLessThan(1e-13);
  });

  test("scaling, adjoint, direct sum", () => {
    expect(bothWays(scale(dense(a, 4, 6), -2))).toEqual(a.map((x) => -2 * x));
    expect(bothWays(adjointOf(dense(a, 4, 6)))).toEqual(transposed(a, 4, 6));
    const sum = directSum([dense(a, 4, 6), dense(b, 6, 3)]);
    expect([sum.rows, sum.cols]).toEqual([10, 9]);
    const matrix = bothWays(sum);
    for (let i = 0; i < 10; i++) {
      for (let j = 0; j < 9; j++) {
        const inside = i < 4 ? (j < 6 ? a[i * 6 + j]! : 0) : j < 6 ? 0 : b[(i - 4) * 3 + j - 6]!;
        expect(matrix[i * 9 + j]).toBe(inside);
      }
    }
  });

  test("what does not fit is refused", () => {
    expect(() => dense(a, 5, 5)).toThrow(/dense matrix: got 24 numbers, expected 25/);
    expect(() => dense(a, 4, 6).apply(b)).toThrow(OperatorError);
    expect(() => compose(dense(a, 4, 6), dense(a, 4, 6))).toThrow(/4×6 after 4×6/);
    expect(() => compose()).toThrow(OperatorError);
    expect(() => directSum([])).toThrow(OperatorError);
    expect(() => directSum([dense(a, 4, 6)]).apply(new Float64Array(7))).toThrow(OperatorError);
    expect(() => scale(dense(a, 4, 6), Number.NaN)).toThrow(OperatorError);
    const huge: LinearOperator = { ...dense(a, 4, 6), rows: 2 ** 20, cols: 2 ** 20 };
    expect(() => explicitMatrix(huge)).toThrow(/explicit matrix/);
  });
});

describe("convolutions as users write them", () => {
  const kernel = { data: gaussian(random, 4, 18), shape: [4, 2, 3, 3] };

  test("defaults: stride 1, no padding, zero boundary, one group", () => {
    const operator = conv2d(kernel, { inputShape: [2, 6, 5] });
    expect(operator.outputSize).toEqual([4, 3]);
    expect(operator.geometry).toEqual({
      inputSize: [6, 5],
      strides: [1, 1],
      padding: [
        [0, 0],
        [0, 0],
      ],
      dilations: [1, 1],
      groups: 1,
      boundary: "zero",
    });
    expect(conv1d({ data: kernel.data, shape: [8, 3, 3] }, { inputShape: [3, 5] }).rows).toBe(24);
  });

  test("without an input shape no matrix exists, only bounds for every size", () => {
    expect(conv2d(kernel, { strides: [2, 2] }).kind).toBe("convolution-any-size");
    expect(convTranspose(kernel).kind).toBe("convolution-any-size");
  });

  test("a transposed convolution spreads each input over the output", () => {
    const [height, width] = [3, 2];
    const operator = convTranspose(kernel, {
      inputShape: [4, height, width],
      strides: [2, 3],
      padding: [
        [1, 0],
        [0, 2],
      ],
      dilations: [1, 2],
      outputPadding: [1, 2],
    });
    const [outHeight, outWidth] = [2 * 2 - 1 + 3 + 1, 3 * 1 - 2 + 5 + 2];
    expect([operator.rows, operator.cols]).toEqual([2 * outHeight * outWidth, 4 * height * width]);
    const x = gaussian(random, operator.cols, 1);
    const y = new Float64Array(operator.rows);
    for (let c = 0; c < 4; c++) {
      for (let p = 0; p < height * width; p++) {
        for (let o = 0; o < 2; o++) {
          for (let q = 0; q < 9; q++) {
            const row = Math.floor(p / width) * 2 + Math.floor(q / 3) - 1;
            const column = (p % width) * 3 + (q % 3) * 2;
            if (row < 0 || row >= outHeight || column >= outWidth) continue;
            y[(o * outHeight + row) * outWidth + column]! +=
              kernel.data[(c * 2 + o) * 9 + q]! * x[c * height * width + p]!;
          }
        }
      }
    }
    expect(largestDifference(operator.apply(x), y)).toBeLessThan(1e-13);
    const of: ConvolutionOperator = operator.of;
    expect(of.inputSize).toEqual([outHeight, outWidth]);
  });

  test("what does not fit is refused", () => {
    expect(() => conv2d(kernel, { inputShape: [3, 6, 5] })).toThrow(/input channels: got 3, expected 2/);
    expect(() => conv2d({ ...kernel, shape: [4, 6, 3] })).toThrow(/conv2d kernel shape/);
    expect(() => conv1d(kernel)).toThrow(/conv1d kernel shape/);
    expect(() => convTranspose(kernel, { inputShape: [4, 3] })).toThrow(OperatorError);
    expect(() => convTranspose(kernel, { inputShape: [2, 3, 3] })).toThrow(/input channels/);
    expect(() => convTranspose(kernel, { strides: [2] })).toThrow(/strides/);
    expect(() => convTranspose(kernel, { inputShape: [4, 3, 3], outputPadding: [1, 0] })).toThrow(
      /less than/,
    );
  });
});
