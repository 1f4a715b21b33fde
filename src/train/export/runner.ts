import { loaders, type OnnxRuntime } from "../../compile/onnxruntime.ts";
import { openModel } from "../../formats/open.ts";
import { forward, outputsOf } from "../../network/evaluate.ts";
import { importOnnx } from "../../network/import-onnx.ts";
import type { Shape } from "../types.ts";
import { INPUT, OUTPUT } from "./graph.ts";

/** Inputs for a whole batch, row-major. */
export interface Batch {
  readonly data: Float32Array | Int32Array;
  /** The batch axis first. */
  readonly shape: Shape;
}

/** Something that runs an exported file: onnxruntime, or the library's own evaluator. */
export interface Runner {
  readonly name: "onnxruntime-node" | "lipschitz";
  run(batch: Batch): Promise<Float32Array | Float64Array>;
  close(): Promise<void>;
}

/** onnxruntime for Node, or null where it is not installed. */
export async function loadRuntime(): Promise<OnnxRuntime | null> {
  try {
    return (await loaders.native()) as OnnxRuntime;
  } catch {
    return null;
  }
}

/** What runs the file: onnxruntime, or without it our own evaluator. */
export async function runnerOf(bytes: Uint8Array, runtime: OnnxRuntime | null): Promise<Runner> {
  return runtime === null ? ownRunner(bytes) : runtimeRunner(runtime, bytes);
}

/** onnxruntime's severity that leaves out warnings. */
const ERRORS_ONLY = 3;

async function runtimeRunner(ort: OnnxRuntime, bytes: Uint8Array): Promise<Runner> {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: ERRORS_ONLY });
  return {
    name: "onnxruntime-node",
    async run({ data, shape }) {
      const tensor =
        data instanceof Float32Array
          ? new ort.Tensor("float32", data, shape)
          : new ort.Tensor("int64", BigInt64Array.from(data, BigInt), shape);
      const results = await session.run({ [INPUT]: tensor }, { [OUTPUT]: null });
      return (results[OUTPUT]!.data as Float32Array).slice();
    },
    close: () => session.release(),
  };
}

function ownRunner(bytes: Uint8Array): Runner {
  return {
    name: "lipschitz",
    async run({ data, shape }) {
      if (!(data instanceof Float32Array)) {
        throw new TypeError("networks that take ids are run by onnxruntime only; install onnxruntime-node");
      }
      const model = await openModel(bytes, { name: "exported network.onnx" });
      try {
        const network = await importOnnx(model, { inputs: { [INPUT]: shape } });
        return outputsOf(network, forward(network, [Float64Array.from(data)]))[0]!;
      } finally {
        await model.close();
      }
    },
    close: async () => {},
  };
}
