import type { DType } from "./dtype.ts";
import { FormatError, type FormatErrorCode } from "./errors.ts";
import { type PythonValue, parsePythonLiteral } from "./python-literal.ts";
import { elementCount, showShape } from "./shape.ts";

/** "\x93NUMPY" and two bytes of version. */
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const PREFIX = 8;

/** NumPy itself refuses headers beyond 10,000 characters unless told otherwise; structured types may need more. */
const MAX_HEADER_BYTES = 1_000_000;

/** Bytes that hold an array in the .npy format: a file, or a member of an .npz archive. */
export interface NpyBytes {
  readonly file: string;
  readonly byteLength: number;
  /** Where byte 0 lies in the file, when it is stored there as it is. */
  readonly start?: number;
  /** The array's name, for messages. */
  readonly tensor?: string;
  read(start: number, end: number): Promise<Uint8Array>;
}

/** What an .npy header says. */
export interface NpyArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly fortranOrder: boolean;
  readonly bigEndian: boolean;
  /** Bytes per element. */
  readonly itemBytes: number;
  /** The elements' bytes [dataStart, dataEnd). */
  readonly dataStart: number;
  readonly dataEnd: number;
  readonly unsupported?: string;
  /** Python objects: the data is a pickle, which is never run. */
  readonly objects: boolean;
}

interface ElementType {
  readonly dtype: DType;
  readonly itemBytes: number;
  readonly bigEndian: boolean;
  readonly unsupported?: string;
}

const FLOATS: ReadonlyMap<number, DType> = new Map([
  [2, "float16"],
  [4, "float32"],
  [8, "float64"],
]);

const KINDS: ReadonlyMap<string, { name: string; unsupported: string }> = new Map([
  ["i", { name: "int", unsupported: "integers are not weights" }],
  ["u", { name: "uint", unsupported: "integers are not weights" }],
  ["b", { name: "bool", unsupported: "booleans are not weights" }],
  ["c", { name: "complex", unsupported: "complex weights are not audited" }],
  ["S", { name: "bytes", unsupported: "text is not weights" }],
  ["U", { name: "str", unsupported: "text is not weights" }],
  ["M", { name: "datetime", unsupported: "dates are not weights" }],
  ["m", { name: "timedelta", unsupported: "times are not weights" }],
  [
    "V",
    {
      name: "void",
      unsupported: "raw bytes without a type (bfloat16 and float8 arrays look so): save them as float32",
    },
  ],
]);

function elementType(descr: string): ElementType | null {
  const found = /^([<>|=]?)([a-zA-Z])(\d{1,9})(?:\[[^\]]{1,40}\])?$/.exec(descr);
  if (found === null) return null;
  const [, order, kind, digits] = found;
  // A Unicode character takes four bytes.
  const itemBytes = Number(digits) * (kind === "U" ? 4 : 1);
  const bigEndian = order === ">";
  if (kind === "f") {
    const dtype = FLOATS.get(itemBytes);
    if (dtype !== undefined) return { dtype, itemBytes, bigEndian };
    const unsupported = `${itemBytes}-byte floats are not read: save them as float32 or float64`;
    return { dtype: `float${itemBytes * 8}`, itemBytes, bigEndian, unsupported };
  }
  const known = KINDS.get(kind);
  if (known === undefined) return null;
  const dtype = kind === "b" ? "bool" : `${known.name}${itemBytes * 8}`;
  return { dtype, itemBytes, bigEndian, unsupported: known.unsupported };
}

/** Reads and checks an .npy header against the bytes that are there. */
export async function readNpyHeader(bytes: NpyBytes): Promise<NpyArray> {
  const fail: Fail = (code, what, at = 0) => {
    throw new FormatError(code, what, {
      file: bytes.file,
      ...(bytes.tensor === undefined ? {} : { tensor: bytes.tensor }),
      ...(bytes.start === undefined ? {} : { byte: bytes.start + at }),
      ...(code === "truncated"
        ? { hint: "The file is probably incomplete: save or download it again." }
        : {}),
    });
  };
  const { text, dataStart } = await headerText(bytes, fail);
  const header = parsePythonLiteral(text);
  if (!(header instanceof Map)) return fail("bad-header", "the header is not a Python dict literal.", PREFIX);
  return interpret(header, dataStart, bytes.byteLength, fail);
}

