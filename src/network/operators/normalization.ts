import { intAttribute } from "../attributes.ts";
import { unbounded } from "../constants/rule.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import { normalizeAxis, ofShape, UNKNOWN } from "../shapes/value.ts";
import { likeFirst } from "./broadcast-shape.ts";
import { responseConstant, responseOperation } from "./local-response.ts";
import { batchConstant, batchOperation } from "./normalization-batch.ts";
import {
  meanVarianceConstant,
  normalizationConstant,
  skipConstant,
  skipJoin,
} from "./normalization-constant.ts";
import {
  groupOperation,
  instanceOperation,
  layerOperation,
  lpOperation,
  meanVarianceOperation,
} from "./normalization-operation.ts";
import { skipOperation } from "./normalization-skip.ts";
import type { OperatorRule, OperatorRules } from "./rule.ts";

/** Batch normalisation; statistics of training mode are one per channel. */
const batchShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const statistics = ofShape([x.shape?.[1] ?? null], x.dtype);
  return [ofShape(x.shape, x.dtype), ...[1, 2, 3, 4].map(() => statistics)];
};

/** Layer normalisation: the statistics keep the leading axes. */
const layerShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const axis = x.shape === null ? null : normalizeAxis(intAttribute(op.node, "axis") ?? -1, x.shape.length);
  const kept = axis === null ? null : x.shape!.map((d, i) => (i < axis ? d : 1));
  return [ofShape(x.shape, x.dtype), ofShape(kept, "float32"), ofShape(kept, "float32")];
};

/** The same after an addition, whose sum is the fourth output. */
const skipShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const kept = x.shape?.map((d, i) => (i + 1 < x.shape!.length ? d : 1)) ?? null;
  const statistics = ofShape(kept, "float32");
  return [ofShape(x.shape, x.dtype), statistics, statistics, ofShape(x.shape, x.dtype)];
};

const COMPUTED = "its scale, bias or statistics depend on the network's input, which no rule covers";

function rule(given: Omit<OperatorRule, "join">): OperatorRule {
  return { join: COMPUTED, ...given };
}

const CENTRED = { centred: true };
const PLAIN = { centred: false };

/** Normalisations by stored statistics, by the input's own, and by neighbouring channels. */
export const normalizationRules: OperatorRules = {
  BatchNormalization: rule({ shape: batchShape, constant: batchConstant, operation: batchOperation }),
  LayerNormalization: rule({
    shape: layerShape,
    constant: normalizationConstant,
    operation: layerOperation(CENTRED),
  }),
  SimplifiedLayerNormalization: rule({
    shape: layerShape,
    constant: normalizationConstant,
    operation: layerOperation(PLAIN),
  }),
  RMSNormalization: rule({
    shape: likeFirst,
    constant: normalizationConstant,
    operation: layerOperation(PLAIN),
  }),
  SkipLayerNormalization: {
    shape: skipShape,
    constant: skipConstant,
    anyInput: true,
    join: skipJoin,
    operation: skipOperation(CENTRED),
  },
  SkipSimplifiedLayerNormalization: {
    shape: skipShape,
    constant: skipConstant,
    anyInput: true,
    join: skipJoin,
    operation: skipOperation(PLAIN),
  },
  InstanceNormalization: rule({
    shape: likeFirst,
    constant: normalizationConstant,
    operation: instanceOperation,
  }),
  GroupNormalization: rule({ shape: likeFirst, constant: normalizationConstant, operation: groupOperation }),
  // com.microsoft's, with the channels last and an activation.
  GroupNorm: rule({ shape: likeFirst, constant: () => unbounded("no rule for this group normalisation") }),
  MeanVarianceNormalization: rule({
    shape: likeFirst,
    constant: meanVarianceConstant,
    operation: meanVarianceOperation,
  }),
  LpNormalization: rule({
    shape: likeFirst,
    constant: "its slope is infinite near 0; bound it on a ball with --around",
    operation: lpOperation,
  }),
  LRN: rule({ shape: likeFirst, constant: responseConstant, operation: responseOperation }),
};
