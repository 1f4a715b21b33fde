import { crc32 } from "../../formats/crc32.ts";

/** An image of 8-bit samples, rows from the top: 1 channel is grey, 4 are red, green, blue and opacity. */
export interface PngImage {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 4;
  /** width · height · channels samples. */
  readonly samples: Uint8Array;
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const COLOUR_TYPES = { 1: 0, 4: 6 } as const;
/** Of a stored block of deflate. */
const LONGEST_BLOCK = 0xffff;
const ADLER_MODULUS = 65521;

/**
 * A PNG file (ISO/IEC 15948) whose pixels are stored, not compressed: for small pictures inside a page, where the
 * few bytes that compression saves are not worth a compressor.
 */
export function encodePng({ width, height, channels, samples }: PngImage): Uint8Array {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, COLOUR_TYPES[channels], 0, 0, 0], 8);
  const row = width * channels;
  // Each row begins with its filter: 0, none.
  const raw = new Uint8Array((row + 1) * height);
  for (let y = 0; y < height; y++) raw.set(samples.subarray(y * row, (y + 1) * row), y * (row + 1) + 1);
  return joined([
    Uint8Array.from(SIGNATURE),
    chunk("IHDR", header),
    chunk("IDAT", zlibStored(raw)),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

/** Length, type, data, and the CRC of type and data. */
function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) bytes[4 + i] = type.charCodeAt(i);
  bytes.set(data, 8);
  view.setUint32(data.length + 8, crc32(bytes.subarray(4, data.length + 8)));
  return bytes;
}

/** A zlib stream (RFC 1950) of stored deflate blocks (RFC 1951). */
function zlibStored(raw: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(0x78, 0x01)];
  for (let start = 0; start < raw.length; start += LONGEST_BLOCK) {
    const block = raw.subarray(start, start + LONGEST_BLOCK);
    const head = new DataView(new ArrayBuffer(5));
    head.setUint8(0, start + LONGEST_BLOCK >= raw.length ? 1 : 0);
    head.setUint16(1, block.length, true);
    head.setUint16(3, ~block.length & 0xffff, true);
    parts.push(new Uint8Array(head.buffer), block);
  }
  const check = new DataView(new ArrayBuffer(4));
  check.setUint32(0, adler32(raw));
  return joined([...parts, new Uint8Array(check.buffer)]);
}

function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % ADLER_MODULUS;
    b = (b + a) % ADLER_MODULUS;
  }
  return b * 0x10000 + a;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
