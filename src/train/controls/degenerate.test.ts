import { numpy as np, random, tree } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../compile/compile.ts";
import { CAP, controlCases, gradientOfUse, onWasm, started, used } from "../testing/control-cases.ts";
import {
  drawn,
  heldOf,
  matrixSpectrum,
  numbers,
  sizeOf,
  tensor,
  weightCases,
  withSingularValues,
} from "../testing/controlled-weights.ts";
import { provideFloat16Array } from "../testing/float16-array.ts";
import type { LayerTree, Tensor } from "../types.ts";
import { cayley } from "./cayley.ts";
import { ruleOf } from "./rules.ts";
import { spectralNorm } from "./spectral-norm.ts";

beforeAll(async () => {
  provideFloat16Array();
  await onWasm();
});

const [wide] = weightCases;
const shapes = weightCases.filter(({ name }) => ["square", "one row", "one column"].includes(name));
const each = controlCases.flatMap(([name, control]) =>
  shapes.map((given) => [name, given.name, control, given] as const),
);

const SCALES = [1e-30, 1e-6, 1e6, 1e12, 1e30];
/** Of controls that square the weight as it was trained: float32 has no squares far beyond. */
const SQUARED_SCALES = SCALES.filter((scale) => scale <= 1e12);

const allFinite = (array: Tensor) => numbers(array).every(Number.isFinite);

describe("no NaN in values or gradients", () => {
  it.each(each)("%s on %s: zero, rank-one, orthonormal, huge and tiny weights", (_, __, control, given) => {
    const rule = ruleOf(control);
    const [rows, columns] = given.operator.matrix.shape(given.shape);
    const scales = ["bjorck", "cayley"].includes(control.kind) ? SQUARED_SCALES : SCALES;
    const rankOne = Float64Array.from(
      { length: rows * columns },
      (_, i) => (1 + (i % columns)) * (1 + Math.floor(i / columns)),
    );
    const tied = withSingularValues(new Array(Math.min(rows, columns)).fill(CAP), rows, columns);
    const { weight: unused, state } = started(control, given);
    unused.dispose();
    for (const values of [
      rankOne.map(() => 0),
      rankOne,
      tied,
      ...scales.map((scale) => rankOne.map((x) => x * scale)),
      ...scales.map((scale) => drawn(rows * columns, 5).map((x) => x * scale)),
    ]) {
      // The state is that of another weight: what a checkpoint of other weights leaves.
      const weight = tensor(values, given.shape);
      const advanced = rule.advance(control, heldOf(given, weight), state);
      const projected = rule.project(control, heldOf(given, weight), advanced);
      const inUse = used(control, given, projected.weight, projected.state);
      const cotangent = tensor(drawn(sizeOf(given.shape), 11), given.shape);
      const gradient = gradientOfUse(control, given, projected.weight, projected.state, cotangent);
      const results = { gradient, inUse, ...projected };
      const arrays = tree.leaves(results as never) as unknown as Tensor[];
      expect(arrays.map(allFinite)).toEqual(arrays.map(() => true));
      tree.dispose([weight, advanced] as never);
    }
    tree.dispose(state as never);
  });

  it.each(controlCases)("%s: float16 weights, run natively", async (_, control) => {
    const rule = ruleOf(control);
    const { weight, state } = started(control, wide, 1);
    const cotangent = tensor(drawn(sizeOf(wide.shape), 11), wide.shape);
    const through = (w: Tensor, s: LayerTree, c: Tensor) => {
      const half = w.astype(np.float16);
      const advanced = rule.advance(control, heldOf(wide, half), s);
      const projected = rule.project(control, heldOf(wide, half), advanced);
      const inUse = used(control, wide, projected.weight, projected.state);
      const gradient = gradientOfUse(control, wide, projected.weight, projected.state, c.astype(np.float16));
      expect([inUse.dtype, gradient.dtype, projected.weight.dtype]).toEqual([
        "float16",
        "float16",
        "float16",
      ]);
      const widened = [inUse, gradient, projected.weight].map((array) => array.astype(np.float32));
      tree.dispose([half, s, advanced] as never);
      return [...widened, ...(tree.leaves(projected.state as never) as unknown as Tensor[])];
    };
    const run = compile(through);
    for (const size of [1, 0, 1e-3, 300]) {
      const results = await run(weight.ref.mul(size), tree.ref(state) as never, cotangent.ref);
      for (const result of results) {
        const data = (await (result as unknown as Tensor).data()) as Float32Array;
        expect(data.every(Number.isFinite)).toBe(true);
      }
    }
    run.dispose();
    tree.dispose([weight, state, cotangent] as never);
  });
});

describe("weights replaced under a control", () => {
  it("a zero weight stays zero, and is normalised once it is no longer", () => {
    const control = spectralNorm({ cap: 2 });
    const zero = tensor(new Float64Array(28), wide.shape);
    const { state } = ruleOf(control).init(control, heldOf(wide, zero), [7], random.key(2));
    expect(numbers(used(control, wide, zero, state)).every((x) => x === 0)).toBe(true);
    const weight = tensor(drawn(28, 4), wide.shape);
    let current = state;
    for (let step = 0; step < 60; step++) {
      const next = ruleOf(control).advance(control, heldOf(wide, weight), current);
      tree.dispose(current as never);
      current = next;
    }
    const inUse = used(control, wide, weight, current);
    expect(matrixSpectrum(wide, inUse)[0]).toBeCloseTo(2, 5);
    tree.dispose([zero, weight, current, inUse] as never);
  });

  it("cayley starts its inverse anew, never above the cap on the way", () => {
    const control = cayley({ cap: CAP });
    const { weight: first, state } = started(control, wide);
    const weight = tensor(
      drawn(28, 17).map((x) => 3 * x),
      wide.shape,
    );
    let current = state;
    const largest: number[] = [];
    for (let step = 0; step < 16; step++) {
      const inUse = used(control, wide, weight, current);
      largest.push(matrixSpectrum(wide, inUse)[0]);
      inUse.dispose();
      const next = ruleOf(control).advance(control, heldOf(wide, weight), current);
      tree.dispose(current as never);
      current = next;
    }
    expect(Math.max(...largest)).toBeLessThan(CAP * 1.01);
    expect(Math.abs(largest.at(-1)! / CAP - 1)).toBeLessThan(1e-5);
    tree.dispose([first, weight, current] as never);
  });
});
