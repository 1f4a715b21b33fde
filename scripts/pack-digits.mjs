// Packs the 10,000 handwritten digits of the development dependency `mnist` (a part of LeCun, Cortes and Burges's MNIST)
// into one file: 10,000 labels, then 10,000 pictures of 28 × 28 bytes, all gzipped. The order is a fixed shuffle; the
// first 8,000 are for training, the last 2,000 for testing (src/digits/digits.ts).
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const CLASSES = 10;
const PIXELS = 784;
/** Of the shuffle; another one would make another split. */
const SEED = 1998;

/** @param {string} folder of the package `mnist`. */
export function packDigits(folder) {
  const digits = [];
  for (let label = 0; label < CLASSES; label++) {
    // The package's own functions skip a digit and shuffle without a seed; its data are fractions of three decimals.
    const { data } = JSON.parse(readFileSync(`${folder}/src/digits/${label}.json`, "utf8"));
    for (let start = 0; start < data.length; start += PIXELS) {
      digits.push({
        label,
        pixels: data.slice(start, start + PIXELS).map((value) => Math.round(value * 255)),
      });
    }
  }
  shuffle(digits);
  const labels = Uint8Array.from(digits, (digit) => digit.label);
  const pixels = digits.map((digit) => Uint8Array.from(digit.pixels));
  return gzipSync(Buffer.concat([labels, ...pixels]), { level: 9 });
}

/** Fisher and Yates's shuffle with the generator mulberry32. */
function shuffle(items) {
  let state = SEED;
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j], items[i]];
  }
}
