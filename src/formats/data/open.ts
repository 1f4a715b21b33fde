import { openFile } from "../../platform/files.ts";
import { FormatError } from "../errors.ts";
import type { Model } from "../model.ts";
import { npyFormat } from "../npy.ts";
import { npzFormat } from "../npz.ts";
import type { ByteSource } from "../source.ts";
import { blobSource, memorySource } from "../sources.ts";
import { looksLikeZip } from "../zip.ts";
import { type DataArray, numpyArray } from "./array.ts";
import { gunzip, isGzip } from "./gunzip.ts";
import { looksLikeIdx, readIdx } from "./idx.ts";

/** A path (Node), a Blob or File, bytes, or any random-access source. */
export type DataSource = string | Blob | Uint8Array | ByteSource;

/** Every format is recognised by at most this many first bytes (npz: the name of its first member). */
const HEAD_BYTES = 4096;

const READ = "NumPy (.npz with x and y, .npy) and IDX (.idx, -ubyte), the latter two also gzipped";

/** An open data file. */
export interface DataFile {
  readonly file: string;
  /** The one array of the file, or those of an archive by name. */
  readonly content: DataArray | ReadonlyMap<string, () => DataArray>;
  close(): Promise<void>;
}

/**
 * Opens a data file: headers are read, elements on demand (a gzip file is inflated in memory).
 * @throws FormatError naming the file, the array and the byte, and what to do next.
 */
export async function openData(source: DataSource): Promise<DataFile> {
  const bytes = await toSource(source);
  try {
    return await recognise(await unpacked(bytes));
  } catch (cause) {
    await bytes.close();
    throw cause;
  }
}

async function toSource(source: DataSource): Promise<ByteSource> {
  if (typeof source === "string") return openFile(source);
  if (source instanceof Uint8Array) return memorySource(source, "data in memory");
  if (!(source instanceof Blob)) return source;
  return blobSource(source, "name" in source && typeof source.name === "string" ? source.name : "data");
}

/** One layer of gzip, as MNIST's files come, taken off. */
async function unpacked(source: ByteSource): Promise<ByteSource> {
  if (!isGzip(await headOf(source))) return source;
  const inflated = await gunzip(source);
  await source.close();
  return inflated;
}

function headOf(source: ByteSource): Promise<Uint8Array> {
  return source.read(0, Math.min(HEAD_BYTES, source.byteLength));
}

async function recognise(source: ByteSource): Promise<DataFile> {
  const head = await headOf(source);
  const { name: file } = source;
  if (head.length === 0) {
    throw new FormatError("truncated", "the file is empty.", { file, hint: "Download or save it again." });
  }
  // What a file begins with tells more than its name.
  if (looksLikeIdx(head)) return { file, content: await readIdx(source), close: () => source.close() };
  if (looksLikeZip(head) || npzFormat.match(source, head)) {
    const model = await npzFormat.open(source);
    return { file, content: archived(model, file), close: () => model.close() };
  }
  if (npyFormat.match(source, head)) {
    const model = await npyFormat.open(source);
    return { file, content: numpyArray(model.tensors[0], file), close: () => model.close() };
  }
  throw unknown(source, head);
}

/** Arrays are looked at when asked for: others in the archive may be of any type. */
function archived(model: Model, file: string): ReadonlyMap<string, () => DataArray> {
  return new Map(model.tensors.map((entry) => [entry.name, () => numpyArray(entry, file, entry.name)]));
}

function unknown({ name: file }: ByteSource, head: Uint8Array): FormatError {
  const first = [...head.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return new FormatError("unknown-format", `not a data file that is recognised (it begins ${first}).`, {
    file,
    hint: `These are read: ${READ}.`,
  });
}
