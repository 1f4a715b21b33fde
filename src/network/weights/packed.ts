import { isFloatType } from "../../formats/dtype.ts";
import { intAttribute } from "../attributes.ts";
import { type Coefficients, dequantizedTensor, isDequantized, isExact } from "../dequantized.ts";
import { unreadable } from "../dequantized-elements.ts";
import type { ElementIndex } from "../dequantized-index.ts";
import { alongAxis, coefficients, dequantizedWeight, ROUNDED } from "../dequantized-weight.ts";
import type { Site } from "../scope.ts";
import { type StoredWeight, storedConstant, storedWeight } from "../stored-weight.ts";
import { isStoredOrder, reshapedView, storedView } from "../strided-view.ts";
import { applied, denseAction, embeddingAction, type Finding, refused, type WeightRule } from "./finding.ts";

/** A matrix whose rows are cut into blocks of unsigned integers, packed into bytes. */
interface PackedMatrix {
  readonly rows: number;
  readonly cols: number;
  readonly bits: number;
  readonly block: number;
  /** Elements that a row takes in the file. */
  readonly pitch: number;
}

const BITS: ReadonlySet<number> = new Set([2, 4, 8]);

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** Which of rows × ⌈cols/block⌉ scales an element has, where a row's scales take `pitch` places. */
function blockIndex({ rows, cols, block }: PackedMatrix, pitch: number): ElementIndex {
  return [
    { stride: cols, size: rows, block: 1, step: pitch },
    { stride: 1, size: cols, block, step: 1 },
  ];
}

/** Zero points packed like the weight, each row from a byte of its own. */
function packedZero(found: StoredWeight, matrix: PackedMatrix): Coefficients | string {
  const { rows, cols, bits, block } = matrix;
  const bytes = Math.ceil((Math.ceil(cols / block) * bits) / 8);
  const { shape } = found.tensor;
  const problem = unreadable(found.tensor);
  if (problem !== null) return `its zero points are ${problem}`;
  if (product(shape) !== rows * bytes || !isStoredOrder(found.view)) {
    return `its zero points of shape [${shape}] are not ${rows} rows of ${bytes} bytes`;
  }
  const type = `uint${bits}`;
  return { elements: { tensor: found.tensor, type }, index: blockIndex(matrix, (bytes * 8) / bits) };
}

/** Scales or unpacked zero points, as [rows, blocks] or in one row. */
function blockCoefficients(
  what: "scale" | "zero point",
  found: StoredWeight,
  { rows, cols, block }: PackedMatrix,
): Coefficients | string {
  const shape = [rows, Math.ceil(cols / block)];
  const view = reshapedView(found.view, shape);
  if (view === null) return `its ${what} of shape [${found.view.shape}] is not ${shape.join(" × ")} numbers`;
  const place = { axes: [0, 1], blocks: { axis: 1, size: block } };
  return coefficients(what, { found: { ...found, view }, place: () => place }, storedView([rows, cols]));
}

function zeroOf(site: Site, name: string, matrix: PackedMatrix): Coefficients | number | string {
  if (name === "") return 2 ** (matrix.bits - 1);
  const found = storedConstant(site.scope, name);
  if (!("tensor" in found)) return `its zero point ${found.because}`;
  const { dtype } = found.tensor;
  if (dtype === "uint8") return packedZero(found, matrix);
  return isFloatType(dtype) ? blockCoefficients("zero point", found, matrix) : `its zero points are ${dtype}`;
}

/** The matrix, with its scales at input `scale` of the node and its zero points at the next, or what is wrong. */
function packedWeight(
  site: Site,
  stored: StoredWeight,
  matrix: PackedMatrix,
  scale: number,
): StoredWeight | string {
  const { rows, cols, bits, pitch } = matrix;
  const { tensor } = stored;
  if (isDequantized(tensor) || tensor.dtype !== "uint8") return `stored as ${tensor.dtype}, expected uint8`;
  const problem = unreadable(tensor);
  if (problem !== null) return `stored as uint8 (${problem})`;
  if (!isStoredOrder(stored.view) || stored.reordered !== undefined)
    return "its bytes are regrouped on the way";
  if (product(tensor.shape) !== Math.ceil((rows * pitch * bits) / 8)) {
    return `its shape [${tensor.shape}] does not hold ${rows} rows of ${pitch} elements of ${bits} bits`;
  }
  const found = storedConstant(site.scope, site.node.inputs[scale] ?? "");
  if (!("tensor" in found)) return `its scale ${found.because}`;
  const scales = blockCoefficients("scale", found, matrix);
  if (typeof scales === "string") return scales;
  const zero = zeroOf(site, site.node.inputs[scale + 1] ?? "", matrix);
  if (typeof zero === "string") return zero;
  const quantisation = {
    codes: { tensor, type: `uint${bits}` },
    shape: [rows, cols],
    pitch,
    scale: scales,
    zero,
  };
  const view = storedView(quantisation.shape);
  return { tensor: dequantizedTensor(quantisation), view, notes: isExact(quantisation) ? [] : [ROUNDED] };
}

