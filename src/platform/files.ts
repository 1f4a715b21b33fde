import type { FileHandle } from "node:fs/promises";
import { FormatError } from "../formats/errors.ts";
import type { ByteSource } from "../formats/source.ts";
import { allocate, checkRange, checkSiblingName } from "../formats/sources.ts";
import { builtin } from "./builtin.ts";

/** One read call moves at most this much: Node refuses 2 GiB and more at once. */
const MAX_READ_BYTES = 2 ** 30;

function systemCode(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return typeof code === "string" ? code : cause instanceof Error ? cause.message : String(cause);
}

function openFailure(path: string, cause: unknown): FormatError {
  const code = systemCode(cause);
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new FormatError("not-found", "no such file.", { file: path, hint: "Check the path." });
  }
  const denied = code === "EACCES" || code === "EPERM";
  return new FormatError("unreadable", denied ? "permission denied." : `cannot be opened (${code}).`, {
    file: path,
    ...(denied ? { hint: "Check who may read it." } : {}),
  });
}

async function readFully(handle: FileHandle, name: string, start: number, end: number): Promise<Uint8Array> {
  const bytes = allocate(name, end - start);
  let done = 0;
  while (done < bytes.length) {
    const want = Math.min(bytes.length - done, MAX_READ_BYTES);
    const { bytesRead } = await handle.read(bytes, done, want, start + done);
    if (bytesRead === 0) {
      throw new FormatError(
        "truncated",
        `the file ends here; ${end - start - done} more bytes were expected.`,
        {
          file: name,
          byte: start + done,
          hint: "Something shortened the file while it was being read.",
        },
      );
    }
    done += bytesRead;
  }
  return bytes;
}

function fileSource(path: string, handle: FileHandle, byteLength: number): ByteSource {
  let closed = false;
  return {
    name: path,
    byteLength,
    async read(start, end) {
      checkRange({ name: path, byteLength }, start, end);
      if (closed)
        throw new FormatError("unreadable", "the file was closed before this read.", { file: path });
      try {
        return await readFully(handle, path, start, end);
      } catch (cause) {
        if (cause instanceof FormatError) throw cause;
        throw new FormatError("unreadable", `cannot be read (${systemCode(cause)}).`, {
          file: path,
          byte: start,
        });
      }
    },
    async sibling(relativeName) {
      checkSiblingName(path, relativeName);
      // The folder is the one the path names, not the one a symlink points to: a Hugging Face cache keeps
      // shards as symlinks into ../../blobs under other names.
      const { dirname, join } = builtin("node:path");
      try {
        return await openFile(join(dirname(path), relativeName));
      } catch (cause) {
        if (cause instanceof FormatError && cause.code === "not-found") return null;
        throw cause;
      }
    },
    async close() {
      if (closed) return;
      closed = true;
      await handle.close();
    },
  };
}

/**
 * A file on disk as random-access bytes; only what is asked for is read.
 * @throws FormatError `not-found`, or `unreadable` for a folder, a device, a pipe or a file without permission.
 */
export async function openFile(path: string): Promise<ByteSource> {
  const fs = builtin("node:fs/promises");
  // Asked before opening, because opening a pipe would wait for its other end.
  const info = await fs.stat(path).catch((cause: unknown) => {
    throw openFailure(path, cause);
  });
  if (info.isDirectory()) {
    throw new FormatError("unreadable", "is a folder, not a file.", {
      file: path,
      hint: "Name a file in it.",
    });
  }
  if (!info.isFile()) {
    throw new FormatError("unreadable", "is a device or a pipe, not a file.", {
      file: path,
      hint: "Model files are read at random places: save it to a file first.",
    });
  }
  const handle = await fs.open(path, "r").catch((cause: unknown) => {
    throw openFailure(path, cause);
  });
  return fileSource(path, handle, (await handle.stat()).size);
}

/** Names of the files in a folder (sorted), or null when `path` is not a folder. */
export async function listFolder(path: string): Promise<readonly string[] | null> {
  const fs = builtin("node:fs/promises");
  const info = await fs.stat(path).catch(() => null);
  if (info === null || !info.isDirectory()) return null;
  try {
    return (await fs.readdir(path)).sort();
  } catch (cause) {
    throw openFailure(path, cause);
  }
}

/** A path inside a folder, with this system's separator. */
export function joinPath(folder: string, name: string): string {
  return builtin("node:path").join(folder, name);
}

/** A file that could not be written; the target is as it was before. */
export class WriteError extends Error {
  override readonly name = "WriteError";
  readonly path: string;

  constructor(path: string, what: string) {
    super(`${path}: ${what}`);
    this.path = path;
  }
}

