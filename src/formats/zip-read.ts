import { crc32 } from "./crc32.ts";
import { FormatError } from "./errors.ts";
import type { ByteSource } from "./source.ts";
import { allocate } from "./sources.ts";
import { DEFLATED, STORED, type ZipMember } from "./zip.ts";

/** Packed bytes handed to the decompressor at a time. */
const FEED_BYTES = 64 * 1024;

/** Random access to a member's uncompressed bytes. */
export interface MemberReader {
  /** Bytes [start, end) of the member, 0 ≤ start ≤ end ≤ size. */
  read(start: number, end: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** @throws FormatError `unsupported` for methods other than stored and deflated. */
export function memberReader(source: ByteSource, member: ZipMember): MemberReader {
  if (member.method === DEFLATED) return new InflateReader(source, member);
  if (member.method === STORED) {
    const { dataStart } = member;
    return { read: (start, end) => source.read(dataStart + start, dataStart + end), close: async () => {} };
  }
  throw new FormatError(
    "unsupported",
    `the member ${JSON.stringify(member.name.slice(0, 200))} is compressed by method ${member.method}.`,
    {
      file: source.name,
      byte: member.headerStart,
      hint: "Only stored and deflated members are read: save it again.",
    },
  );
}

/** A member's bytes as a whole. */
export async function readMember(source: ByteSource, member: ZipMember): Promise<Uint8Array> {
  const reader = memberReader(source, member);
  try {
    return await reader.read(0, member.size);
  } finally {
    await reader.close();
  }
}

/**
 * Inflates forward and keeps its place, so that reading a tensor block by block inflates it once; going back starts
 * again. Never delivers more than the declared size, and checks the size and the CRC-32 at the end.
 */
class InflateReader implements MemberReader {
  readonly #source: ByteSource;
  readonly #member: ZipMember;
  #chunks: ReadableStreamDefaultReader<Uint8Array> | null = null;
  /** Inflated but not yet delivered. */
  #rest: Uint8Array = new Uint8Array(0);
  #position = 0;
  #crc = 0;
  /** Reads take turns: there is one stream. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(source: ByteSource, member: ZipMember) {
    this.#source = source;
    this.#member = member;
  }

  read(start: number, end: number): Promise<Uint8Array> {
    const result = this.#turn.then(() => this.#read(start, end));
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async close(): Promise<void> {
    const chunks = this.#chunks;
    this.#chunks = null;
    this.#rest = new Uint8Array(0);
    await chunks?.cancel().catch(() => undefined);
  }

  async #read(start: number, end: number): Promise<Uint8Array> {
    if (this.#chunks === null || start < this.#position) await this.#restart();
    const bytes = allocate(this.#source.name, end - start);
    while (this.#position < start) {
      if (this.#rest.length === 0) await this.#more();
      this.#take(Math.min(this.#rest.length, start - this.#position));
    }
    while (this.#position < end) {
      if (this.#rest.length === 0) await this.#more();
      const part = this.#take(Math.min(this.#rest.length, end - this.#position));
      bytes.set(part, this.#position - part.length - start);
    }
    if (end === this.#member.size) await this.#finish();
    return bytes;
  }

  #take(count: number): Uint8Array {
    const part = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    this.#position += count;
    this.#crc = crc32(part, this.#crc);
    return part;
  }

  async #restart(): Promise<void> {
    await this.close();
    this.#position = 0;
    this.#crc = 0;
    const { dataStart, packedSize } = this.#member;
    let at = dataStart;
    const packed = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: async (controller) => {
        const next = Math.min(at + FEED_BYTES, dataStart + packedSize);
        if (next > at) controller.enqueue((await this.#source.read(at, next)) as Uint8Array<ArrayBuffer>);
        if (next === dataStart + packedSize) controller.close();
        at = next;
      },
    });
    this.#chunks = packed.pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  }

  /** The next inflated bytes, or an error when there are none. */
  async #more(): Promise<void> {
    const chunk = await this.#next();
    if (chunk === null)
      this.#fail(`it inflates to ${this.#position} bytes, not the ${this.#member.size} declared.`);
    this.#rest = chunk;
  }

  async #finish(): Promise<void> {
    const extra = this.#rest.length > 0 || (await this.#next()) !== null;
    if (extra) this.#fail(`it inflates to more than the ${this.#member.size} bytes declared.`);
    if (this.#crc !== this.#member.crc) this.#fail("its bytes do not match their CRC-32.");
    await this.close();
  }

  async #next(): Promise<Uint8Array | null> {
    for (;;) {
      const result = await this.#chunks?.read().catch((cause: unknown) => {
        if (cause instanceof FormatError) throw cause;
        return this.#fail(
          `it cannot be inflated (${cause instanceof Error ? cause.message : String(cause)}).`,
        );
      });
      if (result === undefined || result.done) return null;
      if (result.value.length > 0) return result.value;
    }
  }

  #fail(what: string): never {
    void this.close();
    throw new FormatError(
      "corrupt",
      `in the member ${JSON.stringify(this.#member.name.slice(0, 200))}: ${what}`,
      {
        file: this.#source.name,
        byte: this.#member.dataStart,
        hint: "The archive is damaged: download or save it again.",
      },
    );
  }
}
