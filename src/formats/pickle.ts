import { FormatError, type FormatErrorCode } from "./errors.ts";
import { isDangerous } from "./pickle-danger.ts";
import {
  isCall,
  isDict,
  isSequence,
  type PickleCall,
  type PickleList,
  type PickleValue,
} from "./pickle-values.ts";

/** Operations in one pickle: a tensor takes about 30, so this is 150,000 tensors. Bounds memory to about 0.5 GB. */
const MAX_OPERATIONS = 5_000_000;
/** Text arguments of the oldest protocol end at a newline: names and numbers, never long. */
const MAX_LINE = 4096;
/** Bytes of a whole number; a real one needs at most 8 (NumPy's random state: a few thousand bits as bytes). */
const MAX_LONG_BYTES = 256;
const HIGHEST_PROTOCOL = 5;

const SAVE_AGAIN = "Save only the weights (a state_dict), or convert the file to safetensors.";

/** How errors find the place: the file, and where the pickle begins in it when it is stored as it is. */
export interface PicklePlace {
  readonly file: string;
  readonly start?: number;
}

/**
 * Reads a pickle as data. Every global and call becomes a record (`pickle-values.ts`); no code is looked up or run.
 * @throws FormatError `unsafe-pickle` for globals only an attack uses, `corrupt` for anything malformed.
 */
export function readPickle(bytes: Uint8Array, place: PicklePlace): PickleValue {
  return new Unpickler(bytes, place).run();
}

class Unpickler {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #place: PicklePlace;
  readonly #text = new TextDecoder();
  #at = 0;
  /** Where the current operation begins. */
  #operation = 0;
  #stack: PickleValue[] = [];
  readonly #marks: PickleValue[][] = [];
  readonly #memo = new Map<number, PickleValue>();

