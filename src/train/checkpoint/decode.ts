import { hostView } from "../../compile/element-types.ts";
import type { ElementType } from "../../compile/lowered.ts";
import type { NativeArray } from "../../compile/native-array.ts";
import { toNative } from "../../compile/to-native.ts";
import type { Model, TensorEntry } from "../../formats/model.ts";
import { openModel } from "../../formats/open.ts";
import { parseJsonIn } from "../../formats/safetensors.ts";
import { CheckpointError } from "./checkpoint-error.ts";
import { CHECKPOINT_FORMAT } from "./encode.ts";

/** A path (Node), a file of the browser, or bytes. */
export type CheckpointSource = string | Blob | Uint8Array;

/** An open safetensors file: arrays by name, read on demand. */
export interface OpenWeights {
  readonly name: string;
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** How many steps had been taken, for a checkpoint; null for a file of something else. */
  readonly steps: number | null;
}

/**
 * Lends `use` an open safetensors file, and closes it.
 * @throws FormatError for a file that cannot be read; CheckpointError for another format, or a checkpoint of a later version.
 */
export async function usingWeights<T>(
  source: CheckpointSource,
  use: (weights: OpenWeights) => Promise<T>,
): Promise<T> {
  if (!(typeof source === "string" || source instanceof Blob || source instanceof Uint8Array)) {
    throw new CheckpointError(`A checkpoint is given as a path, a Blob or its bytes; got ${String(source)}.`);
  }
  const model = await openModel(source);
  try {
    const [{ name }] = model.sources;
    if (model.format !== "safetensors") {
      throw new CheckpointError(
        `${name}: a safetensors file was expected, and this is one of ${model.format}.`,
      );
    }
    const entries = new Map(model.tensors.map((entry) => [entry.name, entry]));
    return await use({ name, entries, steps: await readSteps(name, model) });
  } finally {
    await model.close();
  }
}

/** The numbers of an entry, for a compiled function or `toJax`. */
export async function readArray(entry: TensorEntry): Promise<NativeArray> {
  const dtype = entry.dtype as ElementType;
  // Views of wider elements need an aligned start, which a slice of a file does not promise.
  const bytes = (await entry.read(0, entry.byteLength)).slice();
  return toNative(hostView(dtype, bytes) as Parameters<typeof toNative>[0], entry.shape, dtype);
}

async function readSteps(name: string, model: Model): Promise<number | null> {
  const metadata = await readMetadata(name, model);
  const format = metadata.get("format");
  if (typeof format !== "string" || !format.startsWith("lipschitz.checkpoint/")) return null;
  if (format !== CHECKPOINT_FORMAT) {
    throw new CheckpointError(
      `${name}: this checkpoint is of format ${format}; this version of lipschitz reads ${CHECKPOINT_FORMAT}. Update lipschitz.`,
    );
  }
  const steps = Number(metadata.get("steps") ?? Number.NaN);
  if (Number.isSafeInteger(steps) && steps >= 0) return steps;
  throw new CheckpointError(
    `${name}: the checkpoint does not say how many steps were taken; its metadata is damaged.`,
  );
}

/** The `__metadata__` of a safetensors file whose header was checked when it was opened. */
async function readMetadata(name: string, model: Model): Promise<ReadonlyMap<string, unknown>> {
  const [source] = model.sources;
  const prefix = await source.read(0, 8);
  const end = 8 + Number(new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true));
  const header = parseJsonIn(name, new TextDecoder().decode(await source.read(8, end)), 8);
  const metadata = header instanceof Map ? header.get("__metadata__") : undefined;
  return metadata instanceof Map ? metadata : new Map();
}
