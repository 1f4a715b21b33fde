const MASK_64 = (1n << 64n) - 1n;
const utf8 = new TextEncoder();
const scratch = new DataView(new ArrayBuffer(8));
const scratchBytes = new Uint8Array(scratch.buffer);

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

/** Payloads from this size are kept as they are until the end; smaller ones are gathered. */
const LARGE_BYTES = 1024;

/** Collects one protobuf message, field by field, without copying large payloads until the end. */
export class ProtobufWriter {
  /** What is complete, in order; then #tail's first #used bytes. */
  readonly #parts: Uint8Array[] = [];
  #tail = new Uint8Array(64);
  #used = 0;
  #length = 0;

  /** A varint field; negative integers take ten bytes, as int64. */
  integer(field: number, value: number | bigint): void {
    this.#tag(field, 0);
    this.#varint(value);
  }

  /** A float32 field (fixed32). */
  float(field: number, value: number): void {
    scratch.setFloat32(0, value, true);
    this.fixed(field, scratchBytes.subarray(0, 4));
  }

  /** A fixed-width field of 4 or 8 bytes, given as they are stored. */
  fixed(field: number, bytes: Uint8Array): void {
    this.#tag(field, bytes.length === 4 ? 5 : 1);
    this.#push(bytes);
  }

  /** A bytes field; large payloads are kept, not copied. */
  bytes(field: number, bytes: Uint8Array): void {
    this.#tag(field, 2);
    this.#varint(bytes.length);
    this.#push(bytes);
  }

  /** A string field, as UTF-8. */
  text(field: number, text: string): void {
    this.bytes(field, utf8.encode(text));
  }

  /** A nested message field. */
  message(field: number, message: ProtobufWriter): void {
    this.#tag(field, 2);
    this.#varint(message.#length);
    for (const part of message.#parts) this.#push(part);
    this.#push(message.#tail.subarray(0, message.#used));
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
    for (const part of [...this.#parts, this.#tail.subarray(0, this.#used)]) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  #tag(field: number, wire: number): void {
    this.#varint(field * 8 + wire);
  }

  #varint(value: number | bigint): void {
    if (typeof value === "number" && value >= 0 && value < 0x80) {
      this.#reserve(1);
      this.#tail[this.#used++] = value;
      this.#length++;
    } else {
      this.#push(varintBytes(value));
    }
  }

  #push(bytes: Uint8Array): void {
    this.#length += bytes.length;
    if (bytes.length < LARGE_BYTES) {
      this.#reserve(bytes.length);
      this.#tail.set(bytes, this.#used);
      this.#used += bytes.length;
      return;
    }
    if (this.#used > 0) this.#parts.push(this.#tail.subarray(0, this.#used));
    this.#parts.push(bytes);
    this.#tail = new Uint8Array(64);
    this.#used = 0;
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#tail.length) return;
    const larger = new Uint8Array(2 * (this.#used + bytes));
    larger.set(this.#tail.subarray(0, this.#used));
    this.#tail = larger;
  }
}
