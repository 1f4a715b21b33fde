import { FormatError } from "../errors.ts";

/** Bytes fetched at once while walking the structure: a few dozen nodes or tensor headers. */
export const WINDOW_BYTES = 64 * 1024;
/** Bytes copied or decoded at once when tensor data streams through. */
export const CHUNK_BYTES = 1024 * 1024;
/**
 * The longest name we read; real names stay below a few hundred bytes. Anything up to this size is in the window
 * before it is looked at, so that names and small messages need no waiting.
 */
export const MAX_TEXT_BYTES = 16 * 1024;
/** All names and strings of a model together, so that a hostile 2 GB file of names cannot fill the memory. */
export const MAX_TOTAL_TEXT_BYTES = 256 * 1024 * 1024;
/** Graphs within graphs (If, Loop, Scan bodies). Real models nest two or three deep; each level costs stack. */
export const MAX_GRAPH_DEPTH = 32;
/** Nodes of all graphs together; the largest published graphs have about 10⁵. */
export const MAX_NODES = 2 ** 19;
/** Tensors of all graphs together; at about 2 KB each they stay near 500 MB. Real models have thousands. */
export const MAX_TENSORS = 2 ** 18;
/**
 * Node inputs and outputs and attribute values together, at 8 to 64 bytes each: at most 1 GiB. Tree ensembles
 * reach millions.
 */
export const MAX_ITEMS = 2 ** 24;
/** What a declared value, an attribute, a function or an operator set counts for, by the memory it takes. */
export const LARGE_ITEM = 16;
/** Axes of a tensor. onnxruntime and numpy stop at 64 or below. */
export const MAX_RANK = 64;
/** Separate pieces of one tensor's float_data, int32_data …: writers emit one; each costs memory when decoded. */
export const MAX_DATA_PIECES = 4096;
/** Files of external data: exporters write one per tensor at worst, and each is an open handle. */
export const MAX_EXTERNAL_FILES = 4096;

type Counted = "nodes" | "tensors" | "items" | "bytes of names";

const MOST: Readonly<Record<Counted, number>> = {
  nodes: MAX_NODES,
  tensors: MAX_TENSORS,
  items: MAX_ITEMS,
  "bytes of names": MAX_TOTAL_TEXT_BYTES,
};

/** Counts what a file makes us keep in memory, and refuses the file before it is too much. */
export class Budget {
  readonly #file: string;
  readonly #spent: Record<Counted, number> = { nodes: 0, tensors: 0, items: 0, "bytes of names": 0 };

  constructor(file: string) {
    this.#file = file;
  }

  /** @throws FormatError `too-large` when the model has more of these than the limit. */
  spend(what: Counted, count: number, byte: number): void {
    this.#spent[what] += count;
    if (this.#spent[what] > MOST[what]) {
      throw new FormatError("too-large", `more than ${MOST[what]} ${what} in the model.`, {
        file: this.#file,
        byte,
        hint: "No known network comes near this limit; the file is probably damaged.",
      });
    }
  }
}
