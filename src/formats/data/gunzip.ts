import { FormatError } from "../errors.ts";
import type { ByteSource } from "../source.ts";
import { memorySource } from "../sources.ts";

/** Packed bytes handed to the decompressor at a time. */
const FEED_BYTES = 64 * 1024;

/** A gzip stream cannot be read at random places, so all of it is held. MNIST's training images take 47 MB. */
const MAX_INFLATED_BYTES = 2 ** 30;

/** True when a file begins as gzip does. */
export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

/**
 * A gzip file inflated in memory, under the name it has.
 * @throws FormatError `corrupt` when it cannot be inflated, `too-large` beyond 1 GiB.
 */
export async function gunzip(source: ByteSource): Promise<ByteSource> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = packed(source).pipeThrough(new DecompressionStream("gzip")).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      length += value.length;
      if (length > MAX_INFLATED_BYTES) throw tooLarge(source);
    }
  } catch (cause) {
    await reader.cancel().catch(() => undefined);
    if (cause instanceof FormatError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError("corrupt", `it cannot be inflated (${why}).`, {
      file: source.name,
      hint: "The file is damaged: download it again.",
    });
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return memorySource(bytes, source.name);
}

function packed(source: ByteSource): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    pull: async (controller) => {
      const next = Math.min(at + FEED_BYTES, source.byteLength);
      if (next > at) controller.enqueue((await source.read(at, next)) as Uint8Array<ArrayBuffer>);
      if (next === source.byteLength) controller.close();
      at = next;
    },
  });
}

function tooLarge(source: ByteSource): FormatError {
  return new FormatError("too-large", `it inflates to more than ${MAX_INFLATED_BYTES} bytes.`, {
    file: source.name,
    hint: "Unpack it with gunzip first; files that are not packed are read in blocks.",
  });
}
