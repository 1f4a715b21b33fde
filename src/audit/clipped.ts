import { fromFloat64, toFloat64 } from "../formats/decode.ts";
import { FormatError } from "../formats/errors.ts";
import { clipSingularValues } from "../linalg/clip.ts";
import type { WeightUse } from "../network/use.ts";
import { type Content, floatTypeOf, isColumnMajor } from "./content.ts";

/** Float64 copies of a square matrix held besides the decoded weight: one to clip, and about six inside its SVD. */
const COPIES = 7;

/**
 * A dense weight with every singular value above `ceiling` lowered to it, rounded to the weight's own type. The
 * result is computed on first read and kept.
 * @throws FormatError `too-large` when the matrix and its factors do not fit in `memory` bytes.
 */
export function clippedContent(use: WeightUse, ceiling: number, memory: number): Content {
  let whole: Promise<Uint8Array> | undefined;
  return {
    read: async (start, end) => {
      whole ??= clipWeight(use, ceiling, memory);
      return (await whole).subarray(start, end);
    },
  };
}

async function clipWeight(use: WeightUse, ceiling: number, memory: number): Promise<Uint8Array> {
  const { weight, layout } = use;
  if (layout.kind !== "matrix") throw new TypeError(`${use.name} is no matrix`);
  const { count, rows, cols } = layout;
  refuseUnclippable(use, rows * cols * 8 * (count + COPIES), memory);
  const type = floatTypeOf(weight);
  const values = toFloat64(type, await weight.read(0, weight.byteLength));
  // Singular values are those of the transpose, so a column-major matrix is clipped as its transpose.
  const [m, n] = isColumnMajor(weight) ? [cols, rows] : [rows, cols];
  for (let k = 0; k < count; k++) {
    const matrix = values.subarray(k * m * n, (k + 1) * m * n);
    matrix.set(clipSingularValues(matrix.slice(), m, n, ceiling));
  }
  return fromFloat64(type, values);
}

function refuseUnclippable(use: WeightUse, bytes: number, memory: number): void {
  const place = { file: use.weight.range?.source.name ?? "the model", tensor: use.weight.name };
  if (bytes > memory) {
    throw new FormatError("too-large", `clipping needs ${bytes} bytes of memory, ${memory} are allowed.`, {
      ...place,
      hint: "Give more with --memory, or use --method cap.",
    });
  }
  if (isColumnMajor(use.weight) && use.weight.shape.length !== 2) {
    throw new FormatError("unsupported", "a stack of column-major matrices cannot be clipped.", {
      ...place,
      hint: "Save it in C order, or use --method cap.",
    });
  }
}
