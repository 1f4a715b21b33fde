import { describe, expect, it } from "vitest";
import { fromFloat64, toFloat64 } from "../formats/decode.ts";
import type { TensorEntry } from "../formats/model.ts";
import type { MatrixLayout, WeightUse } from "../network/use.ts";
import { convolutionSource, matrixSources, permuteAxes } from "./content.ts";

/** A float64 tensor holding 0, 1, 2, … in stored order. */
function counting(shape: readonly number[], extra: Partial<TensorEntry> = {}): TensorEntry {
  const count = shape.reduce((a, b) => a * b, 1);
  const bytes = fromFloat64(
    "float64",
    Float64Array.from({ length: count }, (_, i) => i),
  );
  const read = async (start: number, end: number) => bytes.slice(start, end);
  return { name: "w", dtype: "float64", shape, byteLength: bytes.length, read, ...extra };
}

function use(weight: TensorEntry, layout: WeightUse["layout"]): WeightUse {
  return { name: "w", weight, operator: "dense", layout, problems: [] };
}

const matrices = (weight: TensorEntry, layout: MatrixLayout) =>
  matrixSources(use(weight, layout), layout, weight, 2 ** 20);

const numbers = async (bytes: Promise<Uint8Array>) => [...toFloat64("float64", await bytes)];

describe("matrixSources", () => {
  it("hands out the rows of each stacked matrix", async () => {
    const { sources, swapped } = matrices(counting([2, 2, 3]), {
      kind: "matrix",
      count: 2,
      rows: 2,
      cols: 3,
    });
    expect(swapped).toBe(false);
    expect(await numbers(sources[1]!.readRows(0, 2))).toEqual([6, 7, 8, 9, 10, 11]);
    expect(await numbers(sources[1]!.readRows(1, 2))).toEqual([9, 10, 11]);
  });

  it("reads a column-major matrix as its transpose, by ranges", async () => {
    const weight = counting([2, 3], { fortranOrder: true });
    const { sources, swapped } = matrices(weight, { kind: "matrix", count: 1, rows: 2, cols: 3 });
    expect(swapped).toBe(true);
    expect([sources[0]!.rows, sources[0]!.cols]).toEqual([3, 2]);
    expect(await numbers(sources[0]!.readRows(1, 2))).toEqual([2, 3]);
  });

  it("reorders a column-major stack", async () => {
    // Element (i, j, k) of a 2×2×3 column-major array is stored at i + 2j + 4k.
    const weight = counting([2, 2, 3], { fortranOrder: true });
    const { sources } = matrices(weight, { kind: "matrix", count: 2, rows: 2, cols: 3 });
    expect(await numbers(sources[0]!.readRows(0, 2))).toEqual([0, 4, 8, 2, 6, 10]);
    expect(await numbers(sources[1]!.readRows(1, 2))).toEqual([3, 7, 11]);
  });

  it("refuses types that hold no readable numbers", () => {
    const weight = counting([1, 1], { unsupported: "complex weights are not audited" });
    expect(() => matrices(weight, { kind: "matrix", count: 1, rows: 1, cols: 1 })).toThrow(/complex weights/);
  });
});

describe("convolutionSource", () => {
  it("reads the kernel in the order of its shape", async () => {
    const weight = counting([1, 2, 3, 4]);
    const geometry = {
      strides: [1, 1],
      padding: [[0, 0] as const, [0, 0] as const],
      dilations: [1, 1],
      groups: 1,
      boundary: "zero" as const,
    };
    const layout = {
      kind: "convolution",
      kernelShape: [4, 3, 1, 2],
      permutation: [3, 2, 0, 1],
      geometry,
    } as const;
    const source = convolutionSource(use(weight, layout), layout, weight, 2 ** 20);
    const kernel = await numbers(source.read());
    // Kernel element (o, i, 0, x) is stored element (0, x, i, o).
    expect(kernel[0]).toBe(0);
    expect(kernel[1]).toBe(12);
    expect(kernel[2]).toBe(4);
    expect(kernel[(3 * 3 + 2) * 2 + 1]).toBe(23);
  });
});

describe("permuteAxes", () => {
  it("undoes itself with the inverse permutation", () => {
    const bytes = Uint8Array.from({ length: 48 }, (_, i) => i);
    const there = permuteAxes(bytes, [2, 3, 4], [2, 0, 1], 2);
    expect(there).not.toEqual(bytes);
    expect(permuteAxes(there, [4, 2, 3], [1, 2, 0], 2)).toEqual(bytes);
  });
});
