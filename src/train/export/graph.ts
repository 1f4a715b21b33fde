import { type AttributeDescription, encodeModel, type NodeDescription } from "../../formats/onnx/encode.ts";
import type { TensorDescription } from "../../formats/onnx/encode-tensor.ts";
import type { GraphBuilder, PlainArray, Signal } from "../graph-builder.ts";
import type { Shape } from "../types.ts";

/** The operator set of every file, and the first ir_version that may carry it. */
const OPSET = 20;
const IR_VERSION = 9;

/** What the files call the first axis of their input and output. */
const BATCH = "batch";

export const INPUT = "input";
export const OUTPUT = "output";

/** What a network takes: numbers, or ids of rows of a table. */
export type InputKind =
  | { readonly kind: "numbers" }
  | {
      readonly kind: "ids";
      /** Ids are whole numbers below it. */
      readonly count: number;
    };

/** Nodes and initializers of an ONNX graph as layers emit them. */
export class OnnxGraph implements GraphBuilder {
  readonly input: Signal;
  readonly #nodes: NodeDescription[] = [];
  readonly #initializers: (TensorDescription & { readonly name: string })[] = [];
  readonly #names = new Set([INPUT, OUTPUT]);
  /** The layer that a constant belongs to: "0.2" of "0.2.weight" and of what is computed from it alone. */
  readonly #layers = new Map<string, string>();
  readonly #weights = new Map<string, string>();

  constructor(inputShape: Shape) {
    this.input = { name: INPUT, shape: inputShape };
  }

  /** The initializers' names by the names their layers asked for, which differ where two asked for one name. */
  get weights(): ReadonlyMap<string, string> {
    return this.#weights;
  }

  /** Ids where the input does nothing but choose rows of a table (Gather's second operand). */
  get inputKind(): InputKind {
    const readers = this.#nodes.filter((node) => node.inputs.includes(INPUT));
    const tables = readers.flatMap((node) =>
      node.opType === "Gather" && node.inputs[1] === INPUT && node.inputs[0] !== INPUT
        ? [node.inputs[0]]
        : [],
    );
    if (readers.length === 0 || tables.length < readers.length) return { kind: "numbers" };
    const counts = tables.map((name) => this.#initializers.find((i) => i.name === name)?.shape?.[0] ?? 1);
    return { kind: "ids", count: Math.min(...counts) };
  }

  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeDescription>> = {},
  ): string {
    return this.nodes(opType, inputs, 1, attributes)[0]!;
  }

  nodes(
    opType: string,
    inputs: readonly string[],
    outputs: number,
    attributes: Readonly<Record<string, AttributeDescription>> = {},
  ): string[] {
    const layer = inputs.map((name) => this.#layers.get(name)).find((found) => found !== undefined);
    const name = this.#unique(`/${[...(layer?.split(".") ?? []), opType].filter(Boolean).join("/")}`);
    const names = Array.from({ length: outputs }, (_, i) => this.#unique(`${name}_output_${i}`));
    const constant = inputs.every((input) => this.#layers.has(input));
    if (constant && layer !== undefined) for (const output of names) this.#layers.set(output, layer);
    this.#nodes.push({ opType, inputs, outputs: names, name, attributes });
    return names;
  }

  weight(name: string, { data, shape }: PlainArray): string {
    const unique = this.#unique(name);
    this.#initializers.push({ name: unique, data, shape });
    this.#layers.set(unique, name.split(".").slice(0, -1).join("."));
    if (!this.#weights.has(name)) this.#weights.set(name, unique);
    return unique;
  }

  integers(values: readonly number[]): string {
    const name = this.#unique("integers");
    this.#initializers.push({ name, data: BigInt64Array.from(values.map(BigInt)), shape: [values.length] });
    return name;
  }

  /** The file that gives `output`. */
  encode(output: Signal): Uint8Array {
    return encodeModel({
      opset: OPSET,
      irVersion: IR_VERSION,
      graph: {
        name: "network",
        nodes: this.#nodesTo(output),
        initializers: this.#initializers,
        inputs: [
          {
            name: INPUT,
            dtype: this.inputKind.kind === "ids" ? "int64" : "float32",
            shape: [BATCH, ...this.input.shape],
          },
        ],
        outputs: [{ name: OUTPUT, shape: [BATCH, ...output.shape] }],
      },
    });
  }

  /** The nodes, the value that leaves the network under the name of the output. */
  #nodesTo({ name }: Signal): readonly NodeDescription[] {
    if (name === INPUT)
      return [{ opType: "Identity", inputs: [INPUT], outputs: [OUTPUT], name: "/Identity" }];
    const renamed = (names: readonly string[]) => names.map((other) => (other === name ? OUTPUT : other));
    return this.#nodes.map((node) => ({
      ...node,
      inputs: renamed(node.inputs),
      outputs: renamed(node.outputs),
    }));
  }

  #unique(wanted: string): string {
    let name = wanted;
    for (let i = 1; this.#names.has(name); i++) name = `${wanted}_${i}`;
    this.#names.add(name);
    return name;
  }
}
