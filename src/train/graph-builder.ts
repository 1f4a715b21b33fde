import type { AttributeDescription } from "../formats/onnx/encode.ts";
import type { Shape } from "./types.ts";

/** A value in an ONNX graph under construction: its name and the shape of one example (the batch axis comes before). */
export interface Signal {
  readonly name: string;
  readonly shape: Shape;
}

/** Numbers with their shape, outside of jax-js. */
export interface PlainArray {
  readonly data: Float32Array;
  readonly shape: Shape;
}

/** A tree of plain arrays, of the structure of a module's `params` or `state`. */
export type PlainTree = PlainArray | readonly PlainTree[] | { readonly [name: string]: PlainTree };

/** What a module holds, as plain numbers; controlled weights are baked: `params.weight` is the weight the layer uses. */
export interface LayerValues {
  readonly params: PlainTree;
  readonly state: PlainTree;
  /** The path of the module in the network, "0.2"; "" for the whole network. Initializers are named after it. */
  readonly path: string;
}

/** Collects the nodes and initializers of an ONNX graph of opset 20, axis 0 of every signal being the batch. */
export interface GraphBuilder {
  /** Adds a node of ai.onnx with one output and gives that output's name. */
  node(
    opType: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeDescription>>,
  ): string;
  /** Adds a node with several outputs. */
  nodes(
    opType: string,
    inputs: readonly string[],
    outputs: number,
    attributes?: Readonly<Record<string, AttributeDescription>>,
  ): string[];
  /** Adds a float32 initializer; names are made unique. */
  weight(name: string, value: PlainArray): string;
  /** Adds an int64 initializer (shapes, axes, indices). */
  integers(values: readonly number[]): string;
}
