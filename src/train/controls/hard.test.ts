import { random, tree } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { clipSingularValues as clipExactly, withSpectrum } from "../../linalg/clip.ts";
import { singularValuesSmall } from "../../linalg/svd.ts";
import { onWasm } from "../testing/control-cases.ts";
import {
  distance,
  drawn,
  heldOf,
  matrixSpectrum,
  numbers,
  tensor,
  weightCases,
  withSingularValues,
} from "../testing/controlled-weights.ts";
import { clipWeights } from "./clip-weights.ts";
import type { Control } from "./control.ts";
import { projectNorm } from "./project-norm.ts";
import { ruleOf } from "./rules.ts";
import { clipSingularValues, singularBand } from "./singular-band.ts";

beforeAll(onWasm);

const [wide] = weightCases;
const convolution = weightCases.at(-1)!;

/** The projected weight's numbers after `calls` projections of float32 values. */
function projected(
  control: Control,
  values: Float64Array,
  rows: number,
  columns: number,
  calls = 1,
): Float64Array {
  let weight = tensor(values, [rows, columns]);
  for (let call = 0; call < calls; call++) {
    const result = ruleOf(control).project(control, heldOf(wide, weight), {});
    weight.dispose();
    weight = result.weight;
  }
  return numbers(weight);
}

const single = (values: Float64Array) => Float64Array.from(Float32Array.from(values));

describe("weights of every size", () => {
  const cases = [1e-30, 1e-9, 1, 1e4, 1e9, 1e12, 1e20, 1e30].flatMap((scale) =>
    (
      [
        [8, 13],
        [13, 8],
        [1, 9],
      ] as const
    ).map(([rows, columns]) => ({ scale, rows, columns })),
  );

  it.each(cases)(
    "$scale, $rows × $columns, come into the band and no further",
    ({ scale, rows, columns }) => {
      const count = Math.min(rows, columns);
      const sizes = Array.from({ length: count }, (_, i) => scale * (1 + 4 / (i + 1)));
      const given = withSingularValues(sizes, rows, columns);
      const band = singularBand({ min: 0.2, max: 0.8 });
      for (const control of [clipSingularValues({ cap: 0.8 }), band]) {
        const after = projected(control, given, rows, columns);
        expect(after.every(Number.isFinite)).toBe(true);
        expect(singularValuesSmall(after, rows, columns)[0]).toBeLessThanOrEqual(0.8 * (1 + 1e-5));
        if (control !== band && scale < 0.1) expect(after).toEqual(single(given));
      }
      if (scale < 1) return;
      const settled = singularValuesSmall(projected(band, given, rows, columns, 4), rows, columns);
      expect(settled[0]).toBeLessThanOrEqual(0.8 * (1 + 1e-5));
      expect(settled[count - 1]).toBeGreaterThanOrEqual(0.2 * (1 - 1e-3));
    },
  );
});

const spectra: Record<string, (i: number, k: number) => number> = {
  "power law": (i) => 1.3 * (i + 1) ** -0.5,
  tied: (i, k) => (i < k / 3 ? 1.2 : i < k / 2 ? 1 : 0.6),
  "rank-deficient": (i, k) => (i < k / 2 ? 1.5 - i / k : 0),
  "three times the cap": (i, k) => 3 * Math.exp((-3 * i) / k),
};

const shapes = [
  [20, 33],
  [20, 20],
  [33, 20],
] as const;