type Fail = (code: FormatErrorCode, what: string, at?: number) => never;

async function headerText(bytes: NpyBytes, fail: Fail): Promise<{ text: string; dataStart: number }> {
  if (bytes.byteLength < PREFIX + 4) fail("truncated", `${bytes.byteLength} bytes are too few for an array.`);
  const prefix = await bytes.read(0, PREFIX + 4);
  if (MAGIC.some((byte, i) => prefix[i] !== byte))
    fail("bad-magic", 'an array must begin with "\\x93NUMPY".');
  const [major, minor] = [prefix[6], prefix[7]];
  if (major < 1 || major > 3 || minor !== 0)
    fail("unsupported", `version ${major}.${minor} is not known.`, 6);
  const view = new DataView(prefix.buffer, prefix.byteOffset);
  const textStart = PREFIX + (major === 1 ? 2 : 4);
  const length = major === 1 ? view.getUint16(PREFIX, true) : view.getUint32(PREFIX, true);
  if (length > MAX_HEADER_BYTES) {
    fail("too-large", `the header claims ${length} bytes; at most ${MAX_HEADER_BYTES} are allowed.`, PREFIX);
  }
  const dataStart = textStart + length;
  if (dataStart > bytes.byteLength) {
    fail(
      "truncated",
      `the header claims ${length} bytes, but ${bytes.byteLength - textStart} follow.`,
      PREFIX,
    );
  }
  const decoder = new TextDecoder(major === 3 ? "utf-8" : "latin1");
  return { text: decoder.decode(await bytes.read(textStart, dataStart)), dataStart };
}

function interpret(
  header: ReadonlyMap<string, PythonValue>,
  dataStart: number,
  byteLength: number,
  fail: Fail,
): NpyArray {
  const [descr, fortranOrder, shape] = ["descr", "fortran_order", "shape"].map((key) => header.get(key));
  if (header.size !== 3 || descr === undefined || fortranOrder === undefined || shape === undefined) {
    return fail("bad-header", 'the header must hold exactly "descr", "fortran_order" and "shape".', PREFIX);
  }
  if (typeof fortranOrder !== "boolean")
    return fail("bad-header", "fortran_order is not True or False.", PREFIX);
  const count = Array.isArray(shape) ? elementCount(shape) : null;
  if (!Array.isArray(shape) || count === null) {
    const shown = Array.isArray(shape) ? showShape(shape) : String(shape).slice(0, 40);
    return fail("bad-shape", `the shape ${shown} is not a possible shape.`, PREFIX);
  }
  const common = { shape: shape as number[], fortranOrder, dataStart };
  const opaque = { itemBytes: 1, bigEndian: false, dataEnd: byteLength };
  if (typeof descr !== "string") {
    const unsupported = "arrays of records are not audited: save each field as its own array";
    return { ...common, ...opaque, dtype: "record", unsupported, objects: false };
  }
  if (/^[|<>=]?O\d*$/.test(descr)) {
    const unsupported = "Python objects are stored as a pickle, which is never run";
    return { ...common, ...opaque, dtype: "object", unsupported, objects: true };
  }
  const type = elementType(descr);
  if (type === null)
    return fail("bad-header", `the type ${JSON.stringify(descr.slice(0, 40))} is not known.`, PREFIX);
  const dataEnd = dataStart + count * type.itemBytes;
  if (dataEnd > byteLength) {
    const got = byteLength - dataStart;
    fail(
      "truncated",
      `shape ${showShape(shape)} of ${type.dtype} needs ${dataEnd - dataStart} bytes, got ${got}.`,
      dataStart,
    );
  }
  return { ...common, ...type, dataEnd, objects: false };
}
