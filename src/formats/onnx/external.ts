import { FormatError } from "../errors.ts";
import type { ByteSource } from "../source.ts";
import { MAX_EXTERNAL_FILES } from "./limits.ts";

/** The files of external tensor data a model refers to, each opened once. */
export class ExternalFiles {
  readonly #main: ByteSource;
  readonly #files = new Map<string, ByteSource>();

  constructor(main: ByteSource) {
    this.#main = main;
  }

  /** Location (normalised relative name) and source of each file opened so far. */
  get files(): ReadonlyMap<string, ByteSource> {
    return this.#files;
  }

  /**
   * The file at a location given by a tensor.
   * @throws FormatError `unsafe-path` when it would leave the model's folder, `missing-file` when there is none.
   */
  async open(location: string, tensor: string): Promise<ByteSource> {
    const relativeName = this.#safe(location, tensor);
    const known = this.#files.get(relativeName);
    if (known !== undefined) return known;
    if (this.#files.size >= MAX_EXTERNAL_FILES) {
      this.#fail("too-large", `more than ${MAX_EXTERNAL_FILES} files of external data.`, tensor);
    }
    const source = await this.#main.sibling(relativeName);
    if (source === null) {
      const hint = `Put "${relativeName}" in the same folder as the model.`;
      this.#fail("missing-file", `its data lies in "${relativeName}", which was not found.`, tensor, hint);
    }
    this.#files.set(relativeName, source);
    return source;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#files.values()].map((file) => file.close()));
  }

  /** The location without "." parts; refused when it is empty, absolute, climbs out or is the model. */
  #safe(location: string, tensor: string): string {
    const parts = location.split("/").filter((part) => part !== "." && part !== "");
    const climbs = parts.length === 0 || parts.includes("..");
    // A backslash or a drive letter means another folder on Windows; neither is portable anywhere else.
    if (climbs || location.startsWith("/") || /[\\\0]|^[A-Za-z]:/.test(location)) {
      const hint = "External data must lie in the model's own folder or below it.";
      this.#fail("unsafe-path", `its data's location ${JSON.stringify(location)} is refused.`, tensor, hint);
    }
    const relativeName = parts.join("/");
    if (relativeName === this.#main.name.split(/[\\/]/).at(-1)) {
      this.#fail("unsafe-path", "its external data is said to lie in the model file itself.", tensor);
    }
    return relativeName;
  }

  #fail(
    code: "too-large" | "missing-file" | "unsafe-path",
    what: string,
    tensor: string,
    hint?: string,
  ): never {
    const place = { file: this.#main.name, tensor };
    throw new FormatError(code, what, hint === undefined ? place : { ...place, hint });
  }
}