/**
 * Makes a folder, with those above it, unless it is there. One at a time: Node's recursive `mkdir` never ends where a folder
 * that is there holds no other, as /proc does.
 * @throws WriteError when something else has its name, or it or one above it cannot be made.
 */
export async function makeFolder(path: string): Promise<void> {
  const failed = await tryFolder(path);
  if (failed === null) return;
  const where = failed.path === path ? "" : ` at ${failed.path}`;
  throw new WriteError(path, `cannot be made a folder (${failed.code}${where}). Choose another name.`);
}

/** Makes a folder and those above it; null, or the first that could not be made. */
async function tryFolder(path: string): Promise<{ readonly path: string; readonly code: string } | null> {
  const code = await makeOne(path);
  if (code !== "ENOENT") return code === null ? null : { path, code };
  const parent = builtin("node:path").dirname(path);
  if (parent === path) return { path, code };
  const above = await tryFolder(parent);
  if (above !== null) return above;
  const again = await makeOne(path);
  return again === null ? null : { path, code: again };
}

/** Null when the folder is there now, made or found; else the system's code. */
async function makeOne(path: string): Promise<string | null> {
  const fs = builtin("node:fs/promises");
  try {
    await fs.mkdir(path);
    return null;
  } catch (cause) {
    // Not by the code: of a folder that is there, systems say EEXIST, EPERM or EROFS.
    const found = await fs.stat(path).catch(() => null);
    return found?.isDirectory() ? null : systemCode(cause);
  }
}

/** True when both paths exist and are one file (the same device and inode), whatever links lead to it. */
export async function sameFile(a: string, b: string): Promise<boolean> {
  const fs = builtin("node:fs/promises");
  const [x, y] = await Promise.all([a, b].map((path) => fs.stat(path, { bigint: true }).catch(() => null)));
  return x != null && y != null && x.dev === y.dev && x.ino === y.ino;
}

export interface WriteOptions {
  /** Replace an existing file. Default false: an existing target is an error. */
  readonly overwrite?: boolean;
  /** Files being read meanwhile; the target may be none of them. */
  readonly inputs?: readonly string[];
}

async function checkTarget(path: string, options: WriteOptions): Promise<void> {
  const fs = builtin("node:fs/promises");
  for (const input of options.inputs ?? []) {
    if (await sameFile(path, input)) {
      throw new WriteError(path, `is the input file ${input} itself. Choose another output name.`);
    }
  }
  const info = await fs.stat(path).catch(() => null);
  if (info === null) return;
  if (!info.isFile()) throw new WriteError(path, "exists and is not a file. Choose another output name.");
  if (!options.overwrite) throw new WriteError(path, "exists already. Choose another output name.");
}

/** Makes a rename durable; a system that cannot sync folders (Windows) keeps its own guarantees. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await builtin("node:fs/promises")
    .open(folder, "r")
    .catch(() => null);
  if (handle === null) return;
  await handle.sync().catch(() => undefined);
  await handle.close();
}

async function writeAll(handle: FileHandle, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) {
    for (let done = 0; done < chunk.length; ) {
      const { bytesWritten } = await handle.write(chunk, done, Math.min(chunk.length - done, MAX_READ_BYTES));
      done += bytesWritten;
    }
  }
  await handle.sync();
}

/**
 * Writes a whole file or nothing: to a temporary name in the same folder, synced, then renamed over the target.
 * The temporary file is removed when anything fails, including the chunks themselves.
 * @throws WriteError when the target exists (without `overwrite`), is an input, or cannot be written.
 */
export async function writeWhole(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  options: WriteOptions = {},
): Promise<void> {
  const fs = builtin("node:fs/promises");
  const { basename, dirname, join } = builtin("node:path");
  await checkTarget(path, options);
  const folder = dirname(path);
  const unique = builtin("node:crypto").randomBytes(6).toString("hex");
  const temporary = join(folder, `.${basename(path).slice(0, 100)}.${unique}.tmp`);
  const handle = await fs.open(temporary, "wx").catch((cause: unknown) => {
    throw new WriteError(
      path,
      `cannot write in this folder (${systemCode(cause)}). Does it exist, and may you write there?`,
    );
  });
  try {
    try {
      await writeAll(handle, chunks);
    } finally {
      await handle.close();
    }
    await checkTarget(path, options);
    await fs.rename(temporary, path);
  } catch (cause) {
    await fs.rm(temporary, { force: true });
    if (cause instanceof Error && "syscall" in cause) {
      throw new WriteError(path, `cannot be written (${systemCode(cause)}).`);
    }
    throw cause;
  }
  await syncFolder(folder);
}
