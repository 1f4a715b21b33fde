import type { BlockScan } from "../kernels/types.ts";
import type { Thread } from "../platform/threads.ts";
import { type MatrixSource, storageBytes, storageType, toStorage } from "./matrix-source.ts";
import { newId } from "./pool.ts";
import type { Tasks } from "./tasks.ts";

/** Bytes read and handed to a thread at a time. */
const CHUNK_BYTES = 4 * 2 ** 20;

/** What loading and streaming report and obey. */
export interface LoadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the stored bytes newly read. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** Answers to `gram` and `apply` requests. */
export type Products = (request: {
  readonly kind: "gram" | "apply";
  readonly vector: Float64Array;
}) => Promise<Float64Array>;

/** A matrix spread over threads, ready to be multiplied by. */
export interface MatrixProducts {
  readonly products: Products;
  /** Scans every entry; `scale` as in `RowBlock.scan`. */
  scan(scale: number): Promise<BlockScan>;
  release(): Promise<void>;
}

/** Rows [from, to) and who owns them. */
interface Part {
  readonly thread: Thread<Tasks>;
  readonly id: number;
  readonly from: number;
  readonly to: number;
}

function rowsPerChunk(source: MatrixSource): number {
  return Math.max(1, Math.floor(CHUNK_BYTES / (source.cols * storageBytes(source.type))));
}

/** A message may move its buffer only when it owns all of it. */
function movable(bytes: Uint8Array): { bytes: Uint8Array; transfer: ArrayBuffer[] } {
  const own = bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
  return { bytes: own, transfer: [own.buffer as ArrayBuffer] };
}

function evenParts(source: MatrixSource, threads: readonly Thread<Tasks>[]): Part[] {
  const count = Math.min(threads.length, source.rows);
  return threads.slice(0, count).map((thread, i) => ({
    thread,
    id: newId(),
    from: Math.floor((i * source.rows) / count),
    to: Math.floor(((i + 1) * source.rows) / count),
  }));
}

/** Reads the part's rows into its thread's block, chunk by chunk. */
async function loadRows(source: MatrixSource, part: Part, options: LoadOptions): Promise<void> {
  const step = rowsPerChunk(source);
  for (let row = part.from; row < part.to; row += step) {
    options.signal?.throwIfAborted();
    const stored = await source.readRows(row, Math.min(row + step, part.to));
    options.onProgress?.(stored.byteLength);
    const elements = toStorage(source.type, stored);
    const { bytes, transfer } = part.thread.remote ? movable(elements) : { bytes: elements, transfer: [] };
    await part.thread.call("loadBlock", [part.id, bytes, (row - part.from) * source.cols], transfer);
  }
}

function combineScans(scans: readonly BlockScan[]): BlockScan {
  return {
    finite: scans.every((s) => s.finite),
    maxAbs: Math.max(...scans.map((s) => s.maxAbs)),
    sumOfSquares: scans.reduce((sum, s) => sum + s.sumOfSquares, 0),
  };
}

function sumInto(total: Float64Array, share: Float64Array): void {
  for (let i = 0; i < total.length; i++) total[i]! += share[i]!;
}

/** Loads the matrix, each thread owning an even block of rows for as long as it is held. */
export async function holdMatrix(
  source: MatrixSource,
  threads: readonly Thread<Tasks>[],
  options: LoadOptions,
): Promise<MatrixProducts> {
  const parts = evenParts(source, threads);
  await Promise.all(
    parts.map(async (part) => {
      await part.thread.call("createBlock", [
        part.id,
        storageType(source.type),
        part.to - part.from,
        source.cols,
      ]);
      await loadRows(source, part, options);
    }),
  );
  return {
    async products({ kind, vector }) {
      const shares = await Promise.all(parts.map(({ thread, id }) => thread.call(kind, [id, vector])));
      return kind === "gram" ? sumOf(shares) : concatenate(shares);
    },
    scan: async (scale) =>
      combineScans(await Promise.all(parts.map(({ thread, id }) => thread.call("scanBlock", [id, scale])))),
    release: async () => {
      await Promise.all(parts.map(({ thread, id }) => thread.call("release", [id])));
    },
  };
}

/**
 * The matrix left in its file: every product reads it through, in slices of rows of at most `memory` bytes spread
 * over the threads. For tensors larger than the memory budget.
 */
export async function streamMatrix(
  source: MatrixSource,
  threads: readonly Thread<Tasks>[],
  memory: number,
  options: LoadOptions,
): Promise<MatrixProducts> {
  const rowBytes = source.cols * storageBytes(source.type);
  const height = Math.max(1, Math.floor(memory / (2 * threads.length * rowBytes)));
  const slots = threads.map((thread) => ({ thread, id: newId(), from: 0, to: 0 }));
  /** Rows of the block each slot holds now: blocks are reused, so that memory stays within the budget. */
  const held = new Map<number, number>();
  /** Runs `use` on each slice, slices of one round side by side, and hands the results over in row order. */
  async function eachSlice<T>(use: (part: Part) => Promise<T>, take: (value: T, from: number) => void) {
    for (let row = 0; row < source.rows; row += height * slots.length) {
      const round = slots
        .map((slot, i) => ({
          ...slot,
          from: row + i * height,
          to: Math.min(row + (i + 1) * height, source.rows),
        }))
        .filter((part) => part.from < part.to);
      const values = await Promise.all(
        round.map(async (part) => {
          const rows = part.to - part.from;
          if (held.get(part.id) !== rows) {
            await part.thread.call("createBlock", [part.id, storageType(source.type), rows, source.cols]);
            held.set(part.id, rows);
          }
          await loadRows(source, part, options);
          return use(part);
        }),
      );
      values.forEach((value, i) => {
        take(value, round[i]!.from);
      });
    }
  }
  return {
    async products({ kind, vector }) {
      const result = new Float64Array(kind === "gram" ? source.cols : source.rows);
      await eachSlice(
        (part) => part.thread.call(kind, [part.id, vector]),
        (share, from) => (kind === "gram" ? sumInto(result, share) : result.set(share, from)),
      );
      return result;
    },
    async scan(scale) {
      const scans: BlockScan[] = [];
      await eachSlice(
        (part) => part.thread.call("scanBlock", [part.id, scale]),
        (scan) => scans.push(scan),
      );
      return combineScans(scans);
    },
    release: async () => {
      await Promise.all(slots.map(({ thread, id }) => thread.call("release", [id])));
    },
  };
}

/** The threads' shares of AᵀA v added up (into the first). */
export function sumOf(shares: readonly Float64Array[]): Float64Array {
  const [first, ...rest] = shares;
  for (const share of rest) sumInto(first!, share);
  return first!;
}

/** The threads' blocks of A v one after the other. */
export function concatenate(shares: readonly Float64Array[]): Float64Array {
  if (shares.length === 1) return shares[0]!;
  const whole = new Float64Array(shares.reduce((length, share) => length + share.length, 0));
  let at = 0;
  for (const share of shares) {
    whole.set(share, at);
    at += share.length;
  }
  return whole;
}
