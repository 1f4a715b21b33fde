import { writeWhole } from "../../platform/files.ts";

/** Writes a file whole or not at all, in the place of one that was there; nothing without a path. */
export async function writeBytes(path: string | undefined, bytes: Uint8Array): Promise<void> {
  if (path !== undefined) await writeWhole(path, oneChunk(bytes), { overwrite: true });
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
