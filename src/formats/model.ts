import type { DType } from "./dtype.ts";
import type { OnnxModel } from "./onnx/types.ts";
import type { ByteSource } from "./source.ts";

/** Where a tensor's little-endian elements lie, uncompressed and contiguous, in one of the model's files. */
export interface ByteRange {
  readonly source: ByteSource;
  readonly start: number;
  readonly end: number;
}

/** One stored tensor. Nothing of it is in memory until `read` is called. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: DType;
  /** Row-major dimensions; `[]` for a scalar. */
  readonly shape: readonly number[];
  /** Bytes of the elements as `read` delivers them: little-endian, row-major, uncompressed. */
  readonly byteLength: number;
  /** Set when the elements can be patched in place in a copy of the file. */
  readonly range?: ByteRange;
  /** True when the stored order is column-major (NumPy fortran_order); `read` delivers bytes as stored. */
  readonly fortranOrder?: boolean;
  /** Why this tensor cannot be audited (quantised, complex, sparse …); absent for readable floating-point ones. */
  readonly unsupported?: string;
  /** Elements' bytes [start, end) within the tensor: 0 ≤ start ≤ end ≤ byteLength. */
  read(start: number, end: number): Promise<Uint8Array>;
}

/** Something a user should know about the file that did not stop it from being read. */
export interface ModelWarning {
  readonly where: string;
  readonly message: string;
}

/** New bytes for a tensor: exactly `entry.byteLength`, little-endian, in the stored order. */
export type Replacements = ReadonlyMap<TensorEntry, Uint8Array>;

/** A chunk of a rewritten file, in order. */
export type OutputChunk = Uint8Array;

/** One rewritten file: its name relative to the output's folder, and its bytes as a stream of chunks. */
export interface OutputFile {
  /** Empty for the main file (the caller's OUT names it); otherwise the sibling's relative name. */
  readonly relativeName: string;
  chunks(): AsyncIterable<OutputChunk>;
}

/** An open model file: headers parsed, tensors on demand. */
export interface Model {
  /** "safetensors", "onnx", "npy", "npz" or "pytorch". */
  readonly format: string;
  /** Every file the model consists of, main file first. */
  readonly sources: readonly ByteSource[];
  /** In file order. Tensors with the same storage may appear once per name. */
  readonly tensors: readonly TensorEntry[];
  readonly warnings: readonly ModelWarning[];
  /** ONNX only: the parsed file, for `network/`. */
  readonly onnx?: OnnxModel;
  /**
   * The same model with some tensors replaced, as whole files ready to be written; the inputs are not touched.
   * `replace` is asked for one tensor at a time, in file order, so that only one is in memory.
   * Returns every file of the model, replaced or not.
   */
  rewrite(
    replaced: ReadonlySet<TensorEntry>,
    replace: (entry: TensorEntry) => Promise<Uint8Array>,
  ): readonly OutputFile[];
  close(): Promise<void>;
}

/** A file format: recognise it by its first bytes and name, then open it. One per file in this folder. */
export interface Format {
  readonly name: string;
  /** Cheap: looks at the name and the first bytes (at most 4 KiB) only. */
  match(source: ByteSource, head: Uint8Array): boolean;
  open(source: ByteSource): Promise<Model>;
}
