const MASK_64 = (1n << 64n) - 1n;
const utf8 = new TextEncoder();
const scratch = new DataView(new ArrayBuffer(8));

/** A non-negative safe integer, or any 64-bit integer in two's complement, as a varint. */
export function varintBytes(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  appendVarint(bytes, value);
  return Uint8Array.from(bytes);
}

function appendVarint(bytes: number[], value: number | bigint): void {
  if (typeof value === "number" && value >= 0) {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
    bytes.push(rest);
    return;
  }
  let rest = BigInt(value) & MASK_64;
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
}

/** Collects one protobuf message, field by field, without copying payloads until the end. */
export class ProtobufWriter {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** A varint field; negative integers take ten bytes, as int64. */
  integer(field: number, value: number | bigint): void {
    this.#tag(field, 0);
    this.#push(varintBytes(value));
  }

  /** A float32 field (fixed32). */
  float(field: number, value: number): void {
    this.#tag(field, 5);
    scratch.setFloat32(0, value, true);
    this.#push(new Uint8Array(scratch.buffer.slice(0, 4)));
  }

  /** A fixed-width field of 4 or 8 bytes, given as they are stored. */
  fixed(field: number, bytes: Uint8Array): void {
    this.#tag(field, bytes.length === 4 ? 5 : 1);
    this.#push(bytes);
  }

  /** A bytes field; the bytes are kept, not copied. */
  bytes(field: number, bytes: Uint8Array): void {
    this.#tag(field, 2);
    this.#push(varintBytes(bytes.length));
    this.#push(bytes);
  }

  /** A string field, as UTF-8. */
  text(field: number, text: string): void {
    this.bytes(field, utf8.encode(text));
  }

  /** A nested message field. */
  message(field: number, message: ProtobufWriter): void {
    this.#tag(field, 2);
    this.#push(varintBytes(message.#length));
    for (const part of message.#parts) this.#push(part);
  }

  /** A packed repeated varint field. */
  packedIntegers(field: number, values: Iterable<number | bigint>): void {
    const payload: number[] = [];
    for (const value of values) appendVarint(payload, value);
    this.bytes(field, Uint8Array.from(payload));
  }

  /** The message so far, in one piece. */
  finish(): Uint8Array {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  #tag(field: number, wire: number): void {
    this.#push(varintBytes(field * 8 + wire));
  }

  #push(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }
}
