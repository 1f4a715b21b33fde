import { crc32 } from "./crc32.ts";
import type { OutputChunk } from "./model.ts";
import { copyRange, type Patch, patchedCopy } from "./patch.ts";
import {
  CENTRAL_BYTES,
  DEFLATED,
  IN_ZIP64,
  LOCAL_BYTES,
  STORED,
  viewOf,
  type ZipArchive,
  type ZipMember,
} from "./zip.ts";

/** New uncompressed bytes of a member, exactly `member.size` of them, made when they are needed. */
export type Edits = ReadonlyMap<ZipMember, () => Promise<Uint8Array>>;

/** Flag bit 3: sizes and CRC follow the data. */
const HAS_DESCRIPTOR = 1 << 3;
const DESCRIPTOR = 0x08074b50;

/** PyTorch aligns members to this for memory mapping; a rebuilt archive keeps each member's alignment. */
const ALIGNMENT = 64;

/**
 * The archive with some members' bytes replaced. When all of them are stored, the result differs from the original
 * in those bytes and their CRC-32s only; otherwise the other members are copied as they are packed and the directory
 * is written anew.
 */
export function rewriteZip(archive: ZipArchive, edits: Edits): AsyncIterable<OutputChunk> {
  const inPlace = [...edits.keys()].every((member) => member.method === STORED);
  return inPlace ? patchZip(archive, edits) : rebuildZip(archive, edits);
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value, true);
  return bytes;
}

async function* patchZip(archive: ZipArchive, edits: Edits): AsyncGenerator<OutputChunk> {
  const patches: Patch[] = [];
  for (const [member, edit] of edits) patches.push(...(await memberPatches(archive, member, edit)));
  yield* patchedCopy(archive.source, patches);
}

/** Patches for one stored member, in file order: CRC in its header, its bytes, CRC behind them, CRC in the directory. */
async function memberPatches(
  { source }: ZipArchive,
  member: ZipMember,
  edit: () => Promise<Uint8Array>,
): Promise<Patch[]> {
  const dataEnd = member.dataStart + member.size;
  let content: Uint8Array | null = null;
  let crc = 0;
  const make = async () => {
    content ??= checkedContent(member, await edit());
    crc = crc32(content);
    return content;
  };
  const crcAt = (start: number, value: () => Promise<number>): Patch => ({
    start,
    end: start + 4,
    bytes: async () => u32(await value()),
  });
  const header = crcAt(member.headerStart + 14, async () => {
    await make();
    return crc;
  });
  const data: Patch = {
    start: member.dataStart,
    end: dataEnd,
    bytes: async () => {
      const made = await make();
      content = null;
      return made;
    },
  };
  const record = crcAt(member.recordStart + 16, async () => crc);
  if (!(member.flags & HAS_DESCRIPTOR)) return [header, data, record];
  const signed = viewOf(await source.read(dataEnd, dataEnd + 4)).getUint32(0, true) === DESCRIPTOR;
  return [data, crcAt(dataEnd + (signed ? 4 : 0), async () => crc), record];
}

function checkedContent(member: ZipMember, content: Uint8Array): Uint8Array {
  if (content.length === member.size) return content;
  throw new RangeError(`${member.name}: the replacement has ${content.length} bytes, not ${member.size}`);
}

/** What the new directory says of a member. */
interface Placed {
  readonly member: ZipMember;
  readonly start: number;
  readonly crc: number;
  readonly packedSize: number;
  readonly flags: number;
}

async function* rebuildZip(archive: ZipArchive, edits: Edits): AsyncGenerator<OutputChunk> {
  const { source, members, directoryStart } = archive;
  const placed: Placed[] = [];
  let at = 0;
  for (const [i, member] of members.entries()) {
    const padding = (((member.headerStart - at) % ALIGNMENT) + ALIGNMENT) % ALIGNMENT;
    yield new Uint8Array(padding);
    at += padding;
    const start = at;
    const edit = edits.get(member);
    const next = members[i + 1]?.headerStart ?? directoryStart;
    if (edit === undefined) {
      yield* copyRange(source, member.headerStart, next);
      at += next - member.headerStart;
      placed.push({ ...member, member, start });
      continue;
    }
    const content = checkedContent(member, await edit());
    const crc = crc32(content);
    const packed = member.method === DEFLATED ? await deflate(content) : content;
    const place = { member, start, crc, packedSize: packed.length, flags: member.flags & ~HAS_DESCRIPTOR };
    const header = await localHeader(archive, place);
    yield header;
    yield packed;
    at += header.length + packed.length;
    placed.push(place);
  }
  yield* directory(archive, placed, at);
}

async function deflate(content: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([content as Uint8Array<ArrayBuffer>]).stream();
  return new Uint8Array(
    await new Response(stream.pipeThrough(new CompressionStream("deflate-raw"))).arrayBuffer(),
  );
}

