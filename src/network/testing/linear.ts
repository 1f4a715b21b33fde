import { toFloat64 } from "../../formats/decode.ts";
import { isFloatType } from "../../formats/dtype.ts";
import { convolution } from "../../linalg/convolution.ts";
import { explicitMatrix } from "../../linalg/explicit.ts";
import { singularValuesSmall } from "../../linalg/svd.ts";
import { rowMajorStrides, stridedOffsets } from "../shapes/value.ts";
import type { WeightUse } from "../use.ts";
import { run, sessionFor, type TestModel } from "./run-onnx.ts";

export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  /** Row-major. */
  readonly data: Float64Array;
}

export function largestSingularValue({ data, rows, cols }: Matrix): number {
  return rows * cols === 0 ? 0 : singularValuesSmall(data, rows, cols)[0];
}

/** The matrix of an affine model of one input and one output, as the runtime computes it from unit vectors. */
export async function matrixOfModel(model: TestModel): Promise<Matrix> {
  const session = await sessionFor(model);
  const { name, shape } = model.inputs[0];
  const dims = shape as readonly number[];
  const cols = dims.reduce((a, b) => a * b, 1);
  const output = async (x: Float32Array) =>
    (await run(session, { [name]: { dims, data: x } }))[model.outputs[0].name].data;
  const zero = await output(new Float32Array(cols));
  const rows = zero.length;
  const data = new Float64Array(rows * cols);
  for (let j = 0; j < cols; j++) {
    const unit = new Float32Array(cols);
    unit[j] = 1;
    const column = await output(unit);
    for (let i = 0; i < rows; i++) data[i * cols + j] = column[i] - zero[i];
  }
  await session.release();
  return { rows, cols, data };
}

async function stored(use: WeightUse): Promise<Float64Array> {
  const { dtype, byteLength } = use.weight;
  if (!isFloatType(dtype)) throw new TypeError(`a use of ${dtype}`);
  return toFloat64(dtype, await use.weight.read(0, byteLength));
}

/** The kernel of a convolution use in the order of its kernelShape. */
export async function kernelOf(use: WeightUse): Promise<Float64Array> {
  const values = await stored(use);
  if (use.layout.kind !== "convolution" || use.layout.permutation === undefined) return values;
  const strides = rowMajorStrides(use.weight.shape);
  const offsets = stridedOffsets(
    use.layout.kernelShape,
    use.layout.permutation.map((axis) => strides[axis]),
  );
  return Float64Array.from(offsets, (o) => values[o]);
}

/** The linear operator a use describes, as a matrix; for a transposed convolution, of the forward one. */
export async function matrixOfUse(use: WeightUse): Promise<readonly Matrix[]> {
  const { layout } = use;
  const scale = use.scale ?? 1;
  if (layout.kind === "convolution") {
    const operator = convolution(await kernelOf(use), layout.kernelShape, layout.geometry);
    return [
      { rows: operator.rows, cols: operator.cols, data: explicitMatrix(operator).map((x) => x * scale) },
    ];
  }
  const values = await stored(use);
  const { count, rows, cols } = layout;
  return Array.from({ length: count }, (_, k) => ({
    rows,
    cols,
    data: values.slice(k * rows * cols, (k + 1) * rows * cols).map((x) => x * scale),
  }));
}

/** σ₁ of a use by singular value decomposition. */
export async function normOfUse(use: WeightUse): Promise<number> {
  const matrices = await matrixOfUse(use);
  return matrices.reduce((most, m) => Math.max(most, largestSingularValue(m)), 0);
}
