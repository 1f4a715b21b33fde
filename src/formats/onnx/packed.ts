import { CHUNK_BYTES } from "./limits.ts";
import type { Field, Message, WireReader } from "./wire.ts";

/** Receives the low and high 32 bits, unsigned, of each value. */
export type OnValue = (low: number, high: number) => void;

/**
 * Calls `onValue` for each value of a record of a repeated varint field, packed or single. Streams.
 * @throws FormatError `corrupt` when the record does not hold whole varints.
 */
export function forEachVarint(wire: WireReader, field: Field, onValue: OnValue): undefined | Promise<void> {
  if (field.wire !== 2) {
    wire.integer(field);
    onValue(field.low, field.high);
    return;
  }
  const held = wire.held(field.start, field.end);
  if (held === null || (held.length > 0 && held[held.length - 1] >= 0x80)) {
    return streamVarints(wire, field, onValue);
  }
  decodeChunk(wire, held, onValue, field.at);
}

async function streamVarints(wire: WireReader, field: Field, onValue: OnValue): Promise<void> {
  for await (const chunk of varintChunks(wire, field)) decodeChunk(wire, chunk, onValue, field.at);
}

/**
 * Calls `onValue` for each value of a record of a repeated float field, packed or single.
 * @throws FormatError `corrupt` when the record does not hold whole values.
 */
export function forEachFloat(
  wire: WireReader,
  field: Field,
  onValue: (value: number) => void,
): undefined | Promise<void> {
  if (field.wire === 2) return streamFloats(wire, field, onValue);
  onValue(wire.float(field));
}

async function streamFloats(wire: WireReader, field: Field, onValue: (value: number) => void): Promise<void> {
  checkWhole(wire, field, 4);
  for (let at = field.start; at < field.end; at += CHUNK_BYTES) {
    const bytes = await wire.bytes(at, Math.min(at + CHUNK_BYTES, field.end));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let i = 0; i < bytes.length; i += 4) onValue(view.getFloat32(i, true));
  }
}

/** @throws FormatError `corrupt` when a packed payload is not a whole number of values. */
export function checkWhole(wire: WireReader, packed: Field, valueBytes: number): void {
  const bytes = packed.end - packed.start;
  if (bytes % valueBytes !== 0) {
    wire.fail("corrupt", `${bytes} bytes of packed ${valueBytes}-byte values.`, packed.at);
  }
}

/** A packed payload in chunks that end where a varint ends. */
async function* varintChunks(wire: WireReader, packed: Message): AsyncGenerator<Uint8Array> {
  let at = packed.start;
  while (at < packed.end) {
    const chunk = await wire.bytes(at, Math.min(at + CHUNK_BYTES, packed.end));
    let length = chunk.length;
    while (length > 0 && chunk[length - 1] >= 0x80) length--;
    if (length === 0 || (at + chunk.length === packed.end && length < chunk.length)) {
      wire.fail("corrupt", "packed data ends inside a value.", at + length);
    }
    yield chunk.subarray(0, length);
    at += length;
  }
}

function decodeChunk(wire: WireReader, bytes: Uint8Array, onValue: OnValue, at: number): void {
  let low = 0;
  let high = 0;
  let shift = 0;
  for (const byte of bytes) {
    const bits = byte & 0x7f;
    if (shift <= 28) low |= bits << shift;
    if (shift === 28) high = bits >>> 4;
    else if (shift > 28) high |= bits << (shift - 32);
    if (shift > 63 || (shift === 63 && byte > 1)) wire.fail("corrupt", "a varint of more than 64 bits.", at);
    shift += 7;
    if (byte >= 0x80) continue;
    onValue(low >>> 0, high >>> 0);
    low = 0;
    high = 0;
    shift = 0;
  }
}
