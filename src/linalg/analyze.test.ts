import { describe, expect, it } from "vitest";
import { analyzeConvolution, analyzeMatrix } from "./analyze.ts";
import type { AnalyzeOptions } from "./analyze-options.ts";
import type { ElementType, MatrixSource } from "./matrix-source.ts";
import { RandomStream } from "./random.ts";
import { singularValuesSmall } from "./svd.ts";
import { assembled, gaussian, orthonormal } from "./testing/matrices.ts";

const OPTIONS: AnalyzeOptions = { guarantee: "probable", seed: 1n, threads: 1, memory: 2 ** 30 };

interface Stored {
  readonly type: ElementType;
  readonly rows: number;
  readonly cols: number;
  readonly bytes: Uint8Array;
}

/** A source that counts what it hands out. */
function sourceOf({ type, rows, cols, bytes }: Stored): MatrixSource & { read: () => number } {
  let read = 0;
  const width = bytes.length / rows;
  return {
    type,
    rows,
    cols,
    read: () => read,
    readRows: async (start, end) => {
      read += (end - start) * width;
      return bytes.slice(start * width, end * width);
    },
  };
}

function float32(rows: number, cols: number, seed: bigint): Stored {
  const values = Float32Array.from(gaussian(new RandomStream(seed), rows, cols));
  return { type: "float32", rows, cols, bytes: new Uint8Array(values.buffer) };
}

function float64(values: Float64Array, rows: number, cols: number): Stored {
  return { type: "float64", rows, cols, bytes: new Uint8Array(values.slice().buffer) };
}

