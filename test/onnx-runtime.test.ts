import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, describe, expect, it } from "vitest";
import { encodeModel } from "../src/formats/onnx/encode.ts";
import type { TensorStorage } from "../src/formats/onnx/encode-tensor.ts";
import { onnxFormat } from "../src/formats/onnx/onnx.ts";
import { collect } from "./fixtures/onnx/collect.ts";
import { memorySource } from "./fixtures/onnx/memory-source.ts";
import { branching, mlp, modelOf, ramp } from "./fixtures/onnx/models.ts";

const folder = mkdtempSync(join(tmpdir(), "lipschitz-onnx-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function run(model: Uint8Array | string, feeds: ort.InferenceSession.FeedsType): Promise<ort.Tensor> {
  const session =
    typeof model === "string"
      ? await ort.InferenceSession.create(model)
      : await ort.InferenceSession.create(model);
  const { y } = await session.run(feeds);
  return y as ort.Tensor;
}

/** y = ((x·w1ᵀ·½ + b1)₊)·w2 in float64. */
function mlpByHand(x: readonly number[]): number[] {
  const [w1, b1, w2] = [ramp(12), ramp(3), ramp(6)];
  const h = [0, 1, 2].map((i) => {
    const sum = x.reduce((s, v, j) => s + v * w1[4 * i + j], 0);
    return Math.max(0, sum / 2 + b1[i]);
  });
  return [0, 1].map((k) => h.reduce((s, v, i) => s + v * w2[2 * i + k], 0));
}

const storages: TensorStorage[] = ["raw", "packed", "unpacked"];

describe("onnxruntime runs what encodeModel writes", () => {
  it.each(storages)("an MLP with %s data", async (storage) => {
    const x = [1, -2, 3, 0.5];
    const y = await run(encodeModel(mlp(storage)), { x: new ort.Tensor("float32", x, [1, 4]) });
    expect([...(y.data as Float32Array)]).toEqual(mlpByHand(x));
  });

  it.each(storages)("subgraphs with %s data", async (storage) => {
    const feeds = {
      c: new ort.Tensor("bool", [false], [1]),
      x: new ort.Tensor("float32", [1, 0, 0], [1, 3]),
    };
    const y = await run(encodeModel(branching(storage)), feeds);
    expect([...(y.data as Float32Array)]).toEqual([...ramp(3, 1 / 32)]);
  });

  it("external data", async () => {
    writeFileSync(join(folder, "w.bin"), new Uint8Array(ramp(6).buffer));
    const path = join(folder, "external.onnx");
    const w = {
      name: "w",
      dtype: "float32",
      shape: [2, 2],
      storage: { location: "w.bin", offset: 8, length: 16 },
    };
    writeFileSync(
      path,
      modelOf({
        inputs: [{ name: "x", shape: [1, 2] }],
        outputs: [{ name: "y", shape: [1, 2] }],
        initializers: [w],
        nodes: [{ opType: "MatMul", inputs: ["x", "w"], outputs: ["y"] }],
      }),
    );
    const y = await run(path, { x: new ort.Tensor("float32", [1, 0], [1, 2]) });
    expect([...(y.data as Float32Array)]).toEqual([...ramp(6).slice(2, 4)]);
  });

  const integers: [string, ArrayBufferView, ort.Tensor.Type | "float64"][] = [
    ["int64", BigInt64Array.of(-5n, 2n ** 40n), "int64"],
    ["int32", Int32Array.of(-5, 7), "int32"],
    ["int16", Int16Array.of(-5, 7), "int16"],
    ["uint16", Uint16Array.of(65535, 7), "uint16"],
    ["int8", Int8Array.of(-5, 7), "int8"],
    ["uint8", Uint8Array.of(255, 7), "uint8"],
    ["uint32", Uint32Array.of(2 ** 32 - 1, 7), "uint32"],
    ["uint64", BigUint64Array.of(2n ** 64n - 1n, 7n), "uint64"],
    ["float64", Float64Array.of(0.1, -7), "float64"],
    ["float32", Float32Array.of(0.1, -7), "float32"],
    ["bool", Uint8Array.of(1, 0), "bool"],
    ["float16", Uint16Array.of(0x3c00, 0xbe00), "float16"],
  ];
  it.each(integers.flatMap(([dtype, data]) => storages.map((storage) => ({ dtype, data, storage }))))(
    "$dtype constants in $storage storage",
    async ({ dtype, data, storage }) => {
      const bytes = modelOf({
        inputs: [],
        outputs: [{ name: "y", dtype, shape: [2] }],
        initializers: [{ name: "w", dtype, shape: [2], data, storage }],
        nodes: [{ opType: "Identity", inputs: ["w"], outputs: ["y"] }],
      });
      const y = await run(bytes, {});
      const got = y.data as ArrayBufferView;
      const view = (v: ArrayBufferView) => [...new Uint8Array(v.buffer, v.byteOffset, v.byteLength)];
      expect(view(got)).toEqual(view(data));
    },
  );
});

describe("onnxruntime runs what rewrite writes", () => {
  const x = [1, -2, 3, 0.5];
  it.each(storages)("with %s data replaced by its half", async (storage) => {
    const model = await onnxFormat.open(memorySource(encodeModel(mlp(storage))));
    const w2 = model.tensors.find((t) => t.name === "w2")!;
    const [file] = model.rewrite(new Set([w2]), async () => new Uint8Array(ramp(6, 1 / 128).buffer));
    const y = await run(await collect(file), { x: new ort.Tensor("float32", x, [1, 4]) });
    expect([...(y.data as Float32Array)]).toEqual(mlpByHand(x).map((v) => v / 2));
  });
});
