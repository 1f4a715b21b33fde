import { FormatError, type FormatErrorCode } from "../errors.ts";
import type { ByteRange, TensorEntry } from "../model.ts";
import type { ByteSource } from "../source.ts";
import { DATA_FIELD_NUMBERS, type DataField, type ElementType, elementTypeByCode } from "./element-types.ts";
import type { ExternalFiles } from "./external.ts";
import type { TensorProto } from "./tensor-proto.ts";
import { countValues, type DataPieces, decodeValues, type ValueCoding } from "./typed-data.ts";
import { WireReader } from "./wire.ts";

const CODINGS: Readonly<Record<DataField, ValueCoding>> = {
  float_data: "fixed32",
  double_data: "fixed64",
  int32_data: "varint",
  int64_data: "varint",
  uint64_data: "varint",
  string_data: "string",
};

/** Makes a TensorEntry of a TensorProto once its type, shape and payload agree. */
export class TensorBuilder {
  readonly #wire: WireReader;
  readonly #external: ExternalFiles;

  constructor(wire: WireReader, external: ExternalFiles) {
    this.#wire = wire;
    this.#external = external;
  }

  /**
   * @param name the entry's unique name.
   * @throws FormatError `bad-shape`, `corrupt`, `missing-file`, `unsafe-path`, `bad-offsets`, `truncated`.
   */
  async build(proto: TensorProto, name: string): Promise<TensorEntry> {
    const file = this.#wire.source.name;
    const type = elementTypeByCode(proto.dataType);
    const elements = elementCount(file, name, proto.dims, proto.message.start);
    if (type === undefined) return opaque(proto, name, file);
    const byteLength = byteCount(file, name, elements, type, proto.message.start);
    const base = {
      name,
      dtype: type.name,
      shape: proto.dims,
      byteLength,
      ...(type.unsupported === undefined ? {} : { unsupported: type.unsupported }),
    };
    const range = await this.#range(proto, type, base);
    if (range !== null) return fromRange(base, range);
    const data = proto.typed.get(DATA_FIELD_NUMBERS[type.field]);
    if (data === undefined) {
      if (elements > 0)
        this.#fail("bad-shape", `no data, but ${elements} elements.`, name, proto.message.start);
      return empty(base, this.#wire.source);
    }
    await this.#checkCount(data, type, base, elements);
    if (type.field === "string_data") return unreadable(base, file, "strings are not read");
    return fromTyped(base, data, type, this.#wire.source);
  }

  /**
   * Lists a sparse tensor of these dimensions; its elements are not read.
   * @throws FormatError `bad-shape`
   */
  sparse(values: TensorProto, name: string, dims: readonly number[]): TensorEntry {
    const file = this.#wire.source.name;
    elementCount(file, name, dims, values.message.start);
    const dtype = elementTypeByCode(values.dataType)?.name ?? `type ${values.dataType}`;
    return unreadable({ name, dtype, shape: dims }, file, "a sparse tensor");
  }

  /** The contiguous bytes of the elements, when they have any; checks that they are as many as expected. */
  async #range(proto: TensorProto, type: ElementType, base: BaseEntry): Promise<ByteRange | null> {
    this.#checkOnePlace(proto, base.name, type);
    if (proto.external) return this.#externalRange(proto, base);
    const packed = proto.typed.get(DATA_FIELD_NUMBERS[type.field])?.packed() ?? null;
    const inPlace = CODINGS[type.field].startsWith("fixed") ? packed : null;
    const hasRaw = proto.raw !== null && proto.raw.end > proto.raw.start;
    const span = hasRaw ? proto.raw : inPlace;
    if (span === null) return null;
    if (hasRaw && type.bits === 0) this.#fail("corrupt", "strings in raw_data.", base.name, span.start);
    const bytes = span.end - span.start;
    if (bytes !== base.byteLength) this.#mismatch(base, bytes, span.start);
    return { source: this.#wire.source, ...span };
  }

  #checkOnePlace(proto: TensorProto, name: string, type: ElementType): void {
    const raw = proto.raw !== null && proto.raw.end > proto.raw.start;
    const byte = proto.message.start;
    if (proto.typed.size + (raw ? 1 : 0) + (proto.external ? 1 : 0) > 1) {
      this.#fail("corrupt", "data in more than one place.", name, byte);
    }
    const expected = DATA_FIELD_NUMBERS[type.field];
    for (const field of proto.typed.keys()) {
      if (field === expected) continue;
      this.#fail("corrupt", `${type.name} data in field ${field}, expected ${type.field}.`, name, byte);
    }
  }

  async #externalRange(proto: TensorProto, base: BaseEntry): Promise<ByteRange> {
    const { name, byteLength } = base;
    const keys = proto.externalKeys;
    const location = keys.get("location");
    const byte = proto.message.start;
    if (location === undefined) this.#fail("corrupt", "external data without a location.", name, byte);
    const start = this.#decimal(keys.get("offset") ?? "0", "offset", name, byte);
    const length = this.#decimal(keys.get("length") ?? String(byteLength), "length", name, byte);
    if (length !== byteLength) this.#mismatch(base, length, byte);
    const source = await this.#external.open(location, name);
    if (start + length > source.byteLength) {
      const what = `bytes ${start} to ${start + length} of a file of ${source.byteLength} bytes.`;
      throw new FormatError("bad-offsets", what, { file: source.name, tensor: name });
    }
    return { source, start, end: start + length };
  }

