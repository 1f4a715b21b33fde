import { hasBuiltins } from "../platform/builtin.ts";
import { joinPath, listFolder, openFile } from "../platform/files.ts";
import { FormatError } from "./errors.ts";
import { refuseForeign, SUPPORTED, unknownFormat } from "./foreign.ts";
import type { Format, Model } from "./model.ts";
import { npyFormat } from "./npy.ts";
import { npzFormat } from "./npz.ts";
import { onnxFormat } from "./onnx/onnx.ts";
import { pytorchFormat, pytorchIndexFormat } from "./pytorch.ts";
import { safetensorsFormat } from "./safetensors.ts";
import { safetensorsIndexFormat } from "./sharded.ts";
import type { ByteSource } from "./source.ts";
import { blobSource, memorySource } from "./sources.ts";

/** Asked in this order: formats with an unmistakable beginning first, ONNX (a bare protobuf) last. */
const FORMATS: readonly Format[] = [
  npyFormat,
  npzFormat,
  safetensorsIndexFormat,
  pytorchIndexFormat,
  safetensorsFormat,
  pytorchFormat,
  onnxFormat,
];

/** A format is recognised by at most this many first bytes. */
const HEAD_BYTES = 4096;

/** What a folder is searched for: the first group with a file in it wins, and must hold exactly one. */
const FOLDER_SEARCH: readonly RegExp[] = [
  /^model\.safetensors\.index\.json$/,
  /^model\.safetensors$/,
  /\.safetensors\.index\.json$/,
  /^model\.onnx$/,
  /\.(?:safetensors|onnx)$/,
  /^pytorch_model\.bin\.index\.json$/,
  /^pytorch_model\.bin$/,
  /\.(?:pt|pth|bin|ckpt|npz|npy)$/,
];

export interface OpenOptions {
  /** How messages call bytes or a Blob, and whose ending helps to recognise the format. */
  readonly name?: string;
}

/**
 * Opens a model file: headers are parsed, tensors are read on demand. The model then owns the source: `close` closes
 * it, and so does a failure to open.
 *
 * @param source a path or a folder (Node), a Blob or File, bytes, or any random-access source
 * @throws FormatError naming the file, the tensor and the byte, and what to do next
 */
export async function openModel(
  source: string | Blob | Uint8Array | ByteSource,
  options: OpenOptions = {},
): Promise<Model> {
  const bytes = await toSource(source, options);
  try {
    return await openSource(bytes);
  } catch (cause) {
    await bytes.close();
    throw cause;
  }
}

async function openSource(source: ByteSource): Promise<Model> {
  const head = await source.read(0, Math.min(HEAD_BYTES, source.byteLength));
  if (head.length === 0) throw unknownFormat(source, head);
  refuseForeign(source, head);
  const format = FORMATS.find((candidate) => candidate.match(source, head));
  if (format === undefined) throw unknownFormat(source, head);
  return format.open(source);
}

async function toSource(
  source: string | Blob | Uint8Array | ByteSource,
  { name }: OpenOptions,
): Promise<ByteSource> {
  if (typeof source === "string") return openPath(source);
  if (source instanceof Uint8Array) return memorySource(source, name ?? "bytes in memory");
  if (source instanceof Blob) {
    const own = "name" in source && typeof source.name === "string" ? source.name : "file";
    return blobSource(source, name ?? own);
  }
  return source;
}

async function openPath(path: string): Promise<ByteSource> {
  if (!hasBuiltins()) {
    throw new FormatError("unreadable", "paths cannot be opened here, only in Node.js.", {
      file: path,
      hint: "Pass a File, a Blob or bytes instead.",
    });
  }
  const names = await listFolder(path);
  return openFile(names === null ? path : joinPath(path, chooseFile(path, names)));
}

function chooseFile(folder: string, names: readonly string[]): string {
  for (const pattern of FOLDER_SEARCH) {
    const found = names.filter((name) => pattern.test(name));
    if (found.length === 1) return found[0];
    if (found.length > 1) {
      const what = `this folder holds several models: ${shortList(found)}.`;
      throw new FormatError("unknown-format", what, { file: folder, hint: "Name the one you mean." });
    }
  }
  const what = `no model file in this folder${names.length === 0 ? ", it is empty" : `; it holds ${shortList(names)}`}.`;
  throw new FormatError("not-found", what, { file: folder, hint: `These are read: ${SUPPORTED}.` });
}

function shortList(names: readonly string[]): string {
  return `${names.slice(0, 10).join(", ")}${names.length > 10 ? ` and ${names.length - 10} more` : ""}`;
}
