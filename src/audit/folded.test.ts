import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import type { Model } from "../formats/model.ts";
import { openModel } from "../formats/open.ts";
import { singularValuesSmall } from "../linalg/svd.ts";
import type { Node } from "../network/testing/quantized.ts";
import { encodeTestModel, float32, type TestModel } from "../network/testing/run-onnx.ts";
import { loadEngine } from "./engine.ts";
import { normalize } from "./normalize.ts";
import { planModel } from "./plan.ts";
import { auditPlan } from "./run.ts";

const folder = await mkdtemp(join(tmpdir(), "lipschitz-folded-"));
const opened: Model[] = [];
afterAll(async () => {
  await Promise.all(opened.map((model) => model.close()));
  await rm(folder, { recursive: true });
});

const SIDE = 5;
const RAW = Float32Array.from({ length: SIDE * SIDE }, (_, i) => Math.sin(3 * i));
const PLAIN = Float32Array.from({ length: SIDE * SIDE }, (_, i) => Math.cos(2 * i));
const DIVISOR = 0.125;

/** x → raw/divisor → ReLU → plain, or once more raw itself where `shared`. */
function network(shared: boolean, divisor = DIVISOR): TestModel {
  const node = (name: string, opType: string, inputs: string[], output: string): Node => ({
    opType,
    name,
    inputs,
    outputs: [output],
  });
  return {
    opset: 17,
    inputs: [{ name: "x", shape: [1, SIDE] }],
    initializers: [
      float32("raw", RAW, [SIDE, SIDE]),
      float32("divisor", [divisor], []),
      float32("plain", PLAIN, [SIDE, SIDE]),
    ],
    nodes: [
      node("divide", "Div", ["raw", "divisor"], "w"),
      node("first", "MatMul", ["x", "w"], "h1"),
      node("relu", "Relu", ["h1"], "h2"),
      node("second", "MatMul", ["h2", shared ? "raw" : "plain"], "y"),
    ],
    outputs: [{ name: "y" }],
  };
}

async function open(name: string, tested: TestModel): Promise<Model> {
  const path = join(folder, name);
  await writeFile(path, encodeTestModel(tested));
  const model = await openModel(path);
  opened.push(model);
  return model;
}

const norm = (weight: Float32Array) => singularValuesSmall(Float64Array.from(weight), SIDE, SIDE)[0]!;

const options = { guarantee: "proof", seed: 1n, threads: 1 } as const;

it("audits the weight that the graph computes, of the type it is stored in", async () => {
  const model = await open("audit.onnx", network(false));
  const report = await auditPlan(await loadEngine(), model, await planModel(model), options);
  const [first] = report.layers;
  expect(first).toMatchObject({ name: "first", weight: "raw", dtype: "float32", shape: [SIDE, SIDE] });
  const sigma = norm(RAW) / DIVISOR;
  expect(first!.sigma!.lower).toBeLessThanOrEqual(sigma * (1 + 1e-12));
  expect(first!.sigma!.upper).toBeGreaterThanOrEqual(sigma * (1 - 1e-12));
  expect(first!.sigma!.upper).toBeLessThan(sigma * (1 + 1e-6));
  expect(report.coverage.unaudited).toEqual([]);
});

it("names what is computed where a division by zero leaves no number", async () => {
  const model = await open("zero.onnx", network(false, 0));
  const report = await auditPlan(await loadEngine(), model, await planModel(model), options);
  expect(report.layers[0]!.sigma).toBeNull();
  expect(report.problems).toContainEqual(
    expect.objectContaining({
      severity: "error",
      where: "first",
      message: "the weight computed from raw holds a NaN or an infinity",
    }),
  );
});

it("is left as it is by normalize, which says why, and counts for the network's bound", async () => {
  const model = await open("normalize.onnx", network(false));
  const normalization = await normalize(model, { ...options, network: 2 });
  expect(normalization.report.kept).toBe(true);
  expect(normalization.report.problems).toEqual([
    expect.objectContaining({
      severity: "warning",
      where: "first",
      message: expect.stringContaining('raw goes through Div "divide" before it is used, so a factor'),
    }),
  ]);
  const path = join(folder, "two.onnx");
  await normalization.write(path);
  const written = await openModel(path);
  opened.push(written);
  const again = await auditPlan(await loadEngine(), written, await planModel(written), options);
  expect(again.network!.lipschitz.upper).toBeLessThanOrEqual(2);
  expect(again.layers[0]!.sigma!.upper).toBeGreaterThan(norm(RAW));
  await expect(normalize(model, { ...options, network: 2, only: "first" })).rejects.toMatchObject({
    name: "UsageError",
    message: expect.stringContaining("quantised or computed in the graph"),
  });
});

it("is not changed behind its back: a tensor it is computed from is refused", async () => {
  const model = await open("shared.onnx", network(true));
  const before = await readFile(join(folder, "shared.onnx"));
  await expect(normalize(model, { ...options, to: 0.5 })).rejects.toMatchObject({
    name: "UsageError",
    message:
      "raw is a weight itself, and the weight of first is computed from it, so it cannot be changed alone",
  });
  expect(await readFile(join(folder, "shared.onnx"))).toEqual(before);
});
