/** Element types that a compiled function takes and gives; those of jax-js. */
export type ElementType = "float32" | "float64" | "float16" | "int32" | "uint32" | "bool";

/** The type of one leaf of a compiled function's arguments or results. */
export interface LeafType {
  readonly shape: readonly number[];
  readonly dtype: ElementType;
  /** True where the value yields to the other operand's type, as a plain number does in jax-js. Default false. */
  readonly weakType?: boolean;
}

/** A leaf's type and the name of the graph input or output that carries it. */
export interface NamedLeaf extends LeafType {
  readonly name: string;
}

/** A traced function as one ONNX model; its constants (arrays the function closed over) are initializers. */
export interface LoweredFunction {
  /** The ONNX file. */
  readonly bytes: Uint8Array;
  /** Graph inputs, one for each leaf of the arguments, in order; unused ones are left out of the graph (`name` ""). */
  readonly inputs: readonly NamedLeaf[];
  /** Graph outputs, one for each leaf of the result, in order. */
  readonly outputs: readonly NamedLeaf[];
}
