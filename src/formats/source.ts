/**
 * A file seen as random-access bytes. A path, a Blob, bytes in memory and an HTTP range all look like this,
 * so every format reader runs unchanged in Node and in a browser.
 */
export interface ByteSource {
  /** How errors and reports call this file: a path, a Blob's name or a URL. */
  readonly name: string;
  /** Total size in bytes. */
  readonly byteLength: number;
  /**
   * The bytes [start, end), exactly end − start of them.
   * @throws FormatError `truncated` when the range is not inside the file.
   */
  read(start: number, end: number): Promise<Uint8Array>;
  /**
   * A file beside this one (a shard, external tensor data), or null when there is none or siblings cannot be
   * reached. The name is already checked to stay inside the folder.
   */
  sibling(relativeName: string): Promise<ByteSource | null>;
  /** Releases the handle; reading afterwards is an error. Closing twice is not. */
  close(): Promise<void>;
}
