import { fromFloat64 } from "../../formats/decode.ts";
import type { AttributeDescription, NodeDescription } from "../../formats/onnx/encode.ts";
import type { TensorDescription } from "../../formats/onnx/encode-tensor.ts";
import { type HostData, hostData, hostView } from "../element-types.ts";
import { elementCount, type Shape } from "../graph.ts";
import type { ElementType } from "../lowered.ts";

/** Attributes as plain values: a number is an `int`, a list of numbers `ints`; floats are spelled out. */
export type Attributes = Readonly<Record<string, number | string | readonly number[] | AttributeDescription>>;

/** Where onnxruntime keeps operators of its own. */
export const RUNTIME_DOMAIN = "com.microsoft";

/** Collects ONNX nodes and initializers under names of its own. The same operation of the same operands is one node. */
export class Emitter {
  readonly nodes: NodeDescription[] = [];
  readonly initializers: (TensorDescription & { readonly name: string })[] = [];
  readonly #shared = new Map<string, string>();
  readonly #results = new Map<string, readonly string[]>();
  #next = 0;

  /** Appends a node of one result and gives the result's name. */
  op(opType: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.multi(opType, inputs, 1, attributes)[0];
  }

  /** Appends a node of an operator that is onnxruntime's own. */
  own(opType: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.#append({ opType, inputs, domain: RUNTIME_DOMAIN }, 1, attributes)[0];
  }

  /** Appends a node of several results. */
  multi(
    opType: string,
    inputs: readonly string[],
    results: number,
    attributes: Attributes = {},
  ): readonly string[] {
    return this.#append({ opType, inputs }, results, attributes);
  }

  #append(
    node: Pick<NodeDescription, "opType" | "inputs" | "domain">,
    results: number,
    attributes: Attributes,
  ): readonly string[] {
    const key = `${node.opType}|${node.inputs}|${JSON.stringify(attributes)}`;
    const known = this.#results.get(key);
    if (known !== undefined) return known;
    const outputs = Array.from({ length: results }, () => `t${this.#next++}`);
    this.nodes.push({ ...node, outputs, attributes: described(attributes) });
    this.#results.set(key, outputs);
    return outputs;
  }

  /** An initializer. */
  tensor(dtype: string, shape: Shape, data: HostData | BigInt64Array): string {
    const name = `c${this.initializers.length}`;
    this.initializers.push({ name, dtype, shape: [...shape], data });
    return name;
  }

  /** An initializer that is made once for its key. */
  sharedTensor(key: string, dtype: string, shape: Shape, data: () => HostData | BigInt64Array): string {
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const name = this.tensor(dtype, shape, data());
    this.#shared.set(key, name);
    return name;
  }

  /** A constant of rank 0. */
  scalar(value: number, dtype: ElementType): string {
    // The string of −0 is "0".
    const key = `${dtype} ${Object.is(value, -0) ? "-0" : value}`;
    return this.sharedTensor(key, dtype, [], () => filled([], dtype, value));
  }

  /** A list of int64, the type of shapes and axes. */
  integers(values: readonly number[]): string {
    return this.sharedTensor(`int64 ${values}`, "int64", [values.length], () =>
      BigInt64Array.from(values, BigInt),
    );
  }
}

/** One value in every place. */
export function filled(shape: Shape, dtype: ElementType, value: number): HostData {
  const element = dtype === "float16" ? bitsOfFloat16(value) : value;
  return hostData(dtype, elementCount(shape)).fill(element);
}

function bitsOfFloat16(value: number): number {
  return hostView("float16", fromFloat64("float16", Float64Array.of(value)))[0];
}

function described(attributes: Attributes): Record<string, AttributeDescription> {
  const entries = Object.entries(attributes).map(([name, value]) => [name, describedValue(value)] as const);
  return Object.fromEntries(entries);
}

function describedValue(value: Attributes[string]): AttributeDescription {
  if (typeof value === "number") return { kind: "int", value };
  if (typeof value === "string") return { kind: "string", value };
  return "kind" in value ? value : { kind: "ints", value };
}
