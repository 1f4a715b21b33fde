import { FormatError } from "./errors.ts";
import { unsafeNameReason } from "./safe-name.ts";
import type { ByteSource } from "./source.ts";

/** Files beside a source that has no folder of its own, by relative name. */
export type Siblings<T> = ReadonlyMap<string, T>;

/** @throws FormatError `truncated` unless 0 ≤ start ≤ end ≤ source.byteLength. */
export function checkRange(
  source: Pick<ByteSource, "name" | "byteLength">,
  start: number,
  end: number,
): void {
  const { byteLength } = source;
  if (
    Number.isSafeInteger(start) &&
    Number.isSafeInteger(end) &&
    start >= 0 &&
    start <= end &&
    end <= byteLength
  )
    return;
  throw new FormatError(
    "truncated",
    `bytes ${start} to ${end} were wanted, but the file has ${byteLength}.`,
    {
      file: source.name,
      byte: Math.min(Math.max(0, start), byteLength),
      hint: "The file is probably incomplete: download or save it again.",
    },
  );
}

/** @throws FormatError `unsafe-path` unless `relativeName` stays inside the folder of `file`. */
export function checkSiblingName(file: string, relativeName: string): void {
  const reason = unsafeNameReason(relativeName);
  if (reason === null) return;
  throw new FormatError(
    "unsafe-path",
    `refers to the file ${JSON.stringify(relativeName.slice(0, 200))}, which is refused because ${reason}.`,
    { file, hint: "Referenced files must lie in the same folder as the model." },
  );
}

/** Bytes of `source` as a zero-filled buffer of that size, or a named error when memory does not allow it. */
export function allocate(file: string, byteLength: number): Uint8Array {
  try {
    return new Uint8Array(byteLength);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new FormatError("too-large", `${byteLength} bytes do not fit in memory at once.`, {
      file,
      hint: "Lower --memory so that tensors are read in smaller blocks.",
    });
  }
}

/** Bytes in memory as a file. `read` returns copies, so callers may change what they get. */
export function memorySource(bytes: Uint8Array, name: string, siblings?: Siblings<Uint8Array>): ByteSource {
  return {
    name,
    byteLength: bytes.byteLength,
    async read(start, end) {
      checkRange({ name, byteLength: bytes.byteLength }, start, end);
      return bytes.slice(start, end);
    },
    async sibling(relativeName) {
      checkSiblingName(name, relativeName);
      const found = siblings?.get(relativeName);
      return found === undefined ? null : memorySource(found, relativeName, siblings);
    },
    async close() {},
  };
}

/** A Blob (or a browser's File) as a file; nothing is read before it is asked for. */
export function blobSource(blob: Blob, name: string, siblings?: Siblings<Blob>): ByteSource {
  return {
    name,
    byteLength: blob.size,
    async read(start, end) {
      checkRange({ name, byteLength: blob.size }, start, end);
      try {
        return new Uint8Array(await blob.slice(start, end).arrayBuffer());
      } catch (cause) {
        throw new FormatError("unreadable", `the browser could not read it (${messageOf(cause)}).`, {
          file: name,
          byte: start,
          hint: "Was the file moved or changed since it was chosen? Choose it again.",
        });
      }
    },
    async sibling(relativeName) {
      checkSiblingName(name, relativeName);
      const found = siblings?.get(relativeName);
      return found === undefined ? null : blobSource(found, relativeName, siblings);
    },
    async close() {},
  };
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
