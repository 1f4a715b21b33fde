import { describe, expect, it } from "vitest";
import { planFromOnnx } from "../plan-from-onnx.ts";
import { inferShapes } from "../shapes/infer.ts";
import { constantsOf } from "../testing/constants-of.ts";
import {
  float32,
  int,
  int64,
  ints,
  openTestModel,
  randomNumbers,
  run,
  sessionFor,
  type TestModel,
} from "../testing/run-onnx.ts";

function numbers(shape: readonly number[], seed: number): Float32Array {
  const random = randomNumbers(seed);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, random);
}

async function sameShape(model: TestModel): Promise<void> {
  const opened = await openTestModel(model);
  const shapes = await inferShapes(opened.onnx!);
  const session = await sessionFor(model);
  const feeds = Object.fromEntries(
    model.inputs.map(({ name, shape }) => {
      const dims = shape as readonly number[];
      return [name, { dims, data: numbers(dims, 3) }];
    }),
  );
  const { y } = await run(session, feeds);
  expect(shapes.value("y").shape).toEqual(y.dims);
  await session.release();
}

const MICROSOFT = "com.microsoft";

function attention(
  inputs: TestModel["inputs"],
  node: Partial<TestModel["nodes"][number]>,
  weights: readonly (readonly [string, readonly number[]])[] = [],
): TestModel {
  return {
    opset: node.domain === MICROSOFT ? 17 : 23,
    domains: { [MICROSOFT]: 1 },
    nodes: [{ opType: "Attention", inputs: [], outputs: ["y"], ...node }],
    initializers: weights.map(([name, shape], i) => float32(name, numbers(shape, 7 + i), shape)),
    inputs,
    outputs: [{ name: "y" }],
  };
}

const packed = (attributes = {}, width = 24) =>
  attention(
    [{ name: "x", shape: [2, 5, 6] }],
    { domain: MICROSOFT, inputs: ["x", "w", "b"], attributes: { num_heads: int(2), ...attributes } },
    [
      ["w", [6, width]],
      ["b", [width]],
    ],
  );

describe("attention", () => {
  it("has the shape that onnxruntime gives", async () => {
    await sameShape(packed());
    await sameShape(packed({ qkv_hidden_sizes: ints([8, 8, 4]) }, 20));
    const [q, k, v] = ["q", "k", "v"].map((name, i) => ({
      name,
      shape: [2, i === 0 ? 3 : 5, i === 2 ? 4 : 8],
    }));
    await sameShape(
      attention([q, k, v], {
        opType: "MultiHeadAttention",
        domain: MICROSOFT,
        inputs: ["q", "k", "v"],
        attributes: { num_heads: int(2) },
      }),
    );
    const heads = { q_num_heads: int(2), kv_num_heads: int(2) };
    await sameShape(attention([q, k, v], { inputs: ["q", "k", "v"], attributes: heads }));
    const split = ["q", "k", "v"].map((name, i) => ({
      name,
      shape: [2, 2, i === 0 ? 3 : 5, i === 2 ? 2 : 4],
    }));
    await sameShape(attention(split, { inputs: ["q", "k", "v"] }));
  });

  it("has no finite constant", async () => {
    const { graph } = await planFromOnnx(await openTestModel(packed()));
    expect(graph?.nodes[0].unbounded).toMatch(/dot-product attention has no finite constant/);
    const three = ["q", "k", "v"].map((name) => ({ name, shape: [2, 2, 3, 4] }));
    const plan = await planFromOnnx(await openTestModel(attention(three, { inputs: ["q", "k", "v"] })));
    expect(plan.graph?.nodes[0].unbounded).toMatch(/its scores are products of two activations/);
  });
});

describe("RotaryEmbedding", () => {
  const rotated = (angles: readonly number[], domain: string): TestModel => ({
    opset: domain === "" ? 23 : 17,
    domains: { [MICROSOFT]: 1 },
    nodes: [
      {
        opType: "RotaryEmbedding",
        domain,
        inputs: domain === "" ? ["x", "cos", "sin", "at"] : ["x", "at", "cos", "sin"],
        outputs: ["y"],
      },
    ],
    initializers: [
      float32("cos", angles.map(Math.cos), [angles.length / 2, 2]),
      float32("sin", angles.map(Math.sin), [angles.length / 2, 2]),
      int64("at", [0, 3, 1], [1, 3]),
    ],
    inputs: [{ name: "x", shape: [1, 2, 3, 4] }],
    outputs: [{ name: "y" }],
  });

  for (const domain of ["", MICROSOFT]) {
    it(`turns pairs, and so keeps their norm (${domain || "ai.onnx"})`, async () => {
      const model = rotated([0.1, 2, -1, 3, 0.4, 0.7, 1, -2], domain);
      await sameShape(model);
      const found = await constantsOf(await openTestModel(model));
      expect(found?.constants[0]).toBeGreaterThanOrEqual(1);
      expect(found?.constants[0]).toBeLessThan(1 + 1e-6);
      const session = await sessionFor(model);
      const x = numbers([24], 5);
      const norm = (v: ArrayLike<number>) => Math.hypot(...Array.from(v));
      const { y } = await run(session, { x: { dims: [1, 2, 3, 4], data: x } });
      expect(norm(y.data)).toBeCloseTo(norm(x), 5);
      await session.release();
    });
  }
});
