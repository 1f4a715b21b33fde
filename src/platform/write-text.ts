import { type WriteOptions, writeWhole } from "./files.ts";

/** Writes a text as UTF-8, whole or not at all; see `writeWhole`. */
export async function writeText(path: string, text: string, options: WriteOptions = {}): Promise<void> {
  await writeWhole(path, once(new TextEncoder().encode(text)), options);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