describe("analyzeMatrix", () => {
  for (const [rows, cols] of [
    [300, 120],
    [120, 300],
  ] as const) {
    it(`streams a ${rows} × ${cols} matrix that does not fit, with the same bounds`, async () => {
      const stored = float32(rows, cols, 3n);
      for (const guarantee of ["estimate", "probable"] as const) {
        const held = await analyzeMatrix(sourceOf(stored), { ...OPTIONS, guarantee });
        const source = sourceOf(stored);
        const streamed = await analyzeMatrix(source, { ...OPTIONS, guarantee, memory: 2 ** 15 });
        expect(source.read()).toBeGreaterThan(10 * stored.bytes.length);
        expect(streamed.sigma!.lower / held.sigma!.lower).toBeCloseTo(1, 12);
        if (guarantee === "probable") expect(streamed.sigma!.upper! / held.sigma!.upper!).toBeCloseTo(1, 10);
        expect(streamed.frobenius / held.frobenius).toBeCloseTo(1, 12);
      }
    });

    it(`proves a ${rows} × ${cols} matrix from slabs, whatever the budget`, async () => {
      const stored = float32(rows, cols, 4n);
      const values = Float64Array.from(new Float32Array(stored.bytes.buffer));
      const sigma = singularValuesSmall(values, rows, cols)[0]!;
      for (const memory of [2 ** 30, 2 ** 19]) {
        const { sigma: bound } = await analyzeMatrix(sourceOf(stored), {
          ...OPTIONS,
          guarantee: "proof",
          memory,
        });
        expect(bound!.method).toBe("cholesky");
        expect(bound!.lower).toBeLessThanOrEqual(sigma * (1 + 1e-13));
        expect(bound!.upper!).toBeGreaterThanOrEqual(sigma * (1 - 1e-13));
        expect(bound!.upper! / bound!.lower - 1).toBeLessThan(1e-6);
      }
    });
  }

  it("says that it fell back to the Frobenius norm where a Gram matrix would not fit", async () => {
    const stored = float32(120, 300, 5n);
    const { sigma, frobenius } = await analyzeMatrix(sourceOf(stored), {
      ...OPTIONS,
      guarantee: "proof",
      memory: 2 ** 17,
    });
    expect(sigma).toMatchObject({ guarantee: "proof", method: "frobenius" });
    expect(sigma!.upper).toBeLessThanOrEqual(frobenius);
    expect(sigma!.upper! / frobenius).toBeCloseTo(1, 12);
  });

  it("shares the work among threads without changing the bounds", async () => {
    const stored = float32(1200, 1000, 6n);
    for (const guarantee of ["probable", "proof"] as const) {
      const one = await analyzeMatrix(sourceOf(stored), { ...OPTIONS, guarantee });
      const three = await analyzeMatrix(sourceOf(stored), { ...OPTIONS, guarantee, threads: 3 });
      expect(three.sigma!.method).toBe(one.sigma!.method);
      expect(three.sigma!.lower / one.sigma!.lower).toBeCloseTo(1, 10);
      expect(three.sigma!.upper! / one.sigma!.upper!).toBeCloseTo(1, 6);
    }
  });

  it("is exact about entries whose squares leave float64's range", async () => {
    const random = new RandomStream(7n);
    const s = Float64Array.of(1, 0.5, 0.25);
    const a = assembled({ u: orthonormal(random, 5, 3), s, v: orthonormal(random, 4, 3) }, 5, 4);
    for (const scale of [2 ** 1000, 2 ** 400, 2 ** -400, 2 ** -1000]) {
      for (const guarantee of ["probable", "proof"] as const) {
        const stored = float64(
          a.map((x) => x * scale),
          5,
          4,
        );
        const { sigma, frobenius } = await analyzeMatrix(sourceOf(stored), { ...OPTIONS, guarantee });
        expect(sigma!.lower / scale).toBeLessThanOrEqual(1 + 1e-12);
        expect(sigma!.upper! / scale).toBeGreaterThanOrEqual(1 - 1e-12);
        expect(sigma!.upper! / sigma!.lower).toBeLessThan(1.01);
        expect(frobenius / scale).toBeCloseTo(Math.hypot(1, 0.5, 0.25), 10);
      }
    }
  });

  it("gives the singular vectors asked for", async () => {
    const random = new RandomStream(8n);
    const u = orthonormal(random, 9, 2);
    const v = orthonormal(random, 6, 2);
    const a = assembled({ u, s: Float64Array.of(4, 1), v }, 9, 6);
    const { top } = await analyzeMatrix(sourceOf(float64(a, 9, 6)), { ...OPTIONS, vectors: true });
    const overlap = (x: Float64Array, y: Float64Array, columns: number) =>
      Math.abs(x.reduce((sum, value, i) => sum + value * y[i * columns]!, 0));
    expect(overlap(top!.u, u, 2)).toBeCloseTo(1, 6);
    expect(overlap(top!.v, v, 2)).toBeCloseTo(1, 6);
  });

  it("stops between steps when aborted", async () => {
    const controller = new AbortController();
    const stored = float32(400, 400, 9n);
    let reads = 0;
    const source: MatrixSource = {
      ...sourceOf(stored),
      readRows: async (start, end) => {
        if (++reads === 5) controller.abort(new Error("enough"));
        return stored.bytes.slice(start * 1600, end * 1600);
      },
    };
    const options = { ...OPTIONS, memory: 2 ** 16, signal: controller.signal };
    await expect(analyzeMatrix(source, options)).rejects.toThrow("enough");
    expect(reads).toBeLessThan(30);
  });

  it("answers empty, zero and non-finite matrices", async () => {
    const empty = { type: "float32", rows: 0, cols: 5, readRows: async () => new Uint8Array(0) } as const;
    expect((await analyzeMatrix(empty, OPTIONS)).sigma).toMatchObject({ lower: 0, upper: 0 });
    const zero = float64(new Float64Array(6), 2, 3);
    expect(await analyzeMatrix(sourceOf(zero), OPTIONS)).toMatchObject({ frobenius: 0, sigma: { upper: 0 } });
    const bad = float64(Float64Array.of(1, Number.NaN, 0, 1), 2, 2);
    expect(await analyzeMatrix(sourceOf(bad), OPTIONS)).toMatchObject({ finite: false, sigma: null });
  });
});

describe("analyzeConvolution", () => {
  it("shares the work among threads without changing the bounds", async () => {
    const random = new RandomStream(10n);
    const kernel = Float32Array.from(gaussian(random, 48, 48 * 9));
    const source = {
      type: "float32",
      kernelShape: [48, 48, 3, 3],
      geometry: {
        inputSize: [34, 34],
        strides: [1, 1],
        padding: [
          [1, 1],
          [1, 1],
        ],
        dilations: [1, 1],
        groups: 1,
        boundary: "zero",
      },
      transposed: false,
      read: async () => new Uint8Array(kernel.buffer),
    } as const;
    for (const guarantee of ["probable", "proof"] as const) {
      const one = await analyzeConvolution(source, { ...OPTIONS, guarantee });
      const three = await analyzeConvolution(source, { ...OPTIONS, guarantee, threads: 3 });
      expect(three.sigma!.upper! / one.sigma!.upper!).toBeCloseTo(1, 5);
      expect(three.sigma!.lower / one.sigma!.lower).toBeCloseTo(1, 3);
      expect(one.sigma!.upper! / one.sigma!.lower).toBeLessThan(1.02);
    }
  });
});