/** The constant at an input that is not computed by the network, or findings that say why it is none. */
function storedAt(site: Site, index: number): StoredWeight | readonly Finding[] {
  const name = site.node.inputs[index] ?? "";
  if (name === "" || !site.scope.isConstant(name)) return [];
  const stored = storedWeight(site.scope, name);
  return "tensor" in stored ? stored : refused(site, stored.tensors, stored.because);
}

const isStored = (found: StoredWeight | readonly Finding[]): found is StoredWeight => "tensor" in found;

/** True for a positive integer; attributes of a file may be anything. */
const isSize = (n: number | undefined): n is number => n !== undefined && Number.isSafeInteger(n) && n > 0;

/** Input of MatMulNBits that reorders the columns. */
const G_IDX = 4;

/** accuracy_level of MatMulNBits that lets the runtime round its input to int8. */
const INT8_INPUT = 4;

function nBitsMatrix({ node }: Site): PackedMatrix | string {
  const [rows, cols, block] = ["N", "K", "block_size"].map((name) => intAttribute(node, name));
  const bits = intAttribute(node, "bits") ?? 4;
  if (!isSize(rows) || !isSize(cols) || !isSize(block)) return "N, K and block_size must be positive";
  if (!BITS.has(bits)) return `weights of ${bits} bits are not read; 2, 4 and 8 are`;
  if ((block * bits) % 8 !== 0) return `blocks of ${block} elements of ${bits} bits do not fill bytes`;
  if (node.inputs[G_IDX]) return "its columns are put in another order by g_idx, which is not followed";
  if ((intAttribute(node, "weight_prepacked") ?? 0) !== 0) return "its bytes are packed for one kind of GPU";
  return { rows, cols, bits, block, pitch: Math.ceil(cols / block) * block };
}

/**
 * B [N, ⌈K/block_size⌉, block_size·bits/8], the weight's transpose; a row's last block is padded.
 * Reference: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits
 */
export const matMulNBits: WeightRule = (site) => {
  if (site.scope.isConstant(site.node.inputs[0] ?? "")) return [];
  const stored = storedAt(site, 1);
  if (!isStored(stored)) return stored;
  const matrix = nBitsMatrix(site);
  const weight = typeof matrix === "string" ? matrix : packedWeight(site, stored, matrix, 2);
  if (typeof weight === "string") return refused(site, [stored.tensor], weight);
  const rounds = intAttribute(site.node, "accuracy_level") === INT8_INPUT;
  return applied(site, weight, ({ view }) => {
    const action = denseAction(view);
    return typeof action === "string" || !rounds ? action : { ...action, roundsActivations: true };
  });
};

/** Bytes of several elements each, packed along the table's last axis. */
function packedTable(site: Site, stored: StoredWeight, block: number): StoredWeight | string {
  const bits = intAttribute(site.node, "bits") ?? 4;
  if (!BITS.has(bits)) return `a table of ${bits} bits is not read; 2, 4 and 8 are`;
  const [rows, bytes] = stored.view.shape;
  const cols = (bytes * 8) / bits;
  return packedWeight(site, stored, { rows, cols, bits, block, pitch: cols }, 2);
}

/** Elements of a 4-bit or 8-bit type of their own. */
function typedTable({ node, scope }: Site, stored: StoredWeight, axis: number, block: number) {
  const place = alongAxis(axis, block);
  const zero = node.inputs[3] ?? "";
  return dequantizedWeight(stored, {
    scale: { found: storedConstant(scope, node.inputs[2] ?? ""), place },
    zero: zero === "" ? undefined : { found: storedConstant(scope, zero), place },
  });
}

function blockTable(site: Site, stored: StoredWeight): StoredWeight | string {
  const { node } = site;
  const { shape } = stored.view;
  const axis = intAttribute(node, "quantize_axis") ?? 1;
  const size = intAttribute(node, "block_size") ?? 128;
  const last = axis === 1 || axis === -1;
  if (shape.length !== 2) return `a table of ${shape.length} dimensions in blocks is not audited`;
  if (![0, -2].includes(intAttribute(node, "gather_axis") ?? 0)) return "it is looked up by column";
  const block = size === 0 ? shape[last ? 1 : 0] : size;
  if (!isSize(block)) return `its block_size is ${size}`;
  if (stored.tensor.dtype !== "uint8") return typedTable(site, stored, axis, block);
  return last ? packedTable(site, stored, block) : "its bytes are packed along another axis than its scales";
}

/**
 * Rows of a table in blocks of small integers, looked up by number.
 * Reference: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.GatherBlockQuantized
 */
export const gatherBlockQuantized: WeightRule = (site) => {
  if (site.scope.isConstant(site.node.inputs[1] ?? "")) return [];
  const stored = storedAt(site, 0);
  if (!isStored(stored)) return stored;
  const weight = blockTable(site, stored);
  if (typeof weight === "string") return refused(site, [stored.tensor], weight);
  return applied(site, weight, embeddingAction);
};
