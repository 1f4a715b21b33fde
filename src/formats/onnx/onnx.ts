import { FormatError } from "../errors.ts";
import type { Format, Model } from "../model.ts";
import type { ByteSource } from "../source.ts";
import { readOnnx } from "./reader.ts";
import { rewriteOnnx } from "./rewrite.ts";

/** The highest ir_version we take for one without looking at the file's name; today's is 13. */
const PLAUSIBLE_IR_VERSION = 63;
/** Wire type by field number of ModelProto, as far as onnx.proto defines it. */
const MODEL_FIELDS: ReadonlyMap<number, number> = new Map([
  [1, 0], // ir_version
  [2, 2], // producer_name
  [3, 2], // producer_version
  [4, 2], // domain
  [5, 0], // model_version
  [6, 2], // doc_string
  [7, 2], // graph
  [8, 2], // opset_import
  [14, 2], // metadata_props
  [20, 2], // training_info
  [25, 2], // functions
  [26, 2], // configuration
]);
/** The strings among them are fields 2, 3, 4 and 6. */
const LAST_TEXT = 6;
const GRAPH = 7;
/** Tags a GraphProto can begin with: its fields 1, 2, 5 and 10 to 15, all length-delimited. */
const GRAPH_TAGS: ReadonlySet<number> = new Set(
  [1, 2, 5, 10, 11, 12, 13, 14, 15].map((field) => field * 8 + 2),
);
const LFS_POINTER = "version https://git-lfs";

/** ONNX: weights in initialisers, Constant nodes and subgraphs; raw, typed or external data. */
export const onnxFormat: Format = {
  name: "onnx",

  match(source: ByteSource, head: Uint8Array): boolean {
    return /\.onnx$/i.test(source.name) || startsLikeModel(head, source.byteLength);
  },

  /** @throws FormatError when the file, or a file of external data, is not what it should be. */
  async open(source: ByteSource): Promise<Model> {
    await checkFirstField(source);
    const read = await readOnnx(source);
    return {
      format: "onnx",
      sources: [source, ...read.external.files.values()],
      tensors: [...read.tensors.keys()],
      warnings: read.warnings,
      onnx: read.model,
      rewrite: (replaced, replace) => rewriteOnnx(source, read, replaced, replace),
      async close() {
        await Promise.all([source.close(), read.external.close()]);
      },
    };
  },
};

/** ONNX has no magic number: ir_version comes first, then fields of ModelProto that make sense up to the graph. */
function startsLikeModel(head: Uint8Array, byteLength: number): boolean {
  if (head.length < 4 || head[0] !== 0x08 || head[1] === 0 || head[1] > PLAUSIBLE_IR_VERSION) return false;
  let at = 2;
  while (at < head.length) {
    const field = head[at] >> 3;
    const wire = head[at] & 7;
    if (field === 1 || MODEL_FIELDS.get(field) !== wire) return false;
    const [value, start] = varintAt(head, at + 1);
    if (wire === 0) {
      at = start;
      continue;
    }
    if (!(start + value <= byteLength)) return false;
    if (field === GRAPH) return start < head.length && GRAPH_TAGS.has(head[start]);
    if (field <= LAST_TEXT && !isText(head.subarray(start, start + value))) return false;
    at = start + value;
  }
  return true;
}

/** A varint within the head, and where it ends; NaN when it does not end there. */
function varintAt(head: Uint8Array, at: number): [value: number, end: number] {
  let value = 0;
  for (let i = at; i < Math.min(head.length, at + 8); i++) {
    value += (head[i] & 0x7f) * 2 ** (7 * (i - at));
    if (head[i] < 0x80) return [value, i + 1];
  }
  return [Number.NaN, head.length];
}

function isText(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte >= 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09);
}

async function checkFirstField(source: ByteSource): Promise<void> {
  const head = await source.read(0, Math.min(64, source.byteLength));
  if (head.length === 0) {
    throw new FormatError("truncated", "the file is empty.", { file: source.name, byte: 0 });
  }
  if (head[0] < 0x80 && MODEL_FIELDS.get(head[0] >> 3) === (head[0] & 7)) return;
  // A field with a two-byte tag may come first too, in theory.
  if (head[0] >= 0x80 && head.length > 1 && MODEL_FIELDS.has(((head[0] & 0x7f) | (head[1] << 7)) >> 3))
    return;
  const pointer = new TextDecoder("latin1").decode(head).startsWith(LFS_POINTER);
  throw new FormatError("bad-magic", "the file does not begin like an ONNX model.", {
    file: source.name,
    byte: 0,
    ...(pointer ? { hint: "It is a Git LFS pointer: run `git lfs pull` to fetch the model." } : {}),
  });
}
