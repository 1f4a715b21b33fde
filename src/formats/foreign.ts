import { FormatError } from "./errors.ts";
import type { ByteSource } from "./source.ts";

/** What `openModel` reads, for messages. */
export const SUPPORTED =
  "safetensors (.safetensors, .safetensors.index.json), ONNX (.onnx), NumPy (.npy, .npz), " +
  "PyTorch (.pt, .pth, .bin, .ckpt saved by PyTorch 1.6 or later)";

interface Foreign {
  readonly what: string;
  readonly hint: string;
  matches(head: Head): boolean;
}

interface Head {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** The first bytes as Latin-1. */
  readonly text: string;
}

const viaPython = (how: string) => `Convert it in Python: ${how}.`;

/** Files that users try which are not read, each with what to do instead. */
const FOREIGN: readonly Foreign[] = [
  {
    what: "this is a Git LFS pointer, not the model itself.",
    hint: 'Run "git lfs pull" in the repository to fetch the real file.',
    matches: ({ text }) => text.startsWith("version https://git-lfs.github.com/spec/"),
  },
  {
    what: "this is a web page, not a model.",
    hint: 'Use the page\'s direct download link (on Hugging Face: "/resolve/", not "/blob/").',
    matches: ({ text }) => /^\s*(?:<!doctype html|<html|<head|<\?xml)/i.test(text),
  },
  {
    what: "GGUF files hold block-quantised weights, which are not audited.",
    hint: "Audit the safetensors checkpoint it was converted from.",
    matches: ({ text }) => text.startsWith("GGUF") || text.startsWith("ggml") || text.startsWith("tjgg"),
  },
  {
    what: "HDF5 files (.h5, old Keras) are not read.",
    hint: viaPython("numpy.savez('model.npz', **{w.name: w.numpy() for w in model.weights})"),
    matches: ({ text }) => text.startsWith("\x89HDF\r\n\x1a\n"),
  },
  {
    what: "Keras archives (.keras) are not read.",
    hint: viaPython("numpy.savez('model.npz', **{w.path: w.numpy() for w in model.weights})"),
    matches: ({ text, name }) => text.startsWith("PK") && name.endsWith(".keras"),
  },
  {
    what: "TensorFlow Lite files are not read.",
    hint: "Convert it to ONNX with tf2onnx: python -m tf2onnx.convert --tflite model.tflite --output model.onnx.",
    matches: ({ text }) => text.slice(4, 8) === "TFL3",
  },
  {
    what: "TensorFlow.js model.json files are not read.",
    hint: "Convert the original model to ONNX with tf2onnx.",
    matches: ({ text }) => /^\s*\{/.test(text) && /"(?:weightsManifest|modelTopology)"/.test(text),
  },
  {
    what: "TensorFlow SavedModel and frozen graphs (.pb) are not read.",
    hint: "Convert it to ONNX with tf2onnx: python -m tf2onnx.convert --saved-model FOLDER --output model.onnx.",
    matches: ({ name }) => name.endsWith(".pb"),
  },
  {
    what: "this is a gzip file.",
    hint: "Unpack it first: gunzip FILE, or tar xzf FILE.",
    matches: ({ bytes }) => bytes[0] === 0x1f && bytes[1] === 0x8b,
  },
  {
    what: "this is a tar archive (or a PyTorch file from before version 0.1.10).",
    hint: "Unpack it with tar xf; a PyTorch file must be loaded and saved again with a current PyTorch.",
    matches: ({ text }) => text.slice(257, 262) === "ustar",
  },
  {
    what: "CoreML models are not read.",
    hint: "Audit the model it was converted from.",
    matches: ({ name }) => name.endsWith(".mlmodel") || name.endsWith(".mlpackage"),
  },
  {
    what: "MATLAB files (.mat) are not read.",
    hint: viaPython("numpy.savez('model.npz', **scipy.io.loadmat('FILE'))"),
    matches: ({ text }) => text.startsWith("MATLAB 5.0"),
  },
];

/** @throws FormatError when the file is of a kind that is recognised but not read. */
export function refuseForeign(source: ByteSource, bytes: Uint8Array): void {
  const head = { name: source.name.toLowerCase(), bytes, text: latin1(bytes) };
  const foreign = FOREIGN.find((kind) => kind.matches(head));
  if (foreign) throw new FormatError("unsupported", foreign.what, { file: source.name, hint: foreign.hint });
}

/** The error for a file that no reader recognises. */
export function unknownFormat(source: ByteSource, bytes: Uint8Array): FormatError {
  if (source.byteLength === 0) {
    return new FormatError("truncated", "the file is empty.", {
      file: source.name,
      byte: 0,
      hint: "Download or save it again.",
    });
  }
  const first = [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return new FormatError("unknown-format", `not a model file that is recognised (it begins ${first}).`, {
    file: source.name,
    hint: `These are read: ${SUPPORTED}.`,
  });
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