describe("clipSingularValues", () => {
  it.each(
    shapes.flatMap((shape) =>
      Object.entries(spectra).map(([name, spectrum]) => [name, ...shape, spectrum] as const),
    ),
  )("%s, %i×%i: the decomposition's answer in one call", (_, rows, columns, spectrum) => {
    const k = Math.min(rows, columns);
    const values = single(
      withSingularValues(
        Array.from({ length: k }, (_, i) => spectrum(i, k)),
        rows,
        columns,
      ),
    );
    const exact = clipExactly(values, rows, columns, 1);
    const got = projected(clipSingularValues(), values, rows, columns);
    expect(distance(got, exact)).toBeLessThan(2e-4);
    expect(singularValuesSmall(got, rows, columns)[0]).toBeLessThan(1 + 2e-5);
  });

  it("leaves a weight below the cap as it is, and a zero weight zero", () => {
    const values = single(drawn(600, 3).map((x) => 0.02 * x));
    expect(distance(projected(clipSingularValues(), values, 20, 30), values)).toBeLessThan(1e-6);
    expect(projected(clipSingularValues(), new Float64Array(600), 20, 30).every((x) => x === 0)).toBe(true);
  });

  it("divides a convolution's edges by the number that bounds it by its reshaped kernel", () => {
    const { operator, shape } = convolution;
    const weight = tensor(drawn(36, 3), shape);
    const control = clipSingularValues({ cap: 2 });
    const result = ruleOf(control).project(control, heldOf(convolution, weight), {}).weight;
    expect(operator.matrix.factor(shape)).toBeGreaterThan(2.4);
    expect(matrixSpectrum(convolution, result)[0]).toBeCloseTo(2 / operator.matrix.factor(shape), 5);
    tree.dispose([weight, result] as never);
  });
});

describe("singularBand", () => {
  it.each(shapes)("%i×%i: both ends by the decomposition", (rows, columns) => {
    const k = Math.min(rows, columns);
    const values = single(
      withSingularValues(
        Array.from({ length: k }, (_, i) => 1.6 - (1.5 * i) / k),
        rows,
        columns,
      ),
    );
    const exact = withSpectrum(values, rows, columns, (s) => s.map((x) => Math.min(Math.max(x, 0.5), 1)));
    const got = projected(singularBand({ min: 0.5, max: 1 }), values, rows, columns);
    expect(distance(got, exact)).toBeLessThan(3e-4);
  });

  it("raises tiny singular values in a few calls, and keeps exact zeros", () => {
    const tiny = withSingularValues([1, 0.8, 1e-3], 3, 5);
    const raised = projected(singularBand({ min: 0.5 }), single(tiny), 3, 5, 3);
    expect(singularValuesSmall(raised, 3, 5)[2]).toBeCloseTo(0.5, 4);
    const lost = new Float64Array(15);
    lost[0] = 1;
    const kept = projected(singularBand({ min: 0.5 }), lost, 3, 5, 3);
    expect([...singularValuesSmall(kept, 3, 5)].map((s) => Math.round(s * 1e5) / 1e5)).toEqual([1, 0, 0]);
  });

  it("with equal ends is a multiple of the orthonormal matrix", () => {
    const got = projected(singularBand({ min: 2, max: 2 }), single(drawn(30, 5)), 5, 6, 2);
    for (const s of singularValuesSmall(got, 5, 6)) expect(s).toBeCloseTo(2, 4);
  });
});

describe("projectNorm", () => {
  const control = projectNorm({ iterations: 3 });

  function settled(values: Float64Array) {
    const weight = tensor(values, [4, 7]);
    const started = ruleOf(control).init(control, heldOf(wide, weight), [7], random.key(1));
    const state = { ...started.state };
    for (let i = 0; i < 20; i++) {
      const next = ruleOf(control).project(control, heldOf(wide, weight), state);
      tree.dispose(state as never);
      Object.assign(state, next.state);
      next.weight.dispose();
    }
    const { weight: result } = ruleOf(control).project(control, heldOf(wide, weight), state);
    tree.dispose([weight, { ...started, state }] as never);
    return numbers(result);
  }

  it("scales a weight above the cap to it, every direction alike", () => {
    const values = single(drawn(28, 3));
    const { 0: largest } = singularValuesSmall(values, 4, 7);
    expect(largest).toBeGreaterThan(1);
    expect(
      distance(
        settled(values),
        values.map((x) => x / largest),
      ),
    ).toBeLessThan(1e-5);
  });

  it("leaves a weight below the cap, and a zero weight, bit for bit", () => {
    const values = single(drawn(28, 3).map((x) => x / 10));
    expect(settled(values)).toEqual(values);
    expect(settled(new Float64Array(28))).toEqual(new Float64Array(28));
  });
});

describe("clipWeights", () => {
  it("moves every entry into the limits and promises no norm", () => {
    const control = clipWeights({ limit: 0.5 });
    const values = single(drawn(28, 3));
    const limited = values.map((x) => Math.min(Math.max(x, -0.5), 0.5));
    expect(projected(control, values, 4, 7)).toEqual(limited);
    expect(ruleOf(control).promise(control)).toBeNull();
  });
});