function isWide(value: number): boolean {
  return value >= IN_ZIP64;
}

/** The zip64 extra field with these values, or nothing when there are none. */
function zip64Extra(values: readonly number[]): Uint8Array {
  if (values.length === 0) return new Uint8Array(0);
  const bytes = new Uint8Array(4 + 8 * values.length);
  const view = viewOf(bytes);
  view.setUint16(0, 1, true);
  view.setUint16(2, 8 * values.length, true);
  values.forEach((value, i) => {
    view.setBigUint64(4 + 8 * i, BigInt(value), true);
  });
  return bytes;
}

async function localHeader({ source }: ZipArchive, place: Placed): Promise<Uint8Array> {
  const { member, packedSize, crc, flags } = place;
  const old = await source.read(member.headerStart, member.headerStart + LOCAL_BYTES);
  const nameLength = viewOf(old).getUint16(26, true);
  const nameStart = member.headerStart + LOCAL_BYTES;
  const name = await source.read(nameStart, nameStart + nameLength);
  const wide = isWide(member.size) || isWide(packedSize);
  const extra = zip64Extra(wide ? [member.size, packedSize] : []);
  const view = viewOf(old);
  if (wide) view.setUint16(4, Math.max(45, view.getUint16(4, true)), true);
  view.setUint16(6, flags, true);
  view.setUint32(14, crc, true);
  view.setUint32(18, wide ? IN_ZIP64 : packedSize, true);
  view.setUint32(22, wide ? IN_ZIP64 : member.size, true);
  view.setUint16(28, extra.length, true);
  return join([old, name, extra]);
}

/** A directory record with its old name, comment and attributes. */
function directoryRecord(old: Uint8Array, { member, start, crc, packedSize, flags }: Placed): Uint8Array {
  const fixed = old.slice(0, CENTRAL_BYTES);
  const view = viewOf(fixed);
  const nameEnd = CENTRAL_BYTES + view.getUint16(28, true);
  const extraEnd = nameEnd + view.getUint16(30, true);
  const extra = join([
    zip64Extra([member.size, packedSize, start].filter(isWide)),
    withoutZip64(old.subarray(nameEnd, extraEnd)),
  ]);
  const field = (offset: number, value: number) =>
    view.setUint32(offset, isWide(value) ? IN_ZIP64 : value, true);
  view.setUint16(8, flags, true);
  view.setUint32(16, crc, true);
  field(20, packedSize);
  field(24, member.size);
  view.setUint16(30, extra.length, true);
  field(42, start);
  return join([fixed, old.subarray(CENTRAL_BYTES, nameEnd), extra, old.subarray(extraEnd)]);
}

function withoutZip64(extra: Uint8Array): Uint8Array {
  const view = viewOf(extra);
  const kept: Uint8Array[] = [];
  for (let at = 0; at + 4 <= extra.length; ) {
    const end = Math.min(extra.length, at + 4 + view.getUint16(at + 2, true));
    if (view.getUint16(at, true) !== 1) kept.push(extra.subarray(at, end));
    at = end;
  }
  return join(kept);
}

/** The directory and its end records, zip64 when a number needs it. */
async function* directory(
  archive: ZipArchive,
  placed: readonly Placed[],
  start: number,
): AsyncGenerator<OutputChunk> {
  const { source } = archive;
  let size = 0;
  for (const place of placed) {
    const { recordStart, recordEnd } = place.member;
    const record = directoryRecord(await source.read(recordStart, recordEnd), place);
    size += record.length;
    yield record;
  }
  const count = placed.length;
  const wide = isWide(start) || isWide(size) || count >= 0xffff;
  if (wide) yield end64(count, size, start);
  yield end(count, size, start);
}

function end64(count: number, size: number, start: number): Uint8Array {
  const bytes = new Uint8Array(76);
  const view = viewOf(bytes);
  view.setUint32(0, 0x06064b50, true);
  view.setBigUint64(4, 44n, true);
  view.setUint16(12, 45, true);
  view.setUint16(14, 45, true);
  view.setBigUint64(24, BigInt(count), true);
  view.setBigUint64(32, BigInt(count), true);
  view.setBigUint64(40, BigInt(size), true);
  view.setBigUint64(48, BigInt(start), true);
  view.setUint32(56, 0x07064b50, true);
  view.setBigUint64(64, BigInt(start + size), true);
  view.setUint32(72, 1, true);
  return bytes;
}

function end(count: number, size: number, start: number): Uint8Array {
  const bytes = new Uint8Array(22);
  const view = viewOf(bytes);
  view.setUint32(0, 0x06054b50, true);
  view.setUint16(8, Math.min(count, 0xffff), true);
  view.setUint16(10, Math.min(count, 0xffff), true);
  view.setUint32(12, Math.min(size, IN_ZIP64), true);
  view.setUint32(16, Math.min(start, IN_ZIP64), true);
  return bytes;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
