/** What went wrong with a file; stable, so that scripts and tests can match on it. */
export type FormatErrorCode =
  | "not-found"
  | "unreadable"
  | "unknown-format"
  | "unsupported"
  | "truncated"
  | "bad-magic"
  | "bad-header"
  | "bad-offsets"
  | "bad-shape"
  | "too-large"
  | "missing-file"
  | "unsafe-path"
  | "unsafe-pickle"
  | "corrupt";

/** Where in which file, and what to do next. */
export interface FormatErrorPlace {
  /** The file, as its source names it. */
  readonly file: string;
  /** The tensor concerned, where one is. */
  readonly tensor?: string;
  /** Absolute byte offset in the file, where known. */
  readonly byte?: number;
  /** One sentence that tells the user what to try. */
  readonly hint?: string;
}

/** A model file that cannot be read as asked: what, where (file, tensor, byte), and what to do next. */
export class FormatError extends Error {
  override readonly name = "FormatError";
  readonly code: FormatErrorCode;
  readonly file: string;
  readonly tensor: string | undefined;
  readonly byte: number | undefined;
  readonly hint: string | undefined;

  /** @param what one sentence: what is wrong, got against expected. */
  constructor(code: FormatErrorCode, what: string, place: FormatErrorPlace) {
    const where = [
      place.file,
      ...(place.tensor === undefined ? [] : [`tensor "${place.tensor}"`]),
      ...(place.byte === undefined ? [] : [`byte ${place.byte}`]),
    ].join(", ");
    super(`${where}: ${what}${place.hint === undefined ? "" : ` ${place.hint}`}`);
    this.code = code;
    this.file = place.file;
    this.tensor = place.tensor;
    this.byte = place.byte;
    this.hint = place.hint;
  }
}
