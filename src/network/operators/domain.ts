import type { OnnxNode } from "../../formats/onnx/types.ts";

/**
 * The domain of operators that files do not have: nodes this package puts in the place of several (sorted pairs,
 * products of a value with a function of itself).
 */
export const INTERNAL_DOMAIN = "lipschitz.internal";

/** Domains whose operators the table knows; anyone else's "Conv" may be something different. */
const KNOWN: ReadonlySet<string> = new Set(["", "ai.onnx", "com.microsoft"]);

/** True when the node's operator means what this package's tables say. */
export function isKnownDomain(node: OnnxNode): boolean {
  return KNOWN.has(node.domain);
}
