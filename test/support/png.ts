import { inflateSync } from "node:zlib";

/** Samples of an 8-bit PNG without row filters, as bytes, with what its header says. */
export interface Decoded {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly samples: Uint8Array;
}

const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 4: 2, 6: 4 };

/** Reads such a PNG; independent of the page's encoder. @throws Error for anything else. */
export function decodePng(png: Uint8Array): Decoded {
  const view = new DataView(png.buffer, png.byteOffset, png.length);
  const parts: Uint8Array[] = [];
  for (let at = 8; at < png.length; at += view.getUint32(at) + 12) {
    const type = String.fromCharCode(...png.subarray(at + 4, at + 8));
    if (type === "IDAT") parts.push(png.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  const [width, height, channels] = [view.getUint32(16), view.getUint32(20), CHANNELS[png[25]]];
  const raw = inflateSync(Buffer.concat(parts));
  const row = width * channels + 1;
  if (raw.length !== row * height) throw new Error(`${raw.length} bytes for ${width}×${height}×${channels}`);
  const samples = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    if (raw[y * row] !== 0) throw new Error(`row ${y} is filtered`);
    samples.set(raw.subarray(y * row + 1, (y + 1) * row), y * (row - 1));
  }
  return { width, height, channels, samples };
}

/** The PNG inside a data URI. */
export function pngOf(uri: string): Uint8Array {
  return Uint8Array.from(Buffer.from(uri.replace("data:image/png;base64,", ""), "base64"));
}