  constructor(bytes: Uint8Array, place: PicklePlace) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#place = place;
  }

  run(): PickleValue {
    for (let count = 0; count < MAX_OPERATIONS; count++) {
      this.#operation = this.#at;
      const code = this.#u8();
      if (code === 0x2e) return this.#pop();
      if (!(this.#scalar(code) || this.#memoize(code) || this.#collect(code) || this.#construct(code))) {
        return this.#fail("unsupported", `the pickle operation 0x${code.toString(16)} is not known.`);
      }
    }
    return this.#fail("too-large", `the pickle has more than ${MAX_OPERATIONS} operations.`);
  }

  /** Operations that push one plain value, and framing. */
  #scalar(code: number): boolean {
    switch (code) {
      case 0x80: // PROTO
        if (this.#u8() > HIGHEST_PROTOCOL) this.#fail("unsupported", "the pickle protocol is newer than 5.");
        return true;
      case 0x95: // FRAME
        this.#skip(8);
        return true;
      case 0x4e: // NONE
        return this.#push(null);
      case 0x88: // NEWTRUE
        return this.#push(true);
      case 0x89: // NEWFALSE
        return this.#push(false);
      case 0x49: // INT
      case 0x4c: // LONG
        return this.#push(this.#decimal());
      case 0x4a: // BININT
        return this.#push(this.#view.getInt32(this.#skip(4), true));
      case 0x4b: // BININT1
        return this.#push(this.#u8());
      case 0x4d: // BININT2
        return this.#push(this.#view.getUint16(this.#skip(2), true));
      case 0x8a: // LONG1
        return this.#push(this.#long(this.#u8()));
      case 0x8b: // LONG4
        return this.#push(this.#long(this.#u32()));
      case 0x46: // FLOAT
        return this.#push(Number.parseFloat(this.#line()));
      case 0x47: // BINFLOAT
        return this.#push(this.#view.getFloat64(this.#skip(8), false));
      default:
        return this.#string(code);
    }
  }

  #string(code: number): boolean {
    switch (code) {
      case 0x53: // STRING
        return this.#push(this.#line().replace(/^(['"])(.*)\1$/, "$2"));
      case 0x56: // UNICODE
        return this.#push(this.#line());
      case 0x54: // BINSTRING
      case 0x58: // BINUNICODE
        return this.#push(this.#utf8(this.#u32()));
      case 0x55: // SHORT_BINSTRING
      case 0x8c: // SHORT_BINUNICODE
        return this.#push(this.#utf8(this.#u8()));
      case 0x8d: // BINUNICODE8
        return this.#push(this.#utf8(this.#u64()));
      case 0x42: // BINBYTES
        return this.#push(this.#raw(this.#u32()));
      case 0x43: // SHORT_BINBYTES
        return this.#push(this.#raw(this.#u8()));
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return this.#push(this.#raw(this.#u64()));
      default:
        return false;
    }
  }

  #memoize(code: number): boolean {
    switch (code) {
      case 0x67: // GET
        return this.#push(this.#recall(Number(this.#decimal())));
      case 0x68: // BINGET
        return this.#push(this.#recall(this.#u8()));
      case 0x6a: // LONG_BINGET
        return this.#push(this.#recall(this.#u32()));
      case 0x70: // PUT
        return this.#remember(Number(this.#decimal()));
      case 0x71: // BINPUT
        return this.#remember(this.#u8());
      case 0x72: // LONG_BINPUT
        return this.#remember(this.#u32());
      case 0x94: // MEMOIZE
        return this.#remember(this.#memo.size);
      case 0x30: // POP
        if (this.#stack.length > 0) this.#stack.pop();
        else this.#popMark();
        return true;
      case 0x31: // POP_MARK
        this.#popMark();
        return true;
      case 0x32: // DUP
        return this.#push(this.#top());
      default:
        return false;
    }
  }

  /** Lists, tuples, dicts and sets. */
  #collect(code: number): boolean {
    switch (code) {
      case 0x28: // MARK
        this.#marks.push(this.#stack);
        this.#stack = [];
        return true;
      case 0x5d: // EMPTY_LIST
        return this.#push({ kind: "list", items: [] });
      case 0x29: // EMPTY_TUPLE
        return this.#push({ kind: "tuple", items: [] });
      case 0x7d: // EMPTY_DICT
        return this.#push({ kind: "dict", entries: [] });
      case 0x8f: // EMPTY_SET
        return this.#push({ kind: "set", items: [] });
      case 0x6c: // LIST
        return this.#push({ kind: "list", items: this.#popMark() });
      case 0x74: // TUPLE
        return this.#push({ kind: "tuple", items: this.#popMark() });
      case 0x91: // FROZENSET
        return this.#push({ kind: "set", items: this.#popMark() });
      case 0x64: // DICT
        return this.#push({ kind: "dict", entries: this.#pairs(this.#popMark()) });
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#push({ kind: "tuple", items: this.#popMany(code - 0x84) });
      case 0x61: // APPEND
        return this.#append([this.#pop()]);
      case 0x65: // APPENDS
      case 0x90: // ADDITEMS
        return this.#append(this.#popMark());
      case 0x73: // SETITEM
        return this.#setItems(this.#popMany(2));
      case 0x75: // SETITEMS
        return this.#setItems(this.#popMark());
      default:
        return false;
    }
  }

  /** Globals, calls and objects: recorded, never made. */
  #construct(code: number): boolean {
    switch (code) {
      case 0x63: // GLOBAL
        return this.#global(this.#line(), this.#line());
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#popMany(2);
        if (typeof module === "string" && typeof name === "string") return this.#global(module, name);
        return this.#fail("corrupt", "a global's module and name are not strings.");
      }
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const [callee, args] = this.#popMany(2);
        return this.#call(callee, args);
      }
      case 0x92: {
        // NEWOBJ_EX
        const [callee, args] = this.#popMany(3);
        return this.#call(callee, args);
      }
      case 0x69: // INST
        this.#global(this.#line(), this.#line());
        return this.#call(this.#pop(), { kind: "tuple", items: this.#popMark() });
      case 0x6f: {
        // OBJ
        const [callee, ...items] = this.#popMark();
        if (callee === undefined) this.#fail("corrupt", "an object has no class.");
        return this.#call(callee, { kind: "tuple", items });
      }
      case 0x62: {
        // BUILD
        const state = this.#pop();
        const target = this.#top();
        if (isCall(target)) target.state = state;
        return true;
      }
      case 0x50: // PERSID
        return this.#push({ kind: "persistent", id: this.#line() });
      case 0x51: // BINPERSID
        return this.#push({ kind: "persistent", id: this.#pop() });
      case 0x82: // EXT1
      case 0x83: // EXT2
      case 0x84: // EXT4
        return this.#fail("unsafe-pickle", "the pickle uses Python's extension registry.", SAVE_AGAIN);
      default:
        return false;
    }
  }

  #global(module: string, name: string): boolean {
    if (isDangerous(module, name)) {
      const path = `${module}.${name}`.slice(0, 200);
      const hint =
        "Loading this file in Python could run code: do not. Ask its author for a safetensors file.";
      this.#fail("unsafe-pickle", `the pickle refers to ${path}, which model files have no use for.`, hint);
    }
    return this.#push({ kind: "global", path: `${module}.${name}` });
  }

  #call(callee: PickleValue, args: PickleValue): boolean {
    const call: PickleCall = { kind: "call", callee, args, state: undefined, items: [], entries: [] };
    return this.#push(call);
  }

  #append(items: readonly PickleValue[]): boolean {
    const target = this.#top();
    const into: PickleList["items"] | null = isSequence(target) || isCall(target) ? target.items : null;
    if (into === null) return this.#fail("corrupt", "items are appended to something that is not a list.");
    for (const item of items) into.push(item);
    return true;
  }

  #setItems(flat: readonly PickleValue[]): boolean {
    const target = this.#top();
    if (!isDict(target) && !isCall(target))
      return this.#fail("corrupt", "items are set in something not a dict.");
    for (const pair of this.#pairs(flat)) target.entries.push(pair);
    return true;
  }

  #pairs(flat: readonly PickleValue[]): (readonly [PickleValue, PickleValue])[] {
    if (flat.length % 2 !== 0) this.#fail("corrupt", "a dict has a key without a value.");
    const pairs: (readonly [PickleValue, PickleValue])[] = [];
    for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i], flat[i + 1]]);
    return pairs;
  }

  #push(value: PickleValue): true {
    this.#stack.push(value);
    return true;
  }

  #pop(): PickleValue {
    const value = this.#stack.pop();
    return value === undefined ? this.#fail("corrupt", "the pickle's stack is empty here.") : value;
  }

  #top(): PickleValue {
    const value = this.#stack.at(-1);
    return value === undefined ? this.#fail("corrupt", "the pickle's stack is empty here.") : value;
  }

  #popMany(count: number): PickleValue[] {
    if (this.#stack.length < count) this.#fail("corrupt", "the pickle's stack is empty here.");
    return this.#stack.splice(this.#stack.length - count);
  }

  #popMark(): PickleValue[] {
    const items = this.#stack;
    this.#stack = this.#marks.pop() ?? this.#fail("corrupt", "there is no mark on the pickle's stack.");
    return items;
  }

  #remember(key: number): boolean {
    this.#memo.set(key, this.#top());
    return true;
  }

  #recall(key: number): PickleValue {
    const value = this.#memo.get(key);
    return value === undefined ? this.#fail("corrupt", `nothing was memoised as ${key}.`) : value;
  }

  /** Moves on by `count` bytes and returns where they begin. */
  #skip(count: number): number {
    const start = this.#at;
    if (start + count > this.#bytes.length) {
      this.#fail(
        "truncated",
        `the pickle ends here; ${start + count - this.#bytes.length} more bytes are needed.`,
      );
    }
    this.#at = start + count;
    return start;
  }

  #u8(): number {
    return this.#bytes[this.#skip(1)];
  }

  #u32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }

  #u64(): number {
    const value = this.#view.getBigUint64(this.#skip(8), true);
    // Whatever is beyond the pickle fails alike in `skip`.
    return value > BigInt(this.#bytes.length) ? this.#bytes.length + 1 : Number(value);
  }

  #raw(count: number): Uint8Array {
    const start = this.#skip(count);
    return this.#bytes.subarray(start, start + count);
  }

  #utf8(count: number): string {
    return this.#text.decode(this.#raw(count));
  }

  #line(): string {
    const end = this.#bytes.subarray(this.#at, this.#at + MAX_LINE).indexOf(0x0a);
    if (end < 0) return this.#fail("corrupt", "a line of text in the pickle does not end.");
    const line = this.#utf8(end);
    this.#at++;
    return line;
  }

  #decimal(): number | boolean | bigint {
    const line = this.#line();
    // Protocol 0 writes booleans as the numbers 00 and 01.
    if (line === "00" || line === "01") return line === "01";
    if (!/^[+-]?\d{1,600}L?$/.test(line)) return this.#fail("corrupt", "a whole number is malformed.");
    return narrow(BigInt(line.replace(/L$/, "").replace(/^\+/, "")));
  }

  #long(count: number): number | bigint {
    if (count > MAX_LONG_BYTES) this.#fail("too-large", `a whole number of ${count} bytes is refused.`);
    const bytes = this.#raw(count);
    let value = 0n;
    for (let i = count - 1; i >= 0; i--) value = value * 256n + BigInt(bytes[i]);
    return narrow(BigInt.asIntN(8 * count, value));
  }

  #fail(code: FormatErrorCode, what: string, hint?: string): never {
    const damaged = "The file is damaged or incomplete: download or save it again.";
    const { file, start } = this.#place;
    throw new FormatError(code, what, {
      file,
      ...(start === undefined ? {} : { byte: start + this.#operation }),
      hint: hint ?? (code === "unsupported" || code === "too-large" ? SAVE_AGAIN : damaged),
    });
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
