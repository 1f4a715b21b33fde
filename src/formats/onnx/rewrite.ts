import { FormatError } from "../errors.ts";
import type { OutputChunk, OutputFile, TensorEntry } from "../model.ts";
import type { ByteSource } from "../source.ts";
import { CHUNK_BYTES } from "./limits.ts";
import { varintBytes } from "./protobuf-writer.ts";
import type { ReadOnnx } from "./reader.ts";
import type { TensorProto } from "./tensor-proto.ts";
import type { Message } from "./wire.ts";

/** Asks the caller for a tensor's new bytes. */
type Replace = (entry: TensorEntry) => Promise<Uint8Array>;

/** New content for bytes [start, end) of a file: given bytes, or the new data of tensors that share a place. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly content: readonly (Uint8Array | readonly TensorEntry[])[];
}

/** Tag of TensorProto.raw_data: field 9, length-delimited. */
const RAW_DATA_TAG = 0x4a;

/**
 * The model's files with some tensors replaced. Data that lies contiguous is patched in place and nothing else
 * changes; data in typed fields that cannot be becomes raw_data, and the lengths around it are corrected.
 * @throws FormatError `unsupported` for a tensor that has no bytes to replace, `bad-offsets` when replacing one
 * would change another.
 */
export function rewriteOnnx(
  source: ByteSource,
  read: ReadOnnx,
  replaced: ReadonlySet<TensorEntry>,
  replace: Replace,
): readonly OutputFile[] {
  const inPlace = patches(read, replaced);
  const reencoded = reencodings(source, read, replaced);
  const files: [string, ByteSource][] = [["", source], ...read.external.files];
  return files.map(([relativeName, file]) => {
    const edits = [...(inPlace.get(file) ?? []), ...(file === source ? reencoded : [])];
    edits.sort((a, b) => a.start - b.start || a.end - b.end);
    return { relativeName, chunks: () => patched(file, edits, replace) };
  });
}

async function* patched(
  source: ByteSource,
  edits: readonly Edit[],
  replace: Replace,
): AsyncGenerator<OutputChunk> {
  let at = 0;
  for (const edit of edits) {
    yield* copy(source, at, edit.start);
    for (const part of edit.content) {
      yield part instanceof Uint8Array ? part : await replacement(source, part, replace);
    }
    at = edit.end;
  }
  yield* copy(source, at, source.byteLength);
}

async function* copy(source: ByteSource, start: number, end: number): AsyncGenerator<OutputChunk> {
  for (let at = start; at < end; at += CHUNK_BYTES) {
    yield await source.read(at, Math.min(at + CHUNK_BYTES, end));
  }
}

/** The new bytes of tensors that share their place; they must agree. */
async function replacement(
  source: ByteSource,
  [first, ...others]: readonly TensorEntry[],
  replace: Replace,
): Promise<Uint8Array> {
  const bytes = await replace(first);
  if (bytes.length !== first.byteLength) {
    throw new RangeError(`rewrite: ${bytes.length} bytes for "${first.name}", expected ${first.byteLength}`);
  }
  for (const other of others) {
    const same = await replace(other);
    if (same.length !== bytes.length || same.some((byte, i) => byte !== bytes[i])) {
      conflict(source, first, other, "the new values of the two differ");
    }
  }
  return bytes;
}

interface Place {
  readonly start: number;
  readonly end: number;
  readonly entries: TensorEntry[];
}

/** In-place patches by file. */
function patches(read: ReadOnnx, replaced: ReadonlySet<TensorEntry>): Map<ByteSource, Edit[]> {
  const edits = new Map<ByteSource, Edit[]>();
  for (const [source, places] of placesBySource(read.tensors.keys())) {
    const ordered = [...places.values()].sort((a, b) => a.start - b.start || a.end - b.end);
    checkShared(source, ordered, replaced);
    const touched = ordered.filter((place) => replaced.has(place.entries[0]));
    edits.set(
      source,
      touched.map(({ start, end, entries }) => ({ start, end, content: [entries] })),
    );
  }
  return edits;
}

function placesBySource(entries: Iterable<TensorEntry>): Map<ByteSource, Map<string, Place>> {
  const sources = new Map<ByteSource, Map<string, Place>>();
  for (const entry of entries) {
    if (entry.range === undefined || entry.byteLength === 0) continue;
    const { source, start, end } = entry.range;
    const places = sources.get(source) ?? new Map<string, Place>();
    sources.set(source, places);
    const key = `${start}-${end}`;
    const place = places.get(key) ?? { start, end, entries: [] };
    places.set(key, place);
    place.entries.push(entry);
  }
  return sources;
}

