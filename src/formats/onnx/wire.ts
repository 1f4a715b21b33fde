import { FormatError, type FormatErrorCode } from "../errors.ts";
import type { ByteSource } from "../source.ts";
import { MAX_TEXT_BYTES, WINDOW_BYTES } from "./limits.ts";

/** A stretch of the file that holds protobuf fields, and the message around it. */
export interface Message {
  readonly start: number;
  readonly end: number;
  /** Where the length prefix begins (it ends at `start`); the whole file has none. */
  readonly lengthAt: number;
  readonly parent: Message | null;
}

/** Protobuf wire types: varint, fixed64, length-delimited, fixed32. Groups are refused. */
export type WireType = 0 | 1 | 2 | 5;

/** One field as it lies in the file. Absolute offsets. */
export interface Field {
  readonly number: number;
  readonly wire: WireType;
  /** Where the tag begins. */
  readonly at: number;
  /** Where the length prefix begins, for length-delimited fields. */
  readonly lengthAt: number;
  /** The payload, without tag and length prefix. */
  readonly start: number;
  readonly end: number;
  /** Value of a varint or fixed field: the low and high 32 bits, unsigned. */
  readonly low: number;
  readonly high: number;
  /** The message this field lies in. */
  readonly parent: Message;
}

/** Longest varint: 64 bits in groups of seven. */
const MAX_VARINT_BYTES = 10;
/** A tag and a length or value: nothing needs more bytes than this to be understood. */
const MAX_FIELD_HEADER_BYTES = 2 * MAX_VARINT_BYTES;
const TWO_32 = 2 ** 32;

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const scratch = new DataView(new ArrayBuffer(8));

/**
 * Walks the protobuf wire format of a file through a small window, so that a 2 GB file costs the memory of its
 * structure only. Not for concurrent use: each reading task takes its own.
 * Reference: https://protobuf.dev/programming-guides/encoding/
 */
export class WireReader {
  readonly source: ByteSource;
  #window = new Uint8Array(0);
  #windowStart = 0;
  /** Position of the varint reader, and the value it read last. */
  #at = 0;
  #low = 0;
  #high = 0;

  constructor(source: ByteSource) {
    this.source = source;
  }

  /** The whole file as the outermost message. */
  root(): Message {
    return { start: 0, end: this.source.byteLength, lengthAt: 0, parent: null };
  }

  /**
   * Calls `onField` for each field of a message in file order; waits when it returns a promise.
   * @throws FormatError `truncated` or `corrupt` for a field that does not fit in its message.
   */
  async visit(message: Message, onField: (field: Field) => undefined | Promise<void>): Promise<void> {
    let at = message.start;
    while (at < message.end) {
      const headerEnd = Math.min(at + MAX_FIELD_HEADER_BYTES, message.end);
      if (!this.#holds(at, headerEnd)) await this.#load(at, headerEnd);
      const field = this.#field(at, message);
      const small = field.end - field.start <= MAX_TEXT_BYTES;
      if (small && !this.#holds(field.start, field.end)) await this.#load(at, field.end);
      const pending = onField(field);
      if (pending !== undefined) await pending;
      at = field.end;
    }
  }

  /** The bytes [start, end) if they are in the window, valid until the next wait; otherwise null. */
  held(start: number, end: number): Uint8Array | null {
    if (!this.#holds(start, end)) return null;
    return this.#window.subarray(start - this.#windowStart, end - this.#windowStart);
  }

  /** The bytes [start, end) of the file; the caller has bounded their number. */
  async bytes(start: number, end: number): Promise<Uint8Array> {
    return this.held(start, end)?.slice() ?? this.source.read(start, end);
  }

  /**
   * A length-delimited field as text. To be called at once, before anything else is read.
   * @throws FormatError `too-large` beyond MAX_TEXT_BYTES.
   */
  text(field: Field): string {
    this.message(field);
    const length = field.end - field.start;
    if (length > MAX_TEXT_BYTES) {
      this.fail("too-large", `a name of ${length} bytes; at most ${MAX_TEXT_BYTES} are read.`, field.at);
    }
    const from = field.start - this.#windowStart;
    return decodeText(this.#window.subarray(from, from + length));
  }

  /** A length-delimited field as a message (or packed values). */
  message(field: Field): Message {
    if (field.wire !== 2) this.#wrongWire(field, "a length-delimited value");
    return field;
  }

  /** A varint field as a signed 64-bit integer, clamped to ±(2⁵³ − 1). */
  integer(field: Field): number {
    if (field.wire !== 0) this.#wrongWire(field, "a varint");
    return signed64(field.low, field.high);
  }

  /** A fixed32 field as float32. */
  float(field: Field): number {
    if (field.wire !== 5) this.#wrongWire(field, "a 32-bit value");
    scratch.setUint32(0, field.low, true);
    return scratch.getFloat32(0, true);
  }

  /** @throws FormatError always, naming this file and the byte. */
  fail(code: FormatErrorCode, what: string, byte: number): never {
    throw new FormatError(code, what, { file: this.source.name, byte });
  }

  #wrongWire(field: Field, expected: string): never {
    this.fail(
      "corrupt",
      `field ${field.number} has wire type ${field.wire}, expected ${expected}.`,
      field.at,
    );
  }

  #holds(start: number, end: number): boolean {
    return start >= this.#windowStart && end <= this.#windowStart + this.#window.length;
  }

  async #load(start: number, end: number): Promise<void> {
    const last = Math.min(Math.max(end, start + WINDOW_BYTES), this.source.byteLength);
    this.#window = new Uint8Array(await this.source.read(start, last));
    this.#windowStart = start;
  }

  #field(at: number, parent: Message): Field {
    this.#at = at;
    this.#varint(parent.end);
    const tag = this.#low;
    const number = tag >>> 3;
    const wire = tag & 7;
    if (this.#high !== 0 || number === 0) this.fail("corrupt", "a field number out of range.", at);
    if (wire !== 0 && wire !== 1 && wire !== 2 && wire !== 5) {
      const what = wire === 3 || wire === 4 ? "a group, which ONNX does not use" : `wire type ${wire}`;
      this.fail("corrupt", `field ${number} is ${what}.`, at);
    }
    return wire === 2 ? this.#delimited(number, at, parent) : this.#scalar(number, wire, at, parent);
  }

  #scalar(number: number, wire: 0 | 1 | 5, at: number, parent: Message): Field {
    const start = this.#at;
    if (wire === 0) this.#varint(parent.end);
    else this.#fixed(wire === 1 ? 8 : 4, parent.end);
    return {
      number,
      wire,
      at,
      lengthAt: start,
      start,
      end: this.#at,
      low: this.#low,
      high: this.#high,
      parent,
    };
  }

