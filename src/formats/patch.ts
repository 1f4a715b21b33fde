import type { OutputChunk, TensorEntry } from "./model.ts";
import type { ByteSource } from "./source.ts";

/** Copies move this much at a time: large enough for the disk, small beside one tensor. */
const COPY_BYTES = 4 * 2 ** 20;

/** New bytes for [start, end) of a file, made when the copy gets there; exactly end − start of them. */
export interface Patch {
  readonly start: number;
  readonly end: number;
  bytes(): Promise<Uint8Array>;
}

/** The bytes [start, end) of a file in chunks. */
export async function* copyRange(
  source: ByteSource,
  start: number,
  end: number,
): AsyncGenerator<OutputChunk> {
  for (let at = start; at < end; at += COPY_BYTES)
    yield await source.read(at, Math.min(end, at + COPY_BYTES));
}

/** A copy of `source` with some ranges replaced: one patch in memory at a time, in file order. */
export async function* patchedCopy(
  source: ByteSource,
  patches: readonly Patch[],
): AsyncGenerator<OutputChunk> {
  let at = 0;
  for (const patch of [...patches].sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (patch.start < at) throw new RangeError(`patches overlap at byte ${patch.start} of ${source.name}`);
    yield* copyRange(source, at, patch.start);
    const bytes = await patch.bytes();
    if (bytes.length !== patch.end - patch.start) {
      throw new RangeError(
        `${source.name}, byte ${patch.start}: a patch of ${patch.end - patch.start} bytes got ${bytes.length}`,
      );
    }
    yield bytes;
    at = patch.end;
  }
  yield* copyRange(source, at, source.byteLength);
}

/** @throws RangeError unless a replacement has exactly the tensor's size. */
export function checkReplacement(entry: TensorEntry, bytes: Uint8Array): Uint8Array {
  if (bytes.length === entry.byteLength) return bytes;
  throw new RangeError(`${entry.name}: the replacement has ${bytes.length} bytes, not ${entry.byteLength}`);
}

/** Patches for tensors that lie in `source` as they are read; tensors that share one range are asked for once. */
export function tensorPatches(
  source: ByteSource,
  replaced: ReadonlySet<TensorEntry>,
  replace: (entry: TensorEntry) => Promise<Uint8Array>,
): Patch[] {
  const patches = new Map<string, Patch>();
  for (const entry of replaced) {
    const { range } = entry;
    if (range === undefined || range.source !== source || range.start === range.end) continue;
    const key = `${range.start}-${range.end}`;
    if (patches.has(key)) continue;
    const bytes = async () => checkReplacement(entry, await replace(entry));
    patches.set(key, { start: range.start, end: range.end, bytes });
  }
  return [...patches.values()];
}
