import { FormatError } from "./errors.ts";
import type { Format, Model, OutputFile, TensorEntry } from "./model.ts";
import { readPickle } from "./pickle.ts";
import { shardedFormat } from "./sharded.ts";
import type { ByteSource } from "./source.ts";
import { editStorages, openStorages, type StorageTensor, toStorageTensor } from "./torch-storage.ts";
import { findTensors } from "./torch-values.ts";
import { firstMemberName, looksLikeZip, readZip, STORED, type ZipArchive, type ZipMember } from "./zip.ts";
import { readMember } from "./zip-read.ts";
import { rewriteZip } from "./zip-writer.ts";

/** The pickle describes the tensors and holds none of their bytes. */
const MAX_PICKLE_BYTES = 100_000_000;

const ENDINGS = /\.(?:pt|pth|bin|ckpt|ptl|th)$/;

const SAVE_AGAIN =
  'Where you trust the file, save it again in Python: torch.save(torch.load("FILE", map_location="cpu"), "NEW.pt").';

/** Pickled magic number 0x1950a86a20f9469cfc6c, with which torch.save began before version 1.6. */
const LEGACY = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

function refuseOtherKinds(source: ByteSource, head: Uint8Array): void {
  if (looksLikeZip(head)) return;
  const file = source.name;
  if (LEGACY.every((byte, i) => head[i + 2] === byte)) {
    const what = "this is PyTorch's format from before version 1.6 (not a zip archive), which is not read.";
    throw new FormatError("unsupported", what, { file, byte: 0, hint: SAVE_AGAIN });
  }
  if (head[0] === 0x80 && head[1] >= 2 && head[1] <= 5) {
    const what = "this is a bare Python pickle, not a PyTorch zip archive.";
    throw new FormatError("unsupported", what, { file, byte: 0, hint: SAVE_AGAIN });
  }
  throw new FormatError(
    "bad-magic",
    "a PyTorch file must be a zip archive, but this one does not begin as one.",
    {
      file,
      byte: 0,
      hint: "The file is damaged, or something else with a PyTorch ending.",
    },
  );
}

/** The archive's data.pkl; everything else is beside it, under the same prefix. */
function findPickle({ source, members }: ZipArchive): { pickle: ZipMember; prefix: string } {
  const found = members.filter(({ name }) => name === "data.pkl" || /^[^/]+\/data\.pkl$/.test(name));
  if (found.length === 1) return { pickle: found[0], prefix: found[0].name.slice(0, -"data.pkl".length) };
  const shown = members.slice(0, 5).map(({ name }) => name.slice(0, 60));
  const what = `a PyTorch archive holds one data.pkl, this zip file ${found.length}; it begins with ${shown.join(", ") || "nothing"}.`;
  throw new FormatError("unsupported", what, {
    file: source.name,
    hint: "Is this really a PyTorch checkpoint?",
  });
}

async function readRoot(archive: ZipArchive, pickle: ZipMember) {
  const { source } = archive;
  if (pickle.size > MAX_PICKLE_BYTES) {
    const what = `the pickle has ${pickle.size} bytes; at most ${MAX_PICKLE_BYTES} are allowed.`;
    throw new FormatError("too-large", what, { file: source.name, byte: pickle.headerStart });
  }
  const place = { file: source.name, ...(pickle.method === STORED ? { start: pickle.dataStart } : {}) };
  return readPickle(await readMember(source, pickle), place);
}

async function isBigEndian({ source, members }: ZipArchive, prefix: string): Promise<boolean> {
  const member = members.find(({ name }) => name === `${prefix}byteorder`);
  if (member === undefined || member.size > 16) return false;
  return new TextDecoder().decode(await readMember(source, member)).trim() === "big";
}

function rewrite(
  archive: ZipArchive,
  tensors: ReadonlyMap<TensorEntry, StorageTensor>,
  replaced: ReadonlySet<TensorEntry>,
  replace: (entry: TensorEntry) => Promise<Uint8Array>,
): readonly OutputFile[] {
  const chosen = [...tensors.values()].filter(({ entry }) => replaced.has(entry) && entry.byteLength > 0);
  const edits = editStorages(archive.source, chosen, replace);
  return [{ relativeName: "", chunks: () => rewriteZip(archive, edits) }];
}

/**
 * PyTorch's zip format (version 1.6 and later), TorchScript archives included. The pickle in it is read as data:
 * no class is looked up and nothing in it can run.
 */
export const pytorchFormat: Format = {
  name: "pytorch",
  match(source, head) {
    if (looksLikeZip(head)) return !firstMemberName(head).endsWith(".npy");
    if (ENDINGS.test(source.name.toLowerCase())) return true;
    return head[0] === 0x80 && head[1] >= 2 && head[1] <= 5;
  },
  async open(source): Promise<Model> {
    refuseOtherKinds(source, await source.read(0, Math.min(64, source.byteLength)));
    const archive = await readZip(source);
    const { pickle, prefix } = findPickle(archive);
    const { tensors, warnings } = findTensors(await readRoot(archive, pickle), source.name);
    const storages = openStorages(archive, `${prefix}data/`, await isBigEndian(archive, prefix));
    const opened = tensors.map((tensor) => toStorageTensor(storages, tensor));
    const byEntry = new Map(opened.map((tensor) => [tensor.entry, tensor]));
    return {
      format: "pytorch",
      sources: [source],
      tensors: [...byEntry.keys()],
      warnings,
      rewrite: (replaced, replace) => rewrite(archive, byEntry, replaced, replace),
      async close() {
        await storages.close();
        await source.close();
      },
    };
  },
};

/** `pytorch_model.bin.index.json`: opens every shard it names. */
export const pytorchIndexFormat: Format = shardedFormat(pytorchFormat, ".bin.index.json");
