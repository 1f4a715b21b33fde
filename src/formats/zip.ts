import { FormatError, type FormatErrorCode } from "./errors.ts";
import type { ByteSource } from "./source.ts";

/** The directory lists each member in under 200 bytes; a checkpoint has one member per tensor. */
const MAX_DIRECTORY_BYTES = 100_000_000;
const MAX_MEMBERS = 200_000;

/** DEFLATE cannot expand further than 1032 to 1, so a larger declared size is a lie. */
const MAX_EXPANSION = 1032;

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const END_BYTES = 22;
const LOCATOR64_BYTES = 20;
const END64_BYTES = 56;
export const LOCAL_BYTES = 30;
export const CENTRAL_BYTES = 46;
const MAX_COMMENT = 0xffff;
/** A field with this value is kept in the zip64 extra field instead. */
export const IN_ZIP64 = 0xffffffff;

export const STORED = 0;
export const DEFLATED = 8;

/** One member of a zip archive. */
export interface ZipMember {
  readonly name: string;
  readonly method: number;
  readonly flags: number;
  readonly crc: number;
  /** Bytes in the archive. */
  readonly packedSize: number;
  /** Bytes once inflated. */
  readonly size: number;
  /** Where its local header, its bytes and its directory record begin in the file. */
  readonly headerStart: number;
  readonly dataStart: number;
  readonly recordStart: number;
  readonly recordEnd: number;
}

/** The directory of an archive, members in file order. */
export interface ZipArchive {
  readonly source: ByteSource;
  readonly members: readonly ZipMember[];
  readonly directoryStart: number;
  readonly directoryEnd: number;
}

/** True when a file begins as a zip archive does. */
export function looksLikeZip(head: Uint8Array): boolean {
  return (
    head[0] === 0x50 &&
    head[1] === 0x4b &&
    ((head[2] === 3 && head[3] === 4) || (head[2] === 5 && head[3] === 6))
  );
}

/** Name of the member that an archive's first bytes begin with, or "". */
export function firstMemberName(head: Uint8Array): string {
  if (!looksLikeZip(head) || head.length < LOCAL_BYTES || head[2] !== 3) return "";
  const length = viewOf(head).getUint16(26, true);
  return new TextDecoder().decode(head.subarray(LOCAL_BYTES, LOCAL_BYTES + length));
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Reads an archive's directory (zip64 too) and every local header, and refuses what only an attack contains:
 * members that overlap, repeated names, sizes beyond what DEFLATE can reach.
 */
export async function readZip(source: ByteSource): Promise<ZipArchive> {
  const end = await findEnd(source);
  const { start, size, count } = end;
  if (count > MAX_MEMBERS || size > MAX_DIRECTORY_BYTES) {
    const what = `the directory claims ${count} members in ${size} bytes; at most ${MAX_MEMBERS} in ${MAX_DIRECTORY_BYTES} are allowed.`;
    throw zipError(source, "too-large", what, end.at);
  }
  if (start + size > end.at) {
    const what = `the directory claims bytes ${start} to ${start + size}, beyond its own end record.`;
    throw zipError(source, "bad-offsets", what, end.at);
  }
  const records = readRecords(source, await source.read(start, start + size), start, count);
  const members: ZipMember[] = [];
  for (const record of records) members.push(await locate(source, record, start));
  members.sort((a, b) => a.headerStart - b.headerStart);
  checkApart(source, members);
  return { source, members, directoryStart: start, directoryEnd: start + size };
}

interface End {
  readonly at: number;
  readonly start: number;
  readonly size: number;
  readonly count: number;
}

async function findEnd(source: ByteSource): Promise<End> {
  const tailStart = Math.max(0, source.byteLength - END_BYTES - MAX_COMMENT);
  const tail = await source.read(tailStart, source.byteLength);
  const view = viewOf(tail);
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    if (view.getUint32(at, true) !== END) continue;
    if (at + END_BYTES + view.getUint16(at + 20, true) !== tail.length) continue;
    const found = {
      at: tailStart + at,
      start: view.getUint32(at + 16, true),
      size: view.getUint32(at + 12, true),
      count: view.getUint16(at + 10, true),
    };
    return (await findEnd64(source, found.at)) ?? found;
  }
  throw zipError(source, "truncated", "the zip archive has no end record.", source.byteLength);
}

async function findEnd64(source: ByteSource, end: number): Promise<End | null> {
  if (end < LOCATOR64_BYTES) return null;
  const locator = viewOf(await source.read(end - LOCATOR64_BYTES, end));
  if (locator.getUint32(0, true) !== LOCATOR64) return null;
  const at = toSafe(source, locator.getBigUint64(8, true), end - LOCATOR64_BYTES);
  if (at + END64_BYTES > end) {
    throw zipError(source, "bad-offsets", `the zip64 end record is said to be at byte ${at}.`, end);
  }
  const view = viewOf(await source.read(at, at + END64_BYTES));
  if (view.getUint32(0, true) !== END64) {
    throw zipError(source, "bad-magic", "there is no zip64 end record here.", at);
  }
  return {
    at,
    count: toSafe(source, view.getBigUint64(32, true), at),
    size: toSafe(source, view.getBigUint64(40, true), at),
    start: toSafe(source, view.getBigUint64(48, true), at),
  };
}

type ZipRecord = Omit<ZipMember, "dataStart">;

