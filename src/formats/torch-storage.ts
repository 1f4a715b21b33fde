import { checkElements, plainEntry } from "./entry.ts";
import { FormatError, type FormatErrorCode } from "./errors.ts";
import type { TensorEntry } from "./model.ts";
import { checkReplacement } from "./patch.ts";
import { elementCount, showShape } from "./shape.ts";
import type { ByteSource } from "./source.ts";
import { extentOf, gather, orderOf, type Strided, scatter, spanOf } from "./strided.ts";
import { readSwapped, swapBytes } from "./swap.ts";
import type { TorchTensor } from "./torch-values.ts";
import { STORED, type ZipArchive, type ZipMember } from "./zip.ts";
import { type MemberReader, memberReader } from "./zip-read.ts";

/** Elements out of order are gathered from a span of the storage held in memory; a larger span is refused. */
const MAX_SPAN_BYTES = 2 ** 30;

/** One storage: a member of the archive that tensors are views of. */
interface Storage {
  readonly member: ZipMember;
  readonly reader: MemberReader;
}

/** The storages of an archive, opened at first use. */
export interface Storages {
  readonly source: ByteSource;
  readonly bigEndian: boolean;
  get(key: string): Storage | undefined;
  close(): Promise<void>;
}

export function openStorages(archive: ZipArchive, prefix: string, bigEndian: boolean): Storages {
  const { source } = archive;
  const members = new Map(archive.members.map((member) => [member.name, member]));
  const open = new Map<string, Storage>();
  return {
    source,
    bigEndian,
    get(key) {
      const member = members.get(prefix + key);
      if (member === undefined) return undefined;
      const storage = open.get(key) ?? { member, reader: memberReader(source, member) };
      open.set(key, storage);
      return storage;
    },
    async close() {
      for (const { reader } of open.values()) await reader.close();
    },
  };
}

