import type { TensorEntry } from "../model.ts";

/** A parsed ONNX model: structure only; tensors stay in the file until read. */
export interface OnnxModel {
  readonly irVersion: number;
  readonly producer: string;
  /** Operator set version by domain ("" is ai.onnx). */
  readonly opsets: ReadonlyMap<string, number>;
  readonly graph: OnnxGraph;
}

export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  /** Constant tensors by name, this graph's own only (subgraphs also see their parents'). */
  readonly initializers: ReadonlyMap<string, TensorEntry>;
  /** Graph inputs, initialisers left out. */
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  /** Declared intermediate types, by value name. */
  readonly values: ReadonlyMap<string, OnnxValueInfo>;
}

export interface OnnxValueInfo {
  readonly name: string;
  /** As dtype names; "unknown" for sequences, maps and missing types. */
  readonly dtype: string;
  /** A number, a symbolic name ("batch"), or null when unknown; the whole is null when the rank is unknown. */
  readonly shape: readonly (number | string | null)[] | null;
}

export interface OnnxNode {
  /** The node's name, or `${opType}_${index}` where the file gives none. */
  readonly name: string;
  readonly opType: string;
  /** "" for ai.onnx. */
  readonly domain: string;
  /** Value names; "" for an omitted optional input. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}

/** An attribute's value; integers beyond 2⁵³ are clamped (they only ever mean "to the end"). */
export type OnnxAttribute =
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "int"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "tensor"; readonly value: TensorEntry }
  | { readonly kind: "graph"; readonly value: OnnxGraph }
  | { readonly kind: "floats"; readonly value: readonly number[] }
  | { readonly kind: "ints"; readonly value: readonly number[] }
  | { readonly kind: "strings"; readonly value: readonly string[] }
  | { readonly kind: "graphs"; readonly value: readonly OnnxGraph[] }
  | { readonly kind: "other" };
