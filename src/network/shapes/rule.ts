import type { TensorEntry } from "../../formats/model.ts";
import type { OnnxGraph, OnnxNode } from "../../formats/onnx/types.ts";
import type { Value } from "./value.ts";

/** One node seen by its shape rule. */
export interface Application {
  readonly node: OnnxNode;
  /** Version of the ai.onnx operator set. */
  readonly opset: number;
  /** Inputs in order; undefined where an optional one is omitted. */
  readonly inputs: readonly (Value | undefined)[];
  /** Shape, type and (when small) contents of a stored tensor. */
  readonly stored: (tensor: TensorEntry) => Value;
  /**
   * The outputs of a subgraph when its formal inputs are these values, in their order. Missing ones keep their
   * declared type.
   */
  readonly body: (graph: OnnxGraph, formal: readonly (Value | undefined)[]) => readonly Value[];
}

/**
 * What an operator says of its outputs, in order; outputs left out are unknown. A rule never throws and never
 * guesses: whatever it cannot derive is unknown.
 */
export type ShapeRule = (op: Application) => readonly Value[];
