import { FormatError } from "./errors.ts";
import type { Format, Model, ModelWarning, TensorEntry } from "./model.ts";
import { copyRange } from "./patch.ts";
import { parseJsonIn, safetensorsFormat } from "./safetensors.ts";
import type { ByteSource } from "./source.ts";
import { checkSiblingName } from "./sources.ts";

/** An index names each tensor once in about 100 bytes, like a safetensors header, and has the same limit. */
const MAX_INDEX_BYTES = 100_000_000;

/** Each shard keeps a file open; the largest public checkpoints have a few hundred. */
const MAX_SHARDS = 4096;

/** Which shard each tensor is in, with every shard name checked. */
async function readWeightMap(index: ByteSource): Promise<ReadonlyMap<string, string>> {
  const file = index.name;
  if (index.byteLength > MAX_INDEX_BYTES) {
    const what = `an index of ${index.byteLength} bytes is larger than the ${MAX_INDEX_BYTES} allowed.`;
    throw new FormatError("too-large", what, { file });
  }
  const text = new TextDecoder().decode(await index.read(0, index.byteLength));
  const root = parseJsonIn(file, text, 0);
  const map = root instanceof Map ? root.get("weight_map") : undefined;
  if (!(map instanceof Map)) {
    throw new FormatError("bad-header", 'the index has no "weight_map" object.', {
      file,
      hint: "An index maps tensor names to shard file names.",
    });
  }
  const shards = new Map<string, string>();
  for (const [tensor, shard] of map) {
    if (typeof shard !== "string") {
      throw new FormatError("bad-header", "its shard is not a file name.", { file, tensor });
    }
    checkSiblingName(file, shard);
    shards.set(tensor, shard);
  }
  return shards;
}

function byShard(weightMap: ReadonlyMap<string, string>): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const [tensor, shard] of weightMap) {
    const group = groups.get(shard);
    if (group) group.push(tensor);
    else groups.set(shard, [tensor]);
  }
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function openShard(index: ByteSource, shard: string, tensor: string, format: Format): Promise<Model> {
  const source = await index.sibling(shard);
  if (source === null) {
    throw new FormatError("missing-file", `its shard ${JSON.stringify(shard)} is not beside the index.`, {
      file: index.name,
      tensor,
      hint: "Download every shard into the same folder; in a browser, choose all files together.",
    });
  }
  try {
    return await format.open(source);
  } catch (cause) {
    await source.close();
    throw cause;
  }
}

interface Shard {
  readonly name: string;
  readonly model: Model;
}

/** The shard's tensors, checked against what the index says of it. */
function claimed(
  index: ByteSource,
  weightMap: ReadonlyMap<string, string>,
  { name, model }: Shard,
  wanted: readonly string[],
  warnings: ModelWarning[],
): TensorEntry[] {
  const present = new Set(model.tensors.map((entry) => entry.name));
  const missing = wanted.find((tensor) => !present.has(tensor));
  if (missing !== undefined) {
    throw new FormatError(
      "corrupt",
      `the index places it in ${JSON.stringify(name)}, which does not hold it.`,
      {
        file: index.name,
        tensor: missing,
        hint: "The index and the shards belong to different versions: download both again.",
      },
    );
  }
  return model.tensors.filter((entry) => {
    const owner = weightMap.get(entry.name);
    if (owner === name) return true;
    const message =
      owner === undefined
        ? `is in the shard ${name} but not in the index; it is listed all the same.`
        : `the index places it in ${owner}; the copy in ${name} is ignored.`;
    warnings.push({ where: entry.name, message });
    return owner === undefined;
  });
}

async function openSharded(index: ByteSource, format: Format): Promise<Model> {
  const weightMap = await readWeightMap(index);
  const groups = byShard(weightMap);
  if (groups.size > MAX_SHARDS) {
    const what = `the index names ${groups.size} shards; at most ${MAX_SHARDS} are allowed.`;
    throw new FormatError("too-large", what, { file: index.name });
  }
  const shards: Shard[] = [];
  const tensors: TensorEntry[] = [];
  const warnings: ModelWarning[] = [];
  try {
    for (const [name, wanted] of groups) {
      const shard = { name, model: await openShard(index, name, wanted[0], format) };
      shards.push(shard);
      warnings.push(...shard.model.warnings);
      tensors.push(...claimed(index, weightMap, shard, wanted, warnings));
    }
  } catch (cause) {
    for (const { model } of shards) await model.close();
    throw cause;
  }
  return {
    format: format.name,
    sources: [index, ...shards.flatMap(({ model }) => model.sources)],
    tensors,
    warnings,
    // Sizes do not change, so the index itself is copied as it is.
    rewrite: (replaced, replace) => [
      { relativeName: "", chunks: () => copyRange(index, 0, index.byteLength) },
      ...shards.map(({ name, model }) => ({
        relativeName: name,
        chunks: () => model.rewrite(onlyOf(model, replaced), replace)[0].chunks(),
      })),
    ],
    async close() {
      await index.close();
      for (const { model } of shards) await model.close();
    },
  };
}

function onlyOf(model: Model, replaced: ReadonlySet<TensorEntry>): Set<TensorEntry> {
  return new Set(model.tensors.filter((entry) => replaced.has(entry)));
}

/** A format for indexes `*<suffix>` of shards in another format. */
export function shardedFormat(format: Format, suffix: string): Format {
  return {
    name: format.name,
    match: (source) => source.name.toLowerCase().endsWith(suffix),
    open: (source) => openSharded(source, format),
  };
}

/** `model.safetensors.index.json`: opens every shard it names. */
export const safetensorsIndexFormat: Format = shardedFormat(safetensorsFormat, ".safetensors.index.json");
