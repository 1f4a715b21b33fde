import { defaultDevice, grad, init, makeJaxpr, numpy as np } from "@jax-js/jax";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../compile/compile.ts";
import { toNative } from "../../compile/to-native.ts";
import { RandomStream } from "../../linalg/random.ts";
import { ShapeError, TrainError } from "../errors.ts";
import { expectGradient } from "../testing/finite-differences.ts";
import { float64 } from "../testing/float64.ts";
import { liveBuffers } from "../testing/ownership.ts";
import type { Tensor } from "../types.ts";
import { certifiedCrossEntropy, pairwiseBounds } from "./certified-cross-entropy.ts";
import { crossEntropy } from "./cross-entropy.ts";
import { ganLosses } from "./gan.ts";
import { hkr } from "./hkr.ts";
import { meanSquaredError } from "./mean-squared-error.ts";
import { multiclassHinge } from "./multiclass-hinge.ts";
import { softplus } from "./softplus.ts";

const BATCH = 5;
const CLASSES = 4;
const CLASS_OF = [0, 3, 1, 3, 2];

const stream = new RandomStream(7n);
const LOGITS = Array.from({ length: BATCH * CLASSES }, () => 2 * stream.normal());
const PAIRS = Array.from({ length: CLASSES ** 2 }, (_, i) =>
  i % (CLASSES + 1) ? 0.5 + stream.uniform() : 0,
);

const labels = () => np.array(Int32Array.from(CLASS_OF));
const matrix = (values: readonly number[]) => float64(values, [values.length / CLASSES, CLASSES]);
const rows = Array.from({ length: BATCH }, (_, b) => LOGITS.slice(b * CLASSES, (b + 1) * CLASSES));
const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
const value = (scalar: Tensor) => {
  expect(scalar.shape).toEqual([]);
  return Number(scalar.dataSync()[0]);
};

beforeAll(async () => {
  // Interpreted, but the only device of jax-js whose exp and log are right to all digits of float64.
  await init("cpu", "wasm");
  defaultDevice("cpu");
});

describe("losses of classes against their definitions", () => {
  const logSumExp = (row: readonly number[]) => Math.log(row.reduce((sum, f) => sum + Math.exp(f), 0));
  const expectedCrossEntropy = mean(rows.map((row, b) => logSumExp(row) - row[CLASS_OF[b]]));

  it("crossEntropy", () => {
    expect(value(crossEntropy(matrix(LOGITS), labels()))).toBeCloseTo(expectedCrossEntropy, 12);
  });

  it("crossEntropy over further axes is the mean over all labels", () => {
    const logits = matrix(LOGITS).reshape([1, BATCH, CLASSES]);
    expect(value(crossEntropy(logits, labels().reshape([1, BATCH])))).toBeCloseTo(expectedCrossEntropy, 12);
  });

  it.each([0.1, 1, 2, 20])("multiclassHinge with margin %d", (margin) => {
    const expected = mean(
      rows.map((row, b) =>
        row.reduce((sum, f, j) => {
          return j === CLASS_OF[b] ? sum : sum + Math.max(0, margin - (row[CLASS_OF[b]] - f));
        }, 0),
      ),
    );
    expect(value(multiclassHinge(matrix(LOGITS), labels(), { margin }))).toBeCloseTo(expected, 12);
  });

  it("hkr of several classes is the mean of each class against the rest", () => {
    const [alpha, margin] = [3, 0.7];
    const perClass = Array.from({ length: CLASSES }, (_, c) => {
      const column = rows.map((row) => row[c]);
      return binaryHkr(
        column,
        CLASS_OF.map((y) => y === c),
        alpha,
        margin,
      );
    });
    expect(value(hkr(matrix(LOGITS), labels(), { alpha, margin }))).toBeCloseTo(mean(perClass), 12);
  });

  it.each([[[BATCH]], [[BATCH, 1]]])("binary hkr of outputs %j", (shape) => {
    const outputs = LOGITS.slice(0, BATCH);
    const positive = [1, 0, 1, 1, 0];
    const expected = binaryHkr(
      outputs,
      positive.map((y) => y === 1),
      10,
      1,
    );
    const given = float64(outputs, shape);
    expect(value(hkr(given, np.array(Int32Array.from(positive))))).toBeCloseTo(expected, 12);
  });

  it("certifiedCrossEntropy adds the logit that another class can reach", () => {
    const epsilon = 0.8;
    const expected = mean(
      rows.map((row, b) => {
        const y = CLASS_OF[b];
        const reach = row.map((f, j) => (j === y ? -Infinity : f + epsilon * PAIRS[y * CLASSES + j]));
        return logSumExp([...row, Math.max(...reach)]) - row[y];
      }),
    );
    const loss = certifiedCrossEntropy(matrix(LOGITS), labels(), matrix(PAIRS), { epsilon });
    expect(value(loss)).toBeCloseTo(expected, 12);
  });

  it("pairwiseBounds are distances of rows times the rest", () => {
    const weight = LOGITS.slice(0, 3 * CLASSES);
    const bounds = pairwiseBounds(matrix(weight), np.array(2.5, { dtype: np.float64 })).js() as number[][];
    for (let y = 0; y < 3; y++) {
      for (let j = 0; j < 3; j++) {
        const gaps = Array.from({ length: CLASSES }, (_, i) => rows[y][i] - rows[j][i]);
        expect(bounds[y][j]).toBeCloseTo(2.5 * Math.hypot(...gaps), 12);
      }
    }
  });
});

