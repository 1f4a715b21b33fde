import type { AttributeDescription } from "../../formats/onnx/encode.ts";

/** Attributes of ONNX nodes. */

export const int = (value: number): AttributeDescription => ({ kind: "int", value });
export const ints = (value: readonly number[]): AttributeDescription => ({ kind: "ints", value });
export const float = (value: number): AttributeDescription => ({ kind: "float", value });
export const strings = (value: readonly string[]): AttributeDescription => ({ kind: "strings", value });
