import { expect } from "vitest";
import { planFromOnnx } from "../plan-from-onnx.ts";
import { type Matrix, matrixOfModel, matrixOfUse } from "./linear.ts";
import { float32, int, openTestModel, randomNumbers, run, sessionFor, type TestModel } from "./run-onnx.ts";

export type Initializer = NonNullable<TestModel["initializers"]>[number];
export type Node = TestModel["nodes"][number];

const MS = { "com.microsoft": 1 };
export const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** Reproducible integers in [low, high]. */
export function integers(count: number, low: number, high: number, seed = 1): number[] {
  const random = randomNumbers(seed);
  return Array.from({ length: count }, () => low + Math.floor(((random() + 1) / 2) * (high - low + 1)));
}

export function ofType(
  name: string,
  dtype: string,
  values: readonly number[],
  shape: readonly number[] = [values.length],
): Initializer {
  const bits = Number(/\d+/.exec(dtype)![0]);
  if (bits < 8) return { name, dtype, shape, data: packed(values, bits) };
  const arrays = {
    int8: Int8Array,
    uint8: Uint8Array,
    int16: Int16Array,
    uint16: Uint16Array,
    int32: Int32Array,
  };
  return { name, dtype, shape, data: arrays[dtype as keyof typeof arrays].from(values) };
}

/** Small integers in bytes, lowest bits first. */
function packed(values: readonly number[], bits: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((values.length * bits) / 8));
  values.forEach((v, i) => {
    bytes[Math.floor((i * bits) / 8)] |= (v & (2 ** bits - 1)) << ((i * bits) % 8);
  });
  return bytes;
}

export function scales(name: string, shape: readonly number[], seed = 9): Initializer {
  const random = randomNumbers(seed);
  return float32(
    name,
    Float32Array.from({ length: product(shape) }, () => 0.01 + 0.05 * Math.abs(random())),
    shape,
  );
}

export async function onlyUse(model: TestModel) {
  const plan = await planFromOnnx(await openTestModel(model));
  expect(plan.skipped.filter((s) => s.warn)).toEqual([]);
  expect(plan.uses).toHaveLength(1);
  return plan.uses[0];
}

/** Largest difference to a matrix, or to its transpose. */
function distance(a: Matrix, b: Matrix): number {
  const direct = a.rows === b.rows && a.cols === b.cols;
  let worst = 0;
  for (let i = 0; i < b.rows; i++) {
    for (let j = 0; j < b.cols; j++) {
      const other = direct ? a.data[i * b.cols + j] : a.data[j * b.rows + i];
      worst = Math.max(worst, Math.abs(other - b.data[i * b.cols + j]));
    }
  }
  return worst;
}

/** How far the planned operator is from what onnxruntime computes. */
export async function error(model: TestModel): Promise<number> {
  const [ours] = await matrixOfUse(await onlyUse(model));
  const theirs = await matrixOfModel(model);
  expect(ours.rows * ours.cols).toBe(theirs.rows * theirs.cols);
  return distance(ours, theirs);
}

export const model = (
  nodes: readonly Node[],
  x: readonly number[],
  initializers: readonly Initializer[],
  opset = 21,
): TestModel => ({
  opset,
  domains: MS,
  inputs: [{ name: "x", shape: x }],
  nodes,
  initializers,
  outputs: [{ name: "y" }],
});

/** Smallest and largest integer of a type. */
function rangeOf(dtype: string): readonly [number, number] {
  const bits = Number(/\d+/.exec(dtype)![0]);
  return dtype.startsWith("u") ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
}

/** Random elements of the type over its whole range. */
export function codes(name: string, dtype: string, shape: readonly number[], seed = 1): Initializer {
  const [low, high] = dtype === "int32" ? [-1000, 1000] : rangeOf(dtype);
  return ofType(name, dtype, integers(product(shape), low, high, seed), shape);
}

/** onnxruntime rounds each dequantised element to float32; no weight here exceeds 1.5 · 2¹⁶ · 0.06 < 2¹³. */
export const FLOAT32 = 2 ** 13 * 2 ** -24;

/** Weights of 8 bits are below 2⁴ here; a dynamic scale, its product and a bias are roundings too. */
export const DYNAMIC = 8 * 2 ** 4 * 2 ** -24;

export const node = (
  opType: string,
  inputs: readonly string[],
  attributes: Node["attributes"] = {},
  domain = "",
): Node => ({
  opType,
  domain,
  name: opType.toLowerCase(),
  inputs,
  outputs: ["y"],
  attributes,
});

/** Elements of a test's initialiser. */
export function numbers(tested: TestModel, name: string): ArrayLike<number> {
  return tested.initializers!.find((t) => t.name === name)!.data as Float32Array;
}

/** Rows of a model that takes row numbers as floats, as onnxruntime looks them up. */
async function rowsOf(tested: TestModel, count: number): Promise<Float64Array> {
  const session = await sessionFor(tested);
  const { y } = await run(session, { x: { dims: [count], data: [...Array(count).keys()] } });
  await session.release();
  return y.data;
}

export async function embeddingError(tested: TestModel, rows: number): Promise<number> {
  const use = await onlyUse(tested);
  expect(use.operator).toBe("embedding");
  const [ours] = await matrixOfUse(use);
  const theirs = await rowsOf(tested, rows);
  expect(ours.data.length).toBe(theirs.length);
  return Math.max(...ours.data.map((v, i) => Math.abs(v - theirs[i])));
}

export const toIndex: Node = { opType: "Cast", inputs: ["x"], outputs: ["ids"], attributes: { to: int(7) } };

/** Why the tensor is not audited, in a model where nothing is. */
export async function reason(tested: TestModel, tensor = "q"): Promise<string | undefined> {
  const plan = await planFromOnnx(await openTestModel(tested));
  expect(plan.uses).toEqual([]);
  return plan.skipped.find((s) => s.tensor.name === tensor && s.warn)?.because;
}
