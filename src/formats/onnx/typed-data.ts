import { CHUNK_BYTES, MAX_DATA_PIECES } from "./limits.ts";
import { checkWhole, forEachVarint } from "./packed.ts";
import type { Field, WireReader } from "./wire.ts";

/** Bytes [start, end) of the file. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** How the records of a typed field hold values: 4 or 8 bytes each, varints, or one string per record. */
export type ValueCoding = "fixed32" | "fixed64" | "varint" | "string";

/**
 * Where a tensor keeps elements in one of float_data, int32_data, int64_data, … : whole records, tags included,
 * neighbours joined. Protobuf allows any number of packed and single records in one field.
 */
export class DataPieces {
  readonly pieces: { start: number; end: number }[] = [];
  #records = 0;
  #last: Field | null = null;

  add(wire: WireReader, field: Field): void {
    this.#records++;
    this.#last = field;
    const previous = this.pieces.at(-1);
    if (previous?.end === field.at) previous.end = field.end;
    else if (this.pieces.length < MAX_DATA_PIECES) this.pieces.push({ start: field.at, end: field.end });
    else wire.fail("too-large", `one tensor's data in more than ${MAX_DATA_PIECES} pieces.`, field.at);
  }

  /** The payload, when it is one packed record; otherwise null. */
  packed(): Span | null {
    const only = this.#records === 1 ? this.#last : null;
    return only?.wire === 2 ? { start: only.start, end: only.end } : null;
  }

  /** Calls `onField` for each record, in order. */
  async visit(wire: WireReader, onField: (field: Field) => undefined | Promise<void>): Promise<void> {
    for (const piece of this.pieces) {
      await wire.visit({ ...piece, lengthAt: piece.start, parent: wire.root() }, onField);
    }
  }
}

/**
 * Number of values in the records. Streams: memory does not depend on the size.
 * @throws FormatError `corrupt` when a record does not hold whole values.
 */
export async function countValues(wire: WireReader, data: DataPieces, coding: ValueCoding): Promise<number> {
  let count = 0;
  await data.visit(wire, (field) => {
    if (field.wire === 2 && coding === "varint") return forEachVarint(wire, field, () => count++);
    count += valuesInRecord(wire, field, coding);
  });
  return count;
}

function valuesInRecord(wire: WireReader, field: Field, coding: ValueCoding): number {
  const singleWire = { fixed32: 5, fixed64: 1, varint: 0, string: 2 }[coding];
  if (field.wire === singleWire) return 1;
  if (field.wire !== 2) {
    wire.fail("corrupt", `tensor data has wire type ${field.wire}, expected ${singleWire} or 2.`, field.at);
  }
  const size = coding === "fixed32" ? 4 : 8;
  checkWhole(wire, field, size);
  return (field.end - field.start) / size;
}

/**
 * Decodes the bytes [start, end) of the elements, little-endian. Memory: the result and one chunk.
 * @param valueBytes bytes one value gives: the low ones of a varint, or all of a fixed value.
 */
export async function decodeValues(
  wire: WireReader,
  data: DataPieces,
  coding: Exclude<ValueCoding, "string">,
  valueBytes: number,
  [start, end]: readonly [number, number],
): Promise<Uint8Array> {
  const sink = new ElementSink(start, end, valueBytes);
  await data.visit(wire, (field) => {
    if (sink.full) return;
    if (coding === "varint") return forEachVarint(wire, field, (low, high) => sink.value(low, high));
    if (field.wire === 2) return copyFixed(wire, field, sink);
    sink.value(field.low, field.high);
  });
  return sink.bytes;
}

async function copyFixed(wire: WireReader, field: Field, sink: ElementSink): Promise<void> {
  for (let at = field.start; at < field.end && !sink.full; at += CHUNK_BYTES) {
    sink.copy(await wire.bytes(at, Math.min(at + CHUNK_BYTES, field.end)));
  }
}

/** Takes a tensor's bytes in order and keeps those in a window. */
class ElementSink {
  readonly bytes: Uint8Array;
  readonly #start: number;
  readonly #value = new Uint8Array(8);
  readonly #view = new DataView(this.#value.buffer);
  readonly #valueBytes: number;
  /** Offset of the next byte within the tensor. */
  #at = 0;

  constructor(start: number, end: number, valueBytes: number) {
    this.bytes = new Uint8Array(end - start);
    this.#start = start;
    this.#valueBytes = valueBytes;
  }

  get full(): boolean {
    return this.#at >= this.#start + this.bytes.length;
  }

  value(low: number, high: number): void {
    this.#view.setUint32(0, low, true);
    this.#view.setUint32(4, high, true);
    for (let i = 0, to = this.#at - this.#start; i < this.#valueBytes; i++, to++) {
      if (to >= 0 && to < this.bytes.length) this.bytes[to] = this.#value[i];
    }
    this.#at += this.#valueBytes;
  }

  copy(bytes: Uint8Array): void {
    const to = this.#at - this.#start;
    const from = Math.max(0, -to);
    const until = Math.min(bytes.length, this.bytes.length - to);
    if (from < until) this.bytes.set(bytes.subarray(from, until), to + from);
    this.#at += bytes.length;
  }
}
