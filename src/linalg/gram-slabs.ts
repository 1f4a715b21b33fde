import type { Thread } from "../platform/threads.ts";
import type { LoadOptions } from "./held-matrix.ts";
import { type MatrixSource, storageBytes, storageType, toStorage } from "./matrix-source.ts";
import { newId } from "./pool.ts";
import type { Tasks } from "./tasks.ts";

/** Bytes of one slab at most: enough for the Gram kernel's blocking, little beside the Gram matrix itself. */
const SLAB_BYTES = 64 * 2 ** 20;

/**
 * The Gram matrix of the scaled matrix over its shorter side (short × short, lower triangle), added up from slabs of
 * the longer side so that the matrix never has to be held whole and threads share the work evenly.
 */
export async function gramOfSource(
  source: MatrixSource,
  threads: readonly Thread<Tasks>[],
  scale: number,
  memory: number,
  options: LoadOptions,
): Promise<Float64Array> {
  const tall = source.rows > source.cols;
  const short = tall ? source.cols : source.rows;
  const long = tall ? source.rows : source.cols;
  const width = storageBytes(source.type);
  const budget = Math.min(SLAB_BYTES, memory / 4);
  const most = Math.max(1, Math.floor(budget / (short * width)));
  const slabs = Math.max(Math.ceil(long / most), Math.min(threads.length, long));
  const id = newId();
  const whole = tall ? undefined : await wholeIfSmall(source, memory, options);
  const pending: (Promise<void> | undefined)[] = threads.map(() => undefined);
  for (let k = 0; k < slabs; k++) {
    options.signal?.throwIfAborted();
    const from = Math.floor((k * long) / slabs);
    const to = Math.floor(((k + 1) * long) / slabs);
    const bytes = tall
      ? transposed(toStorage(source.type, await read(source, from, to, options)), to - from, short, width)
      : await columnRange(source, whole, from, to, options);
    const turn = k % threads.length;
    await pending[turn];
    pending[turn] = threads[turn]!.call(
      "addGram",
      [id, storageType(source.type), short, to - from, bytes, scale],
      [bytes.buffer as ArrayBuffer],
    );
  }
  await Promise.all(pending);
  const [sum, ...rest] = await Promise.all(threads.map((thread) => thread.call("takeGram", [id])));
  for (const share of rest) for (let i = 0; i < share.length; i++) sum![i]! += share[i]!;
  return sum!;
}

async function read(
  source: MatrixSource,
  from: number,
  to: number,
  options: LoadOptions,
): Promise<Uint8Array> {
  const bytes = await source.readRows(from, to);
  options.onProgress?.(bytes.byteLength);
  return bytes;
}

/** All rows at once where that fits, so that column slabs need one reading instead of one each. */
async function wholeIfSmall(
  source: MatrixSource,
  memory: number,
  options: LoadOptions,
): Promise<Uint8Array | undefined> {
  if (source.rows * source.cols * storageBytes(source.type) > memory / 2) return undefined;
  return toStorage(source.type, await read(source, 0, source.rows, options));
}

/** Columns [from, to) of every row, packed. */
async function columnRange(
  source: MatrixSource,
  whole: Uint8Array | undefined,
  from: number,
  to: number,
  options: LoadOptions,
): Promise<Uint8Array> {
  const width = storageBytes(source.type);
  const packed = new Uint8Array(source.rows * (to - from) * width);
  const step = whole ? source.rows : Math.max(1, Math.floor((4 * 2 ** 20) / (source.cols * width)));
  for (let row = 0; row < source.rows; row += step) {
    const end = Math.min(row + step, source.rows);
    const rows = whole ?? toStorage(source.type, await read(source, row, end, options));
    for (let r = row; r < end; r++) {
      const start = ((r - row) * source.cols + from) * width;
      packed.set(rows.subarray(start, start + (to - from) * width), r * (to - from) * width);
    }
  }
  return packed;
}

/** rows × cols elements of `width` bytes as cols × rows. */
export function transposed(bytes: Uint8Array, rows: number, cols: number, width: number): Uint8Array {
  const result = new Uint8Array(bytes.length);
  if (width === 2)
    return transposeInto(asWords(bytes, Uint16Array), new Uint16Array(result.buffer), rows, cols);
  if (width === 4)
    return transposeInto(asWords(bytes, Uint32Array), new Uint32Array(result.buffer), rows, cols);
  return transposeInto(asWords(bytes, BigUint64Array), new BigUint64Array(result.buffer), rows, cols);
}

type Words = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | BigUint64Array<ArrayBuffer>;

function asWords<T>(
  bytes: Uint8Array,
  Type: { new (buffer: ArrayBuffer, at: number, length: number): T; BYTES_PER_ELEMENT: number },
): T {
  const aligned = bytes.byteOffset % Type.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  return new Type(
    aligned.buffer as ArrayBuffer,
    aligned.byteOffset,
    aligned.byteLength / Type.BYTES_PER_ELEMENT,
  );
}

/** In tiles of 32 × 32, so that both sides stay in cache. */
function transposeInto<T extends Words>(from: T, to: T, rows: number, cols: number): Uint8Array {
  for (let r0 = 0; r0 < rows; r0 += 32) {
    const r1 = Math.min(r0 + 32, rows);
    for (let c0 = 0; c0 < cols; c0 += 32) {
      const c1 = Math.min(c0 + 32, cols);
      for (let c = c0; c < c1; c++) for (let r = r0; r < r1; r++) to[c * rows + r] = from[r * cols + c]!;
    }
  }
  return new Uint8Array(to.buffer);
}
