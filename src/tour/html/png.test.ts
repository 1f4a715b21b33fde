import { inflateSync } from "node:zlib";
import fc from "fast-check";
import { expect, it } from "vitest";
import { encodePng } from "./png.ts";

/** Chunks by type, each with its CRC checked bit by bit. */
function chunksOf(png: Uint8Array): Map<string, Uint8Array> {
  const view = new DataView(png.buffer, png.byteOffset, png.length);
  const chunks = new Map<string, Uint8Array>();
  let at = 8;
  while (at < png.length) {
    const length = view.getUint32(at);
    const checked = png.subarray(at + 4, at + 8 + length);
    expect(view.getUint32(at + 8 + length)).toBe(slowCrc(checked));
    chunks.set(String.fromCharCode(...checked.subarray(0, 4)), checked.subarray(4));
    at += length + 12;
  }
  expect(at).toBe(png.length);
  return chunks;
}

function slowCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

it("writes files that zlib inflates, checksum included, to the same samples", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      fc.constantFrom(1 as const, 4 as const),
      fc.integer(),
      (width, height, channels, seed) => {
        const samples = Uint8Array.from(
          { length: width * height * channels },
          (_, i) => (i * 37 + seed) & 255,
        );
        const chunks = chunksOf(encodePng({ width, height, channels, samples }));
        expect([...chunks.keys()]).toEqual(["IHDR", "IDAT", "IEND"]);
        const header = new DataView(chunks.get("IHDR")!.slice().buffer);
        expect([header.getUint32(0), header.getUint32(4)]).toEqual([width, height]);
        expect([...chunks.get("IHDR")!.subarray(8)]).toEqual([8, channels === 1 ? 0 : 6, 0, 0, 0]);
        const raw = inflateSync(chunks.get("IDAT")!);
        const row = width * channels;
        for (let y = 0; y < height; y++) {
          expect(raw[y * (row + 1)]).toBe(0);
          const from = y * (row + 1) + 1;
          expect([...raw.subarray(from, from + row)]).toEqual([...samples.subarray(y * row, (y + 1) * row)]);
        }
      },
    ),
    { numRuns: 30 },
  );
});

it("splits what is longer than a stored block", () => {
  const samples = Uint8Array.from({ length: 300 * 300 }, (_, i) => i % 251);
  const raw = inflateSync(
    chunksOf(encodePng({ width: 300, height: 300, channels: 1, samples })).get("IDAT")!,
  );
  expect(raw.length).toBe(300 * 301);
  expect(raw[300 * 301 - 1]).toBe((300 * 300 - 1) % 251);
});