/** A tensor and where its elements lie. */
export interface StorageTensor {
  readonly entry: TensorEntry;
  readonly storage: Storage | null;
  /** First element in the storage. */
  readonly offset: number;
  readonly layout: Strided;
  readonly bigEndian: boolean;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Checks a tensor against its storage; a type that is not read is listed without. */
export function toStorageTensor(storages: Storages, tensor: TorchTensor): StorageTensor {
  const { name, dtype, itemBytes, unsupported } = tensor;
  const fail = (code: FormatErrorCode, what: string, byte?: number): never => {
    throw new FormatError(code, what, {
      file: storages.source.name,
      tensor: name,
      ...(byte === undefined ? {} : { byte }),
      hint: "The file is damaged or incomplete: download or save it again.",
    });
  };
  const count = elementCount(tensor.shape);
  if (count === null)
    return fail("bad-shape", `its shape ${showShape(tensor.shape)} is not a possible shape.`);
  const shape = tensor.shape as readonly number[];
  if (itemBytes === 0) return unreadable(tensor, shape);
  const { strides, offset } = tensor;
  if (strides.length !== shape.length || !strides.every(isCount) || !isCount(offset)) {
    return fail("bad-offsets", `its strides ${showShape(strides)} do not fit its shape ${showShape(shape)}.`);
  }
  const storage = storages.get(tensor.storageKey);
  if (storage === undefined) {
    return fail(
      "corrupt",
      `its storage ${JSON.stringify(tensor.storageKey.slice(0, 100))} is not in the archive.`,
    );
  }
  const end = count === 0 ? 0 : (offset + extentOf(shape, strides)) * itemBytes;
  if (!(end <= storage.member.size)) {
    const what = `it reaches to byte ${end} of its storage, which has ${storage.member.size}.`;
    return fail("bad-offsets", what, storage.member.headerStart);
  }
  const layout = { shape, strides, itemBytes };
  const entry = makeEntry(storages, storage, { name, dtype, offset, count, layout, unsupported });
  return { entry, storage, offset, layout, bigEndian: storages.bigEndian };
}

/** A tensor whose type or construction is not known: listed, with nothing to read. */
function unreadable({ name, dtype, unsupported }: TorchTensor, shape: readonly number[]): StorageTensor {
  const entry: TensorEntry = {
    name,
    dtype,
    shape,
    byteLength: 0,
    unsupported: unsupported ?? "its type is not known",
    read: async () => new Uint8Array(0),
  };
  const layout = { shape, strides: [], itemBytes: 1 };
  return { entry, storage: null, offset: 0, layout, bigEndian: false };
}

interface Described {
  readonly name: string;
  readonly dtype: string;
  readonly offset: number;
  readonly count: number;
  readonly layout: Strided;
  readonly unsupported: string | undefined;
}

function makeEntry(storages: Storages, storage: Storage, tensor: Described): TensorEntry {
  const { name, dtype, offset, count, layout } = tensor;
  const { shape, strides, itemBytes } = layout;
  const order = count === 0 ? "row-major" : orderOf(shape, strides);
  const overlapping = "several of its elements share one place in the file (an expanded view)";
  const unsupported = tensor.unsupported ?? (order === "overlapping" ? overlapping : undefined);
  const known = {
    name,
    dtype,
    shape,
    ...(order === "column-major" ? { fortranOrder: true } : {}),
    ...(unsupported === undefined ? {} : { unsupported }),
  };
  const { source } = storages;
  const packed = order === "row-major" || order === "column-major";
  const start = count === 0 ? 0 : offset * itemBytes;
  if (packed && storage.member.method === STORED && !storages.bigEndian) {
    const first = storage.member.dataStart + start;
    return plainEntry({ ...known, source, start: first, end: first + count * itemBytes });
  }
  const byteLength = count * itemBytes;
  const stored = packed
    ? (from: number, to: number) => storage.reader.read(start + from, start + to)
    : (from: number, to: number) => readScattered(source.name, storage, tensor, from, to);
  return {
    ...known,
    byteLength,
    async read(from, to) {
      checkElements(source.name, name, byteLength, from, to);
      return storages.bigEndian ? readSwapped(stored, itemBytes, from, to) : stored(from, to);
    },
  };
}

/** Row-major bytes [from, to) of a tensor whose elements lie in another order. */
async function readScattered(
  file: string,
  { reader }: Storage,
  { name, offset, layout }: Described,
  from: number,
  to: number,
): Promise<Uint8Array> {
  if (from === to) return new Uint8Array(0);
  const { itemBytes } = layout;
  const first = Math.floor(from / itemBytes);
  const last = Math.ceil(to / itemBytes) - 1;
  const span = spanOf(layout, first, last);
  const bytes = (span.end - span.start) * itemBytes;
  if (bytes > MAX_SPAN_BYTES) {
    const what = `its elements are spread over ${bytes} bytes; at most ${MAX_SPAN_BYTES} are gathered at once.`;
    throw new FormatError("too-large", what, { file, tensor: name, hint: "Save it with .contiguous()." });
  }
  const stored = await reader.read((offset + span.start) * itemBytes, (offset + span.end) * itemBytes);
  const values = gather(stored, span.start, layout, first, last - first + 1);
  return values.subarray(from - first * itemBytes, to - first * itemBytes);
}

type Replace = (entry: TensorEntry) => Promise<Uint8Array>;

/** New bytes for every storage that a replaced tensor is a view of. */
export function editStorages(
  source: ByteSource,
  tensors: readonly StorageTensor[],
  replace: Replace,
): Map<ZipMember, () => Promise<Uint8Array>> {
  const groups = new Map<Storage, StorageTensor[]>();
  for (const tensor of tensors) {
    if (tensor.storage === null) continue;
    const group = groups.get(tensor.storage) ?? [];
    if (!group.some((other) => sameView(other, tensor))) group.push(tensor);
    groups.set(tensor.storage, group);
  }
  for (const group of groups.values()) refuseOverlaps(source, group);
  return new Map(
    [...groups].map(([storage, group]) => [storage.member, () => editStorage(storage, group, replace)]),
  );
}

/** Tied weights: one view under several names is replaced once, as its first name says. */
function sameView(a: StorageTensor, b: StorageTensor): boolean {
  const view = ({ offset, layout }: StorageTensor) => JSON.stringify([offset, layout]);
  return view(a) === view(b);
}

function refuseOverlaps(source: ByteSource, group: readonly StorageTensor[]): void {
  const sorted = [...group].sort((a, b) => startByte(a) - startByte(b));
  for (let i = 1; i < sorted.length; i++) {
    const [before, tensor] = [sorted[i - 1], sorted[i]];
    const end =
      startByte(before) + extentOf(before.layout.shape, before.layout.strides) * before.layout.itemBytes;
    if (end <= startByte(tensor)) continue;
    const what = `it shares part of its storage with "${before.entry.name}", so they cannot both be replaced.`;
    const place = { file: source.name, tensor: tensor.entry.name };
    throw new FormatError("unsupported", what, { ...place, hint: "Save the tensors with .clone()." });
  }
}

function startByte({ offset, layout }: StorageTensor): number {
  return offset * layout.itemBytes;
}

async function editStorage(
  { member, reader }: Storage,
  group: readonly StorageTensor[],
  replace: Replace,
): Promise<Uint8Array> {
  const newValues = async ({ entry, layout, bigEndian }: StorageTensor) => {
    const checked = checkReplacement(entry, await replace(entry));
    return bigEndian ? swapBytes(checked.slice(), layout.itemBytes) : checked;
  };
  // The usual case, one tensor that fills its storage, needs no copy of the old bytes.
  if (group.length === 1 && group[0].entry.byteLength === member.size && isPlain(group[0].layout)) {
    return newValues(group[0]);
  }
  const content = await reader.read(0, member.size);
  for (const tensor of group) {
    const { offset, layout } = tensor;
    const values = await newValues(tensor);
    if (!isPlain(layout)) scatter(content, offset, layout, values);
    else content.set(values, offset * layout.itemBytes);
  }
  return content;
}

function isPlain({ shape, strides }: Strided): boolean {
  return orderOf(shape, strides) !== "scattered";
}
