import type { OnnxNode } from "../../formats/onnx/types.ts";
import { activationRules } from "./activation.ts";
import { arithmeticRules, maxMinRules } from "./arithmetic.ts";
import { attentionRules } from "./attention.ts";
import { controlRules } from "./control.ts";
import { convolutionRules } from "./convolution.ts";
import { INTERNAL_DOMAIN, isKnownDomain } from "./domain.ts";
import { matrixRules } from "./matrix.ts";
import { normalizationRules } from "./normalization.ts";
import { poolingRules } from "./pooling.ts";
import { quantizeRules } from "./quantize.ts";
import { rearrangeRules } from "./rearrange.ts";
import { recurrentRules } from "./recurrent.ts";
import { reduceRules } from "./reduce.ts";
import { resizeRules } from "./resize.ts";
import type { OperatorRule, OperatorRules } from "./rule.ts";
import { selectRules } from "./select.ts";
import { selfProductRules } from "./self-product.ts";
import { softmaxRules } from "./softmax.ts";
import { sourceRules } from "./source.ts";

/** One table per family. To add an operator, add it to its family; to add a family, add its table here. */
const FAMILIES: readonly OperatorRules[] = [
  activationRules,
  arithmeticRules,
  attentionRules,
  controlRules,
  convolutionRules,
  matrixRules,
  poolingRules,
  rearrangeRules,
  reduceRules,
  resizeRules,
  selectRules,
  softmaxRules,
  normalizationRules,
  quantizeRules,
  recurrentRules,
  sourceRules,
];

function byName(families: readonly OperatorRules[]): ReadonlyMap<string, OperatorRule> {
  return new Map(families.flatMap((family) => Object.entries(family)));
}

const RULES = byName(FAMILIES);

/** Rules of nodes that stand in the place of several. */
const INTERNAL_RULES = byName([maxMinRules, selfProductRules]);

/** Everything known of a node's operator; undefined for one we do not know. */
export function ruleOf(node: OnnxNode): OperatorRule | undefined {
  if (node.domain === INTERNAL_DOMAIN) return INTERNAL_RULES.get(node.opType);
  return isKnownDomain(node) ? RULES.get(node.opType) : undefined;
}
