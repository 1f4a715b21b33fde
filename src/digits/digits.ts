import { FormatError } from "../formats/errors.ts";
import { readAsset } from "../platform/asset.ts";

/** Handwritten digits: pictures of 28 × 28 pixels with their labels. */
export interface Digits {
  readonly count: number;
  /** [count, 784], rows of a picture from the top, 0 (paper) to 1 (ink). */
  readonly x: Float32Array<ArrayBuffer>;
  /** [count], 0 to 9. */
  readonly y: Int32Array<ArrayBuffer>;
}

/** Pixels of one picture. */
export const DIGIT_PIXELS = 784;

const FILE = "digits.gz";
const TRAIN = 8000;
const TEST = 2000;

/**
 * Real digits that come with the package: a fixed split of 10,000 of MNIST's (LeCun, Cortes, Burges) into 8,000 for
 * training and 2,000 for testing. Published results use 60,000 for training; compare within one split only.
 * @throws FormatError when the file is missing or damaged.
 */
export async function loadDigits(): Promise<{ train: Digits; test: Digits }> {
  const bytes = await unzip(await readAsset(FILE));
  const count = TRAIN + TEST;
  if (bytes.length !== count * (1 + DIGIT_PIXELS)) {
    throw new FormatError(
      "truncated",
      `holds ${bytes.length} bytes; ${count * (1 + DIGIT_PIXELS)} were expected.`,
      { file: FILE, hint: "Build or install the package again." },
    );
  }
  const labels = bytes.subarray(0, count);
  const pixels = bytes.subarray(count);
  return { train: part(labels, pixels, 0, TRAIN), test: part(labels, pixels, TRAIN, count) };
}

function part(labels: Uint8Array, pixels: Uint8Array, start: number, end: number): Digits {
  const bytes = pixels.subarray(start * DIGIT_PIXELS, end * DIGIT_PIXELS);
  const x = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) x[i] = bytes[i] / 255;
  return { count: end - start, x, y: Int32Array.from(labels.subarray(start, end)) };
}

async function unzip(bytes: Uint8Array): Promise<Uint8Array> {
  try {
    const stream = new Blob([bytes as Uint8Array<ArrayBuffer>])
      .stream()
      .pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    throw new FormatError("corrupt", "is not a whole gzip file.", {
      file: FILE,
      hint: "Build or install the package again.",
    });
  }
}