/** Serrurier's loss, straight from its definition. */
function binaryHkr(f: readonly number[], own: readonly boolean[], alpha: number, margin: number): number {
  const inside = f.filter((_, i) => own[i]);
  const outside = f.filter((_, i) => !own[i]);
  const distance = (inside.length ? mean(inside) : 0) - (outside.length ? mean(outside) : 0);
  return alpha * mean(f.map((x, i) => Math.max(0, margin - (own[i] ? x : -x)))) - distance;
}

describe("other losses against their definitions", () => {
  const real = LOGITS.slice(0, 6);
  const fake = LOGITS.slice(6, 12);
  const column = (values: readonly number[]) => float64(values, [6, 1]);
  const log = (x: readonly number[], sign: number) => mean(x.map((f) => Math.log1p(Math.exp(sign * f))));
  const hinge = (x: readonly number[], sign: number) => mean(x.map((f) => Math.max(0, 1 + sign * f)));
  const expected = {
    minimax: [log(real, -1) + log(fake, 1), -log(fake, 1)],
    nonSaturating: [log(real, -1) + log(fake, 1), log(fake, -1)],
    hinge: [hinge(real, -1) + hinge(fake, 1), -mean(fake)],
    wasserstein: [mean(fake) - mean(real), -mean(fake)],
  };

  it.each(Object.keys(expected) as (keyof typeof expected)[])("%s", (name) => {
    const [critic, generator] = expected[name];
    expect(value(ganLosses[name].critic(column(real), column(fake)))).toBeCloseTo(critic, 12);
    expect(value(ganLosses[name].generator(column(fake)))).toBeCloseTo(generator, 12);
  });

  it("meanSquaredError", () => {
    const expected = mean(real.map((x, i) => (x - fake[i]) ** 2));
    expect(value(meanSquaredError(column(real), column(fake)))).toBeCloseTo(expected, 12);
  });

  it("softplus neither overflows nor loses its derivative at 0", () => {
    const points = [-1e4, -30, 0, 30, 1e4];
    const at = () => float64(points);
    expect([...softplus(at()).dataSync()]).toEqual(
      [0, 9.348077867343e-14, Math.LN2, 30.00000000000009, 1e4].map((x) => expect.closeTo(x, 13)),
    );
    const slopes = grad((x: Tensor) => softplus(x).sum())(at());
    expect([...slopes.dataSync()]).toEqual([0, 9.3e-14, 0.5, 1, 1].map((x) => expect.closeTo(x, 10)));
  });
});