/** Refuses to change a tensor behind the caller's back: tensors of external data may share bytes. */
function checkShared(
  source: ByteSource,
  ordered: readonly Place[],
  replaced: ReadonlySet<TensorEntry>,
): void {
  let furthest: Place | null = null;
  let furthestReplaced: Place | null = null;
  for (const place of ordered) {
    const [first] = place.entries;
    const isReplaced = replaced.has(first);
    const odd = place.entries.find((entry) => replaced.has(entry) !== isReplaced);
    if (odd !== undefined) conflict(source, first, odd, "only one of them is replaced");
    const before: Place | null = isReplaced ? furthest : furthestReplaced;
    if (before !== null && place.start < before.end) {
      conflict(source, before.entries[0], first, "they overlap in part");
    }
    if (furthest === null || place.end > furthest.end) furthest = place;
    if (isReplaced && (furthestReplaced === null || place.end > furthestReplaced.end)) {
      furthestReplaced = place;
    }
  }
}

function conflict(source: ByteSource, a: TensorEntry, b: TensorEntry, because: string): never {
  throw new FormatError("bad-offsets", `shares its bytes with "${b.name}", and ${because}.`, {
    file: source.name,
    tensor: a.name,
    ...(a.range === undefined ? {} : { byte: a.range.start }),
    hint: "Replace both with the same values, or neither.",
  });
}

/** Edits that turn typed data into raw_data. */
function reencodings(source: ByteSource, read: ReadOnnx, replaced: ReadonlySet<TensorEntry>): Edit[] {
  const edits: Edit[] = [];
  const growth = new Map<Message, number>();
  for (const entry of replaced) {
    const proto = protoOf(source, read, entry);
    if (entry.range !== undefined) continue;
    if (entry.byteLength === 0) continue;
    const header = Uint8Array.of(RAW_DATA_TAG, ...varintBytes(entry.byteLength));
    const { end } = proto.message;
    const removed = typedPieces(proto);
    for (const piece of removed) edits.push({ ...piece, content: [] });
    edits.push({ start: end, end, content: [header, [entry]] });
    const without = removed.reduce((sum, piece) => sum + piece.end - piece.start, 0);
    growth.set(proto.message, header.length + entry.byteLength - without);
  }
  return [...edits, ...lengthEdits(growth)];
}

/** @throws FormatError `unsupported` for a tensor that has no bytes, or is not this model's. */
function protoOf(source: ByteSource, read: ReadOnnx, entry: TensorEntry): TensorProto {
  const proto = read.tensors.get(entry);
  if (proto !== undefined && (entry.byteLength > 0 || entry.unsupported === undefined)) return proto;
  const because = proto === undefined ? "not of this file" : entry.unsupported;
  throw new FormatError("unsupported", `it cannot be rewritten: ${because}.`, {
    file: source.name,
    tensor: entry.name,
  });
}

function typedPieces(proto: TensorProto): { start: number; end: number }[] {
  return [...proto.typed.values()].flatMap((data) => data.pieces);
}

/** New length prefixes of the messages that grow (or shrink), and of everything around them. */
function lengthEdits(growth: Map<Message, number>): Edit[] {
  const edits: Edit[] = [];
  const byDepth: Set<Message>[] = [];
  for (const message of growth.keys()) {
    for (let m: Message = message; m.parent !== null; m = m.parent) {
      const depth = depthOf(m);
      byDepth[depth] ??= new Set();
      byDepth[depth].add(m);
    }
  }
  // Innermost first: a prefix that becomes longer makes the message around it longer too.
  for (const messages of byDepth.reverse()) {
    for (const message of messages ?? []) {
      const { start, end, lengthAt, parent } = message;
      const change = growth.get(message) ?? 0;
      const prefix = varintBytes(end - start + change);
      edits.push({ start: lengthAt, end: start, content: [prefix] });
      const outward = change + prefix.length - (start - lengthAt);
      if (parent !== null) growth.set(parent, (growth.get(parent) ?? 0) + outward);
    }
  }
  return edits;
}

function depthOf(message: Message): number {
  let depth = 0;
  for (let m = message; m.parent !== null; m = m.parent) depth++;
  return depth;
}
