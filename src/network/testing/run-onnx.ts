import { InferenceSession, Tensor } from "onnxruntime-node";
import type { Model } from "../../formats/model.ts";
import {
  type AttributeDescription,
  encodeModel,
  type GraphDescription,
  type NodeDescription,
} from "../../formats/onnx/encode.ts";
import { onnxFormat } from "../../formats/onnx/onnx.ts";
import { memorySource } from "../../formats/sources.ts";

export type Initializers = NonNullable<GraphDescription["initializers"]>;

/** A one-graph model for tests; output types are left to the runtime. */
export interface TestModel {
  readonly opset: number;
  readonly nodes: readonly NodeDescription[];
  readonly initializers?: Initializers;
  readonly inputs: readonly {
    readonly name: string;
    readonly shape?: readonly (number | string)[];
    readonly dtype?: string;
  }[];
  readonly outputs: readonly { readonly name: string; readonly dtype?: string }[];
  readonly domains?: Readonly<Record<string, number>>;
}

export function encodeTestModel(model: TestModel): Uint8Array {
  const { nodes, initializers, inputs, outputs } = model;
  return encodeModel({
    opset: { "": model.opset, ...model.domains },
    graph: { name: "g", nodes, inputs, outputs, ...(initializers ? { initializers } : {}) },
  });
}

export function openTestModel(model: TestModel): Promise<Model> {
  return onnxFormat.open(memorySource(encodeTestModel(model), "test.onnx"));
}

/** A session on the runtime that users run, one thread, silent. */
export function sessionFor(model: TestModel): Promise<InferenceSession> {
  return InferenceSession.create(encodeTestModel(model), {
    intraOpNumThreads: 1,
    logSeverityLevel: 4,
    graphOptimizationLevel: "disabled",
  });
}

export interface Output {
  readonly dims: readonly number[];
  readonly data: Float64Array;
}

export async function run(
  session: InferenceSession,
  feeds: Readonly<Record<string, { readonly dims: readonly number[]; readonly data: ArrayLike<number> }>>,
): Promise<Readonly<Record<string, Output>>> {
  const tensors = Object.entries(feeds).map(
    ([name, { dims, data }]) => [name, new Tensor("float32", Float32Array.from(data), [...dims])] as const,
  );
  const results = await session.run(Object.fromEntries(tensors));
  return Object.fromEntries(
    Object.entries(results).map(([name, tensor]) => [
      name,
      { dims: tensor.dims, data: Float64Array.from(tensor.data as ArrayLike<number | bigint>, Number) },
    ]),
  );
}

export const int = (value: number): AttributeDescription => ({ kind: "int", value });
export const ints = (value: readonly number[]): AttributeDescription => ({ kind: "ints", value });
export const float = (value: number): AttributeDescription => ({ kind: "float", value });
export const string = (value: string): AttributeDescription => ({ kind: "string", value });

export function int64(name: string, data: readonly number[], shape: readonly number[] = [data.length]) {
  return { name, dtype: "int64", shape, data: BigInt64Array.from(data.map(BigInt)) };
}

export function float32(name: string, data: ArrayLike<number>, shape: readonly number[] = [data.length]) {
  return { name, dtype: "float32", shape, data: Float32Array.from(data) };
}

/** Reproducible numbers in [−1, 1), of about float32 spacing (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1;
  };
}