describe("gradients by finite differences in float64", () => {
  const losses: Record<string, (x: Tensor) => Tensor> = {
    crossEntropy: (x) => crossEntropy(x, labels()),
    multiclassHinge: (x) => multiclassHinge(x, labels(), { margin: 2 }),
    hkr: (x) => hkr(x, labels(), { alpha: 3, margin: 0.7 }),
    "binary hkr": (x) => hkr(x.slice([], 0), np.array(Int32Array.of(1, 0, 1, 1, 0)), { alpha: 3 }),
    certifiedCrossEntropy: (x) => certifiedCrossEntropy(x, labels(), matrix(PAIRS), { epsilon: 0.8 }),
    meanSquaredError: (x) => meanSquaredError(x, matrix(LOGITS.toReversed())),
    ...Object.fromEntries(
      Object.entries(ganLosses).flatMap(([name, { critic, generator }]) => [
        [`${name} critic, real`, (x: Tensor) => critic(x, matrix(LOGITS.toReversed()))],
        [`${name} critic, fake`, (x: Tensor) => critic(matrix(LOGITS.toReversed()), x)],
        [`${name} generator`, generator],
      ]),
    ),
  };

  it.each(Object.keys(losses))("%s", (name) => {
    expectGradient(losses[name], LOGITS, [BATCH, CLASSES]);
  });

  it("certifiedCrossEntropy through the bounds, from the last weight and the bound of the rest", () => {
    const loss = (weight: Tensor, rest: Tensor) =>
      certifiedCrossEntropy(matrix(LOGITS), labels(), pairwiseBounds(weight, rest), { epsilon: 0.8 });
    expectGradient((w) => loss(w, np.array(1.5, { dtype: np.float64 })), LOGITS.slice(0, 12), [CLASSES, 3]);
    const weight = () => float64(LOGITS.slice(0, 12), [CLASSES, 3]);
    expectGradient((rest) => loss(weight(), rest), [1.5], []);
  });
});

describe("numbers that could make NaN", () => {
  const finite = (x: Tensor) => [...x.dataSync()].every(Number.isFinite);

  it("equal rows and a zero weight have zero bounds and finite derivatives", () => {
    const zero = () => np.zeros([CLASSES, 3]);
    const total = (w: Tensor) => pairwiseBounds(w, np.array(1)).sum();
    expect([...pairwiseBounds(zero(), np.array(1)).dataSync()].every((x) => x === 0)).toBe(true);
    expect(finite(grad(total)(zero()))).toBe(true);
  });

  it.each([2 ** 100, -(2 ** 100), 0])("crossEntropy and the hinges of logits all %d", (level) => {
    for (const loss of [crossEntropy, multiclassHinge, hkr]) {
      const at = () => np.full([BATCH, CLASSES], level, { dtype: np.float32 });
      expect(finite(loss(at(), labels()))).toBe(true);
      expect(finite(grad((x: Tensor) => loss(x, labels()))(at()))).toBe(true);
    }
  });

  it("a batch of one class", () => {
    const one = () => np.zeros([BATCH], { dtype: np.int32 });
    expect(finite(hkr(matrix(LOGITS), one()))).toBe(true);
    expect(finite(grad((x: Tensor) => hkr(x, one()))(matrix(LOGITS)))).toBe(true);
  });

  it("float16 logits are summed in float32", async () => {
    const losses = (x: Tensor, y: Tensor, bounds: Tensor) => {
      const logits = x.astype(np.float16);
      const pairs = bounds.astype(np.float16);
      return {
        crossEntropy: crossEntropy(logits.ref, y.ref),
        hkr: hkr(logits.ref, y.ref),
        multiclassHinge: multiclassHinge(logits.ref, y.ref),
        certified: certifiedCrossEntropy(logits.ref, y, pairs, { epsilon: 1 }),
        hinge: ganLosses.hinge.critic(logits.ref, logits),
      };
    };
    const compiled = compile(losses, { device: "native" });
    const x = toNative(Float32Array.from(LOGITS), [BATCH, CLASSES]);
    const y = toNative(Int32Array.from(CLASS_OF), [BATCH]);
    const results = await compiled(x, y, toNative(Float32Array.from(PAIRS), [CLASSES, CLASSES]));
    for (const loss of Object.values(results)) {
      expect(loss.dtype).toBe("float32");
      expect(Number.isFinite((await loss.data())[0])).toBe(true);
    }
    compiled.dispose();
  });
});

