import { describe, expect, it } from "vitest";
import type { AttributeDescription, GraphDescription } from "../../formats/onnx/encode.ts";
import { importOnnx } from "../import-onnx.ts";
import { planFromOnnx } from "../plan-from-onnx.ts";
import { checkModel } from "../testing/check-operation.ts";
import { float32, int, int64, openTestModel, type TestModel } from "../testing/run-onnx.ts";

const graph = (value: GraphDescription): AttributeDescription => ({ kind: "graph", value });

const scalar = { dtype: "bool", shape: [] };

function branches(condition: TestModel["nodes"][number]): TestModel {
  const branch = (opType: string): AttributeDescription =>
    graph({
      nodes: [{ opType, inputs: ["x", "w"], outputs: ["z"] }],
      inputs: [],
      outputs: [{ name: "z", shape: [2, 2] }],
    });
  return {
    opset: 13,
    nodes: [
      condition,
      {
        opType: "If",
        inputs: ["c"],
        outputs: ["y"],
        attributes: { then_branch: branch("MatMul"), else_branch: branch("Add") },
      },
    ],
    initializers: [float32("w", [1, 2, 3, 4], [2, 2]), int64("two", [2], []), int64("three", [3], [])],
    inputs: [{ name: "x", shape: [2, 2] }],
    outputs: [{ name: "y" }],
  };
}

describe("If", () => {
  it("with a known condition is its branch", async () => {
    for (const [left, op] of [
      ["two", "MatMul"],
      ["three", "Add"],
    ]) {
      const model = branches({ opType: "Equal", inputs: [left, "two"], outputs: ["c"] });
      const network = await checkModel(model);
      expect(network.nodes.map((n) => n.op)).toEqual([op]);
    }
  });

  it("whose condition depends on the input has no constant", async () => {
    const model = branches({ opType: "Greater", inputs: ["s", "t"], outputs: ["c"] });
    const computed: TestModel = {
      ...model,
      nodes: [
        { opType: "ReduceMean", inputs: ["x"], outputs: ["s"], attributes: { keepdims: int(0) } },
        ...model.nodes,
      ],
      initializers: [...(model.initializers ?? []), float32("t", [0], [])],
    };
    const { graph: plan } = await planFromOnnx(await openTestModel(computed));
    expect(plan?.nodes.find((n) => n.op === "If")?.unbounded).toMatch(
      /its branches may differ where it changes/,
    );
    await expect(importOnnx(await openTestModel(computed))).rejects.toThrow(
      /which branch If .* takes depends/,
    );
  });
});

describe("Loop and Scan", () => {
  const loop: TestModel = {
    opset: 13,
    nodes: [
      {
        opType: "Loop",
        inputs: ["two", "", "x"],
        outputs: ["y"],
        attributes: {
          body: graph({
            nodes: [
              { opType: "Identity", inputs: ["go"], outputs: ["on"] },
              { opType: "Add", inputs: ["before", "w"], outputs: ["after"] },
            ],
            inputs: [
              { name: "i", dtype: "int64", shape: [] },
              { name: "go", ...scalar },
              { name: "before", shape: [2, 2] },
            ],
            outputs: [
              { name: "on", ...scalar },
              { name: "after", shape: [2, 2] },
            ],
          }),
        },
      },
    ],
    initializers: [float32("w", [1, 2, 3, 4], [2, 2]), int64("two", [2], [])],
    inputs: [{ name: "x", shape: [2, 2] }],
    outputs: [{ name: "y" }],
  };

  it("have no constant for every number of steps, and are not run", async () => {
    const { graph: plan } = await planFromOnnx(await openTestModel(loop));
    expect(plan?.nodes[0].unbounded).toMatch(/no constant holds for every number of steps/);
    await expect(importOnnx(await openTestModel(loop))).rejects.toThrow(/Loop "Loop_0" cannot be run/);
  });
});
