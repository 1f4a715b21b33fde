import type { AttributeDescription, NodeDescription } from "../../formats/onnx/encode.ts";
import { type Initializers, randomNumbers, type TestModel } from "./run-onnx.ts";

type Attributes = Readonly<Record<string, AttributeDescription>>;
export type Initializer = Initializers[number];

const ARRAYS = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  int32: Int32Array,
};

const RANGES: Readonly<Record<keyof typeof ARRAYS, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
  int32: [-1000, 1000],
};

export function whole(
  name: string,
  dtype: keyof typeof ARRAYS,
  shape: readonly number[],
  data: readonly number[],
): Initializer {
  return { name, dtype, shape, data: ARRAYS[dtype].from(data) };
}

export function codes(
  name: string,
  dtype: keyof typeof ARRAYS,
  shape: readonly number[],
  seed: number,
): Initializer {
  const random = randomNumbers(seed);
  const [least, most] = RANGES[dtype];
  const draw = () => Math.round(least + ((most - least) * (random() + 1)) / 2);
  return whole(name, dtype, shape, Array.from({ length: shape.reduce((a, b) => a * b, 1) }, draw));
}

export interface Graph {
  readonly opset?: number;
  readonly x: readonly number[];
  readonly nodes: readonly (readonly [string, readonly string[], readonly string[], Attributes?])[];
  readonly initializers: readonly Initializer[];
  readonly inputs?: TestModel["inputs"];
  readonly domain?: string;
}

export function graph({ opset = 13, x, nodes, initializers, inputs, domain = "" }: Graph): TestModel {
  const standard = new Set(
    "QuantizeLinear DequantizeLinear MatMul Cast Mul QLinearConv QLinearMatMul".split(" "),
  );
  return {
    opset,
    ...(domain ? { domains: { [domain]: 1 } } : {}),
    nodes: nodes.map(([opType, from, to, attributes = {}]): NodeDescription => {
      return { opType, inputs: from, outputs: to, attributes, domain: standard.has(opType) ? "" : domain };
    }),
    initializers,
    inputs: inputs ?? [{ name: "x", shape: x }],
    outputs: [{ name: "y" }],
  };
}
