import type { OnnxNode } from "../../formats/onnx/types.ts";
import { controlRules } from "./control.ts";
import { convolutionRules } from "./convolution.ts";
import { elementwiseRules } from "./elementwise.ts";
import { matrixRules } from "./matrix.ts";
import { poolingRules } from "./pooling.ts";
import { quantizeRules } from "./quantize.ts";
import { rearrangeRules } from "./rearrange.ts";
import { recurrentRules } from "./recurrent.ts";
import { normalizationRules, reduceRules } from "./reduce.ts";
import { resizeRules } from "./resize.ts";
import type { ShapeRule } from "./rule.ts";
import { selectRules } from "./select.ts";
import { sourceRules } from "./source.ts";

/** Operator → shape rule. To support another operator, add it to its family's table. */
const RULES: ReadonlyMap<string, ShapeRule> = new Map(
  [
    sourceRules,
    elementwiseRules,
    rearrangeRules,
    selectRules,
    convolutionRules,
    poolingRules,
    resizeRules,
    matrixRules,
    reduceRules,
    normalizationRules,
    recurrentRules,
    quantizeRules,
    controlRules,
  ].flatMap((family) => Object.entries(family)),
);

/** Domains whose operators the table knows; anyone else's "Conv" may be something different. */
const DOMAINS: ReadonlySet<string> = new Set(["", "ai.onnx", "com.microsoft"]);

/** True when the node's operator means what this package's tables say. */
export function isKnownDomain(node: OnnxNode): boolean {
  return DOMAINS.has(node.domain);
}

/** The shape rule of a node, or undefined for an operator we do not know. */
export function shapeRule(node: OnnxNode): ShapeRule | undefined {
  return isKnownDomain(node) ? RULES.get(node.opType) : undefined;
}