  #decimal(text: string, key: string, name: string, byte: number): number {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value)) {
      this.#fail(
        "bad-offsets",
        `external data's ${key} is ${JSON.stringify(text.slice(0, 40))}.`,
        name,
        byte,
      );
    }
    return value;
  }

  async #checkCount(data: DataPieces, type: ElementType, base: BaseEntry, elements: number): Promise<void> {
    const values = await countValues(this.#wire, data, CODINGS[type.field]);
    const expected = type.bits === 0 ? elements : base.byteLength / valueBytes(type);
    if (values === expected) return;
    const what = `${values} values in ${type.field}, but shape [${base.shape}] needs ${expected}.`;
    this.#fail("bad-shape", what, base.name, data.pieces[0]?.start ?? 0);
  }

  #mismatch(base: BaseEntry, bytes: number, byte: number): never {
    const { name, dtype, shape, byteLength } = base;
    this.#fail(
      "bad-shape",
      `${bytes} bytes of data, but ${dtype} [${shape}] needs ${byteLength}.`,
      name,
      byte,
    );
  }

  #fail(code: FormatErrorCode, what: string, tensor: string, byte: number): never {
    throw new FormatError(code, what, { file: this.#wire.source.name, tensor, byte });
  }
}

type BaseEntry = Omit<TensorEntry, "read" | "range">;

/** Bytes of an element that one value of the typed field holds: complex numbers take two values. */
function valueBytes(type: ElementType): number {
  if (type.field === "float_data") return 4;
  if (type.field === "double_data") return 8;
  return Math.ceil(type.bits / 8);
}

/** Product of the dimensions, checked for sign and for 2⁵³. */
function elementCount(file: string, tensor: string, dims: readonly number[], byte: number): number {
  const bad = dims.find((d) => d < 0 || d >= Number.MAX_SAFE_INTEGER);
  if (bad !== undefined) {
    throw new FormatError("bad-shape", `a dimension of ${bad} in shape [${dims}].`, { file, tensor, byte });
  }
  if (dims.includes(0)) return 0;
  let product = 1;
  for (const d of dims) {
    // Exact: both factors are below 2⁵³, so a product beyond it cannot round to below it.
    product *= d;
    if (product > Number.MAX_SAFE_INTEGER) {
      throw new FormatError("bad-shape", `shape [${dims}] has over 2⁵³ elements.`, { file, tensor, byte });
    }
  }
  return product;
}

function byteCount(file: string, tensor: string, elements: number, type: ElementType, byte: number): number {
  const bytes = type.bits >= 8 ? elements * (type.bits / 8) : Math.ceil((elements * type.bits) / 8);
  if (bytes > Number.MAX_SAFE_INTEGER) {
    throw new FormatError("bad-shape", `${elements} elements are over 2⁵³ bytes.`, { file, tensor, byte });
  }
  return bytes;
}

function checkRead(entry: BaseEntry, start: number, end: number): void {
  if (!(Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end)) {
    throw new RangeError(`read: bytes [${start}, ${end}) of tensor "${entry.name}"`);
  }
  if (end > entry.byteLength) {
    throw new RangeError(
      `read: bytes [${start}, ${end}) of tensor "${entry.name}", ${entry.byteLength} bytes`,
    );
  }
}

function fromRange(base: BaseEntry, range: ByteRange): TensorEntry {
  return {
    ...base,
    range,
    async read(start, end) {
      checkRead(base, start, end);
      return range.source.read(range.start + start, range.start + end);
    },
  };
}

function fromTyped(base: BaseEntry, data: DataPieces, type: ElementType, source: ByteSource): TensorEntry {
  const coding = CODINGS[type.field] as Exclude<ValueCoding, "string">;
  return {
    ...base,
    async read(start, end) {
      checkRead(base, start, end);
      return decodeValues(new WireReader(source), data, coding, valueBytes(type), [start, end]);
    },
  };
}

/** A tensor without elements, or a string tensor without strings. */
function empty(base: BaseEntry, source: ByteSource): TensorEntry {
  return {
    ...base,
    async read(start, end) {
      checkRead(base, start, end);
      return source.read(0, 0);
    },
  };
}

/** An entry that is listed and can give no bytes. */
function unreadable(base: Omit<BaseEntry, "byteLength">, file: string, because: string): TensorEntry {
  return {
    ...base,
    byteLength: 0,
    unsupported: base.unsupported ?? because,
    async read() {
      throw new FormatError("unsupported", `${because}.`, { file, tensor: base.name });
    },
  };
}

function opaque(proto: TensorProto, name: string, file: string): TensorEntry {
  const because =
    proto.dataType === 0 ? "no element type is given" : `element type ${proto.dataType} is not known`;
  return unreadable({ name, dtype: `type ${proto.dataType}`, shape: proto.dims }, file, because);
}