describe("ownership and tracing", () => {
  beforeAll(() => {
    defaultDevice("wasm");
  });
  afterAll(() => {
    defaultDevice("cpu");
  });

  const all: Record<string, (x: Tensor, y: Tensor) => Tensor> = {
    crossEntropy,
    multiclassHinge,
    hkr,
    certifiedCrossEntropy: (x, y) =>
      certifiedCrossEntropy(x, y, np.ones([CLASSES, CLASSES]), { epsilon: 0.5 }),
  };

  it.each(Object.keys(all))("%s consumes its arguments and leaves nothing behind", (name) => {
    const run = () => all[name](matrix(LOGITS), labels()).dataSync();
    run();
    const before = liveBuffers();
    const [logits, y] = [matrix(LOGITS), labels()];
    all[name](logits, y).dataSync();
    expect([logits.refCount, y.refCount]).toEqual([0, 0]);
    expect(liveBuffers()).toBe(before);
  });

  it.each(Object.keys(all))("%s can be traced", (name) => {
    const { jaxpr } = makeJaxpr(all[name])(matrix(LOGITS), labels());
    expect(String(jaxpr)).toContain("float64[]");
  });
});

describe("arguments that do not fit", () => {
  it("says what shapes go together", () => {
    expect(() => crossEntropy(np.zeros([3, 2]), np.zeros([4], { dtype: np.int32 }))).toThrow(ShapeError);
    expect(() => crossEntropy(np.zeros([3, 2]), np.zeros([3]))).toThrow(/int32 class numbers; got float32/);
    expect(() => meanSquaredError(np.zeros([3]), np.zeros([3, 1]))).toThrow(/\[3\] and targets \[3,1\]/);
    expect(() => hkr(np.zeros([3, 1]), np.zeros([4], { dtype: np.int32 }))).toThrow(ShapeError);
    const bounds = () => np.zeros([3, 3]);
    const y = () => np.zeros([2], { dtype: np.int32 });
    expect(() => certifiedCrossEntropy(np.zeros([2, 4]), y(), bounds(), { epsilon: 1 })).toThrow(ShapeError);
    expect(() => pairwiseBounds(np.zeros([3]), np.ones([]))).toThrow(ShapeError);
  });

  it("says what a batch does not hold", () => {
    const missing = undefined as never;
    for (const loss of [crossEntropy, multiclassHinge, hkr]) {
      expect(() => loss(np.zeros([2, 3]), missing)).toThrow(/takes labels as an array; got undefined/);
    }
    expect(() => meanSquaredError(np.zeros([2, 3]), missing)).toThrow(/takes targets as an array/);
  });

  it("refuses options that are unknown or out of range", () => {
    const y = () => np.zeros([2], { dtype: np.int32 });
    expect(() => multiclassHinge(np.zeros([2, 3]), y(), { margin: 0 })).toThrow(TrainError);
    expect(() => multiclassHinge(np.zeros([2, 3]), y(), { gap: 1 } as never)).toThrow(/no option "gap"/);
    expect(() => hkr(np.zeros([2, 3]), y(), { alpha: -1 })).toThrow(TrainError);
    expect(() => certifiedCrossEntropy(np.zeros([2, 3]), y(), np.zeros([3, 3]), { epsilon: 0 })).toThrow(
      TrainError,
    );
  });
});