  #delimited(number: number, at: number, parent: Message): Field {
    const lengthAt = this.#at;
    this.#varint(parent.end);
    const start = this.#at;
    const length = this.#high * TWO_32 + this.#low;
    if (length > parent.end - start) {
      const room = parent.end - start;
      if (parent.parent === null) {
        this.fail(
          "truncated",
          `field ${number} declares ${length} bytes, but the file has ${room} left. It is damaged or incomplete: download or save it again.`,
          at,
        );
      }
      this.fail("corrupt", `field ${number} declares ${length} bytes, but its message has ${room} left.`, at);
    }
    return { number, wire: 2, at, lengthAt, start, end: start + length, low: 0, high: 0, parent };
  }

  #fixed(bytes: 4 | 8, end: number): void {
    if (bytes > end - this.#at) this.#cut(this.#at, end);
    this.#low = this.#uint32(this.#at);
    this.#high = bytes === 8 ? this.#uint32(this.#at + 4) : 0;
    this.#at += bytes;
  }

  #uint32(at: number): number {
    const w = this.#window;
    const i = at - this.#windowStart;
    return (w[i] | (w[i + 1] << 8) | (w[i + 2] << 16) | (w[i + 3] << 24)) >>> 0;
  }

  /** Reads up to ten bytes at #at, within the window and before `end`. */
  #varint(end: number): void {
    const start = this.#at;
    this.#low = 0;
    this.#high = 0;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      if (this.#at >= end) this.#cut(start, end);
      const byte = this.#window[this.#at++ - this.#windowStart];
      if (i === MAX_VARINT_BYTES - 1 && byte > 1) break;
      this.#addGroup(byte & 0x7f, 7 * i);
      if (byte < 0x80) return;
    }
    this.fail("corrupt", "a varint of more than 64 bits.", start);
  }

  /** Adds seven bits at `shift` to the 64-bit number in its two halves. */
  #addGroup(bits: number, shift: number): void {
    if (shift <= 28) this.#low = (this.#low | (bits << shift)) >>> 0;
    if (shift === 28) this.#high = bits >>> 4;
    else if (shift > 28) this.#high = (this.#high | (bits << (shift - 32))) >>> 0;
  }

  #cut(at: number, end: number): never {
    const whole = end === this.source.byteLength;
    this.fail(whole ? "truncated" : "corrupt", `a value is cut off by the end of its message.`, at);
  }
}

/** Most names are short and ASCII, for which a TextDecoder call costs more than the loop. */
function decodeText(bytes: Uint8Array): string {
  if (bytes.length > 64) return utf8.decode(bytes);
  let text = "";
  for (const byte of bytes) {
    if (byte >= 0x80) return utf8.decode(bytes);
    text += String.fromCharCode(byte);
  }
  return text;
}

/** A 64-bit two's complement number from its halves, clamped to ±(2⁵³ − 1). */
export function signed64(low: number, high: number): number {
  const value = (high | 0) * TWO_32 + low;
  return Math.min(Math.max(value, -Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
}
