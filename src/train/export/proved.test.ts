import { defaultDevice, init } from "@jax-js/jax";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { singularValueDecomposition } from "../../linalg/svd.ts";
import { spectralNorm } from "../controls/spectral-norm.ts";
import { denseOperator } from "../layers/dense-operator.ts";
import type { WeightUse } from "../weight.ts";
import { ExportError } from "./errors.ts";
import { keepPromise, normBound } from "./proved.ts";

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

function use(cols: number): WeightUse {
  const slot = { name: "weight", operator: denseOperator, control: spectralNorm() };
  return { path: [], slot, inputShape: [cols] };
}

const sigmaOf = (data: ArrayLike<number>, rows: number, cols: number) =>
  singularValueDecomposition(Float64Array.from(data), rows, cols).s[0]!;

const keep = (data: Float32Array | Float64Array, rows: number, cols: number, cap: number) =>
  keepPromise("0.weight", use(cols), { data, shape: [rows, cols] }, { cap, norm: "operator" });

describe("keepPromise", () => {
  it("brings any matrix under any cap, and no lower than it must", async () => {
    const numbers = fc.double({ min: -1, max: 1, noNaN: true });
    const matrix = fc
      .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }))
      .chain(([rows, cols]) =>
        fc.record({
          rows: fc.constant(rows),
          cols: fc.constant(cols),
          entries: fc.array(numbers, { minLength: rows * cols, maxLength: rows * cols }),
        }),
      );
    const exponent = fc.integer({ min: -20, max: 20 });
    await fc.assert(
      fc.asyncProperty(matrix, exponent, exponent, async ({ rows, cols, entries }, size, capSize) => {
        const data = Float64Array.from(entries, (x) => x * 2 ** size);
        const cap = 2 ** capSize;
        const before = sigmaOf(data, rows, cols);
        // Entries that are nothing beside the others in float32 decide nothing, but lose digits when scaled down.
        fc.pre(before === 0 || before > 2 ** -60);
        const kept = await keep(data, rows, cols, cap);
        const after = sigmaOf(kept.data, rows, cols);
        expect(kept.sigma.upper).toBeLessThanOrEqual(cap);
        expect(after).toBeLessThanOrEqual(cap);
        expect(after).toBeLessThanOrEqual(kept.sigma.upper!);
        expect(after).toBeGreaterThanOrEqual(Math.min(before, cap) * (1 - 2e-6));
        expect(kept.excess).toBeCloseTo(Math.max(0, 1 - cap / before) || 0, 5);
        expect(kept.shrunkBy).toBeGreaterThanOrEqual(kept.excess);
      }),
      { numRuns: 60 },
    );
  });

  it("leaves a weight that keeps its promise as it is", async () => {
    const data = Float32Array.of(0.5, 0, 0, 0.25);
    const kept = await keep(data, 2, 2, 1);
    expect(kept).toMatchObject({ data, shrunkBy: 0, excess: 0 });
  });

  it("shrinks orthonormal matrices, all of whose singular values tie, by next to nothing", async () => {
    const n = 24;
    const identity = Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
    const kept = await keep(identity, n, n, 1);
    expect(kept.sigma.upper).toBeLessThanOrEqual(1);
    expect(kept.shrunkBy).toBeLessThan(1e-6);
    expect(kept.excess).toBe(0);
  });

  it("refuses a cap that float32 cannot hold", async () => {
    const data = Float32Array.of(1, 2, 3, 4);
    await expect(keep(data, 2, 2, 1e-46)).rejects.toThrow(ExportError);
    await expect(keep(data, 2, 2, 1e-46)).rejects.toThrow(/0\.weight rounds to zero in float32/);
  });
});

describe("normBound", () => {
  it("measures the kernel as the matrix that its layer reshapes it to", async () => {
    const data = Float64Array.of(1, 2, 3, 4, 5, 6);
    const transposing: WeightUse = {
      ...use(3),
      slot: {
        ...use(3).slot,
        operator: {
          ...denseOperator,
          matrix: { ...denseOperator.matrix, shape: () => [3, 2], of: (w) => w.transpose().reshape([3, 2]) },
        },
      },
    };
    const { lower, upper } = await normBound(transposing, { data, shape: [2, 3] }, "reshaped", "proof");
    expect(lower).toBeLessThanOrEqual(sigmaOf(data, 2, 3));
    expect(upper).toBeGreaterThanOrEqual(sigmaOf(data, 2, 3));
    expect(upper! / lower).toBeLessThan(1 + 1e-5);
  });
});