function readRecords(source: ByteSource, bytes: Uint8Array, base: number, count: number): ZipRecord[] {
  const view = viewOf(bytes);
  const names = new Set<string>();
  const records: ZipRecord[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + CENTRAL_BYTES > bytes.length) {
      throw zipError(source, "truncated", `the directory ends after ${i} of ${count} members.`, base + at);
    }
    if (view.getUint32(at, true) !== CENTRAL) {
      throw zipError(source, "bad-magic", "there is no directory record here.", base + at);
    }
    const record = readRecord(source, bytes, at, base);
    if (names.has(record.name)) {
      throw zipError(source, "bad-header", `the member ${quoted(record.name)} is listed twice.`, base + at);
    }
    names.add(record.name);
    records.push(record);
    at = record.recordEnd - base;
  }
  return records;
}

function readRecord(source: ByteSource, bytes: Uint8Array, at: number, base: number): ZipRecord {
  const view = viewOf(bytes);
  const nameEnd = at + CENTRAL_BYTES + view.getUint16(at + 28, true);
  const extraEnd = nameEnd + view.getUint16(at + 30, true);
  const recordEnd = extraEnd + view.getUint16(at + 32, true);
  if (recordEnd > bytes.length) {
    throw zipError(source, "truncated", "a directory record runs past the directory.", base + at);
  }
  const name = new TextDecoder().decode(bytes.subarray(at + CENTRAL_BYTES, nameEnd));
  if (name === "" || name.includes("\0")) {
    throw zipError(source, "bad-header", "a member's name is empty or contains NUL.", base + at);
  }
  const flags = view.getUint16(at + 8, true);
  if (flags & 0x2041) {
    throw zipError(source, "unsupported", `the member ${quoted(name)} is encrypted.`, base + at);
  }
  const wide = readZip64(source, bytes.subarray(nameEnd, extraEnd), base + nameEnd);
  const field = (offset: number) => {
    const value = view.getUint32(at + offset, true);
    return value === IN_ZIP64 ? wide() : value;
  };
  // The order of the zip64 fields: size, packed size, header offset.
  const size = field(24);
  const packedSize = field(20);
  const headerStart = field(42);
  return {
    name,
    flags,
    method: view.getUint16(at + 10, true),
    crc: view.getUint32(at + 16, true),
    size,
    packedSize,
    headerStart,
    recordStart: base + at,
    recordEnd: base + recordEnd,
  };
}

/** Hands out the 64-bit values of a record's zip64 extra field one after the other. */
function readZip64(source: ByteSource, extra: Uint8Array, byte: number): () => number {
  const view = viewOf(extra);
  let [next, end] = [0, 0];
  for (let at = 0; at + 4 <= extra.length; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    next = at + 4;
    end = Math.min(extra.length, next + view.getUint16(at + 2, true));
    break;
  }
  return () => {
    if (next + 8 > end) throw zipError(source, "bad-header", "a zip64 size is missing.", byte);
    next += 8;
    return toSafe(source, view.getBigUint64(next - 8, true), byte);
  };
}

/** Finds where a member's bytes begin, and checks that they lie before the directory. */
async function locate(source: ByteSource, record: ZipRecord, directoryStart: number): Promise<ZipMember> {
  const { name, headerStart, packedSize, size, method } = record;
  const shown = `the member ${quoted(name)}`;
  if (headerStart + LOCAL_BYTES > directoryStart) {
    const what = `${shown} is said to begin at byte ${headerStart}, not before the directory.`;
    throw zipError(source, "bad-offsets", what, record.recordStart);
  }
  const view = viewOf(await source.read(headerStart, headerStart + LOCAL_BYTES));
  if (view.getUint32(0, true) !== LOCAL) {
    throw zipError(source, "bad-magic", `${shown} does not begin here.`, headerStart);
  }
  const dataStart = headerStart + LOCAL_BYTES + view.getUint16(26, true) + view.getUint16(28, true);
  if (dataStart + packedSize > directoryStart) {
    const what = `${shown} has ${packedSize} bytes, which run into the directory at ${directoryStart}.`;
    throw zipError(source, "bad-offsets", what, headerStart);
  }
  if (method === STORED && size !== packedSize) {
    throw zipError(source, "corrupt", `${shown} is stored, but its two sizes differ.`, record.recordStart);
  }
  if (method === DEFLATED && size > packedSize * MAX_EXPANSION) {
    const what = `${shown} claims ${size} bytes, which ${packedSize} packed bytes cannot hold.`;
    throw zipError(source, "corrupt", what, record.recordStart);
  }
  return { ...record, dataStart };
}

/** Members that share bytes let a small archive inflate without limit (Fifield 2019). */
function checkApart(source: ByteSource, sorted: readonly ZipMember[]): void {
  for (let i = 1; i < sorted.length; i++) {
    const [before, member] = [sorted[i - 1], sorted[i]];
    if (before.dataStart + before.packedSize <= member.headerStart) continue;
    const what = `the members ${quoted(before.name)} and ${quoted(member.name)} overlap.`;
    throw zipError(source, "bad-offsets", what, member.headerStart);
  }
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}

function toSafe(source: ByteSource, value: bigint, byte: number): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw zipError(source, "bad-offsets", `${value} is no possible size or offset.`, byte);
}

function zipError(source: ByteSource, code: FormatErrorCode, what: string, byte: number): FormatError {
  const damaged = code !== "unsupported" && code !== "too-large";
  const hint = damaged ? { hint: "The archive is damaged or incomplete: download or save it again." } : {};
  return new FormatError(code, what, { file: source.name, byte, ...hint });
}
