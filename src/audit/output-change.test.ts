import { describe, expect, it } from "vitest";
import { labelledArchive, pointsFile } from "../../test/support/data-files.ts";
import { importOnnx } from "../network/import-onnx.ts";
import type { Network } from "../network/network.ts";
import { float32, openTestModel, type TestModel } from "../network/testing/run-onnx.ts";
import { compareOutputs, MAX_COMPARED_POINTS, pointsFor, relativeChange, runnable } from "./output-change.ts";

const vector = (...values: number[]) => Float64Array.from(values);

/** y = x·diag(a, b) + (c, 0). */
function scores(a: number, b: number, c = 0): TestModel {
  return {
    opset: 17,
    inputs: [{ name: "x", shape: [1, 2] }],
    outputs: [{ name: "y" }],
    nodes: [{ name: "fc", opType: "Gemm", inputs: ["x", "w", "b"], outputs: ["y"] }],
    initializers: [float32("w", [a, 0, 0, b], [2, 2]), float32("b", [c, 0])],
  };
}

const network = async (model: TestModel): Promise<Network> => importOnnx(await openTestModel(model));

async function compare(before: TestModel, after: TestModel, data: Uint8Array, scale?: number) {
  const scales = new Map(scale === undefined ? [] : [["y", scale]]);
  return compareOutputs(await network(before), await network(after), { data, scales, signal: undefined });
}

describe("relativeChange", () => {
  it("is the length of the difference over that of the old outputs, times their numbers", () => {
    expect(relativeChange([vector(3, 4)], [vector(3, 4)], [1])).toBe(0);
    expect(relativeChange([vector(3, 4)], [vector(6, 8)], [1])).toBe(1);
    expect(relativeChange([vector(3, 4)], [vector(6, 8)], [2])).toBe(0);
    expect(relativeChange([vector(3), vector(4)], [vector(3), vector(9)], [1, 2])).toBeCloseTo(
      1 / Math.hypot(3, 8),
      14,
    );
    expect(relativeChange([vector(0)], [vector(0)], [1])).toBe(0);
    expect(relativeChange([vector(0)], [vector(1)], [1])).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("compareOutputs", () => {
  it("gives the median, the maximum and how often the largest score stays", async () => {
    const points = pointsFile([
      [1, 0],
      [0, 1],
      [1, 1],
    ]);
    expect(await compare(scores(1, 0.5), scores(1, 1.5), points)).toEqual({
      file: "data in memory",
      points: 3,
      total: 3,
      scales: [{ name: "y", scale: 1 }],
      change: { median: expect.closeTo(1 / Math.hypot(1, 0.5), 12), max: 2 },
      argmaxKept: expect.closeTo(2 / 3, 12),
    });
  });

  it("multiplies the old outputs where they are to be kept up to a number", async () => {
    const archive = labelledArchive([[1, 2]], [0]);
    const found = await compare(scores(2, 4, 6), scores(1, 2, 3), archive, 0.5);
    expect(found).toMatchObject({ scales: [{ name: "y", scale: 0.5 }], change: { median: 0, max: 0 } });
  });

  it("takes the first points of many", async () => {
    const many = pointsFile(Array.from({ length: MAX_COMPARED_POINTS + 7 }, (_, i) => [i, 1]));
    expect(await compare(scores(1, 1), scores(1, 1), many)).toMatchObject({
      points: MAX_COMPARED_POINTS,
      total: MAX_COMPARED_POINTS + 7,
    });
  });

  it("says unknown where the old output was zero", async () => {
    const { change } = await compare(scores(0, 0), scores(1, 1), pointsFile([[1, 1]]));
    expect(change).toEqual({ median: null, max: null });
  });

  it("knows no largest score of a single number", async () => {
    const sum: TestModel = {
      ...scores(1, 1),
      nodes: [{ name: "fc", opType: "MatMul", inputs: ["x", "v"], outputs: ["y"] }],
      initializers: [float32("v", [1, 1], [2, 1])],
    };
    expect((await compare(sum, sum, pointsFile([[1, 1]]))).argmaxKept).toBeNull();
  });
});

describe("data", () => {
  it("must fit the network", async () => {
    await expect(pointsFor(await network(scores(1, 1)), pointsFile([[1, 2, 3]]))).rejects.toThrow(
      "has 3 numbers per point, but the network takes [2], 2 numbers",
    );
    const two: TestModel = {
      ...scores(1, 1),
      inputs: [
        { name: "x", shape: [1, 2] },
        { name: "z", shape: [1, 2] },
      ],
      nodes: [{ name: "add", opType: "Add", inputs: ["x", "z"], outputs: ["y"] }],
    };
    await expect(pointsFor(await network(two), pointsFile([[1, 2]]))).rejects.toThrow(
      "points are read for one input, and the network has 2",
    );
  });

  it("needs a graph", async () => {
    const model = await openTestModel(scores(1, 1));
    const { onnx: _, ...plain } = model;
    const file = { ...plain, format: "npz", rewrite: model.rewrite };
    await expect(runnable(file, "--data", {})).rejects.toMatchObject({
      message: "--data runs the network, and files of this format (npz) do not say how layers are connected",
      hint: "Export the model to ONNX, or leave out --data.",
    });
  });
});
