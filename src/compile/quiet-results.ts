import { encodeModel } from "../formats/onnx/encode.ts";
import { ProtobufWriter } from "../formats/onnx/protobuf-writer.ts";
import {
  LOG_FATAL,
  type OnnxRuntime,
  type OrtSession,
  type OrtTensor,
  type OrtTensors,
} from "./onnxruntime.ts";

/*
 * onnxruntime-node writes results into the tensors that it is given, and then copies each of them once more into a new
 * ArrayBuffer for the promise's value (OrtValueToNapiValue in js/node/src/tensor_helper.cc). For a training step, whose
 * results are all parameters and all of the optimiser's state, that copy and its garbage cost up to half of the time.
 *
 * It converts results in the order of the graph's outputs, after the whole run, and throws at one that is not a tensor. So
 * a model gets an empty sequence as its first output: a run that asks for it computes and writes everything, and then
 * rejects instead of copying. `supportsQuietRuns` finds out by a test run whether the version at hand behaves so.
 */

/** The output that is no tensor. */
const SEQUENCE = "lipschitz.sequence";

const REFUSAL = /^Non tensor type/;

/** The same model with an empty sequence as its first output. Needs operator set 11. */
export function withQuietRuns(model: Uint8Array): Uint8Array {
  const graph = new ProtobufWriter();
  graph.message(1, emptySequence());
  graph.message(12, sequenceInfo());
  const addition = new ProtobufWriter();
  addition.message(7, graph);
  // Protobuf merges the fields of a message that comes twice: lists are joined, in the order of the file.
  const first = addition.finish();
  const joined = new Uint8Array(first.length + model.length);
  joined.set(first);
  joined.set(model, first.length);
  return joined;
}

/** NodeProto: SequenceEmpty() → sequence. */
function emptySequence(): ProtobufWriter {
  const node = new ProtobufWriter();
  node.text(2, SEQUENCE);
  node.text(4, "SequenceEmpty");
  return node;
}

/** ValueInfoProto: a sequence of float32 tensors. */
function sequenceInfo(): ProtobufWriter {
  const tensor = new ProtobufWriter();
  tensor.integer(1, 1);
  const element = new ProtobufWriter();
  element.message(1, tensor);
  const sequence = new ProtobufWriter();
  sequence.message(1, element);
  const type = new ProtobufWriter();
  type.message(4, sequence);
  const info = new ProtobufWriter();
  info.text(1, SEQUENCE);
  info.message(2, type);
  return info;
}

/**
 * Runs a model made by `withQuietRuns`: results are in the tensors given for them, and nowhere else.
 * @param results by name; gets one more entry.
 */
export async function runQuietly(
  session: OrtSession,
  feeds: OrtTensors,
  results: Record<string, OrtTensor | null>,
): Promise<void> {
  results[SEQUENCE] = null;
  try {
    await session.run(feeds, results);
  } catch (error) {
    if (!(error instanceof Error && REFUSAL.test(error.message))) throw error;
  }
}

const support = new WeakMap<OnnxRuntime, Promise<boolean>>();

/** Whether quiet runs work with this onnxruntime; tried once. */
export function supportsQuietRuns(ort: OnnxRuntime): Promise<boolean> {
  const known = support.get(ort) ?? tryQuietRun(ort);
  support.set(ort, known);
  return known;
}

/** Adds 1 to 41 in a model of one node. */
async function tryQuietRun(ort: OnnxRuntime): Promise<boolean> {
  try {
    const session = await ort.InferenceSession.create(withQuietRuns(testModel()), {
      logSeverityLevel: LOG_FATAL,
    });
    try {
      const result = Float32Array.of(0);
      await runQuietly(session, { x: tensor(ort, Float32Array.of(41)) }, { y: tensor(ort, result) });
      return result[0] === 42;
    } finally {
      await session.release();
    }
  } catch {
    return false;
  }
}

function tensor(ort: OnnxRuntime, data: Float32Array): OrtTensor {
  return new ort.Tensor("float32", data, [1]);
}

function testModel(): Uint8Array {
  return encodeModel({
    opset: 13,
    graph: {
      inputs: [{ name: "x", shape: [1] }],
      outputs: [{ name: "y", shape: [1] }],
      initializers: [{ name: "one", shape: [1], data: Float32Array.of(1) }],
      nodes: [{ opType: "Add", inputs: ["x", "one"], outputs: ["y"] }],
    },
  });
}
