import type { OnnxNode } from "../formats/onnx/types.ts";
import { floatAttribute, intAttribute, stringAttribute } from "./attributes.ts";
import { fusedActivation } from "./fused-activation.ts";
import { type Obstacle, sameScale, type Visit } from "./homogeneity-visit.ts";
import { isKnownDomain } from "./operators/domain.ts";

/**
 * How an operator passes multipliers on. With its inputs multiplied as they are, and its additive constants
 * multiplied as the rule says, its output is multiplied by the number returned (for every s > 0; the numbers are
 * positive). A list is one number per output; outputs beyond its end are multiplied by 1.
 */
export type HomogeneityRule = (visit: Visit) => number | readonly number[];

/** Bounds this large mean none: what exporters write for a Clip without one, in float32. */
const LARGEST_FLOAT32 = 3.4028234663852886e38;

const pass: HomogeneityRule = (v) => v.product(0);

/** The output follows input 0; the other outputs count or mask. */
const passFirst: HomogeneityRule = (v) => [v.product(0)];

/** The same for every positive multiple of the input. */
const unmoved: HomogeneityRule = (v) => {
  v.part(0);
  return 1;
};

const join: HomogeneityRule = (v) => v.alike([...v.step.operands.keys()]);

const comparison: HomogeneityRule = (v) => {
  v.alike([0, 1]);
  v.carriers = null;
  return 1;
};

/** A product with a weight, then a bias. @param bias which input it is. */
const layer =
  (bias: number, ...added: readonly number[]): HomogeneityRule =>
  (v) => {
    const scale = v.product(0, 1);
    for (const index of [bias, ...added]) v.shift(index, scale);
    const activation = fusedActivation(v.node);
    if (activation === undefined) return scale;
    const kept =
      activation.opType === "Clip" ? clipsAtZero(activation) : KINKED_AT_ZERO.has(activation.opType);
    return kept ? scale : orOne(v, scale, `its fused ${activation.opType} ${CURVED}`);
  };

/** `scale` where it is 1: whatever the node does then, it does as before. */
function orOne(v: Visit, scale: number, because: string, obstacle: Obstacle = "operator"): number {
  return sameScale(scale, 1) ? scale : v.stop(because, obstacle);
}

const KINKED_AT_ZERO: ReadonlySet<string> = new Set(["Relu", "LeakyRelu"]);

function clipsAtZero(node: OnnxNode): boolean {
  return [floatAttribute(node, "min"), floatAttribute(node, "max")].every(
    (bound) => bound === undefined || bound === 0 || Math.abs(bound) >= LARGEST_FLOAT32,
  );
}

const clip: HomogeneityRule = (v) => {
  const scale = v.product(0);
  if (!clipsAtZero(v.node))
    orOne(v, scale, "its bounds are attributes, which rewriting the file leaves as they are", "attribute");
  v.shift(1, scale);
  v.shift(2, scale);
  return scale;
};

const pad: HomogeneityRule = (v) => {
  const scale = v.product(0);
  if ((stringAttribute(v.node, "mode") ?? "constant") !== "constant") return scale;
  v.shift(2, scale);
  const value = floatAttribute(v.node, "value") ?? 0;
  return value === 0
    ? scale
    : orOne(
        v,
        scale,
        `it pads with ${value}, an attribute, which rewriting the file leaves as it is`,
        "attribute",
      );
};

/** γ(x − μ)/√(v + ε) + β: μ follows the input, β the output; γ, v and ε stay. */
const batchNormalization: HomogeneityRule = (v) => {
  if (intAttribute(v.node, "training_mode") === 1) return v.fixed("it normalises by its batch");
  const scale = v.product(0, 1);
  v.shift(2, scale);
  v.shift(3, v.part(0));
  return [scale];
};

const quotient: HomogeneityRule = (v) => {
  const scale = v.product(0) / v.part(1);
  if (v.isSignal(1)) v.carriers = null;
  return scale;
};

const power: HomogeneityRule = (v) => {
  const exponents = v.contents(1);
  const [exponent] = exponents ?? [];
  if (exponent === undefined || exponents?.some((p) => p !== exponent)) {
    return v.fixed("its exponent is not one known number");
  }
  return v.part(0) ** exponent;
};

const square: HomogeneityRule = (v) => v.part(0) ** 2;
const root: HomogeneityRule = (v) => Math.sqrt(v.part(0));
const inverse: HomogeneityRule = (v) => 1 / v.part(0);

const cast: HomogeneityRule = (v) => {
  if (v.outputIsFloat) return v.product(0);
  return v.fixed("it rounds to whole numbers");
};

const resize: HomogeneityRule = (v) => {
  const outside = floatAttribute(v.node, "extrapolation_value") ?? 0;
  const crops = stringAttribute(v.node, "coordinate_transformation_mode") === "tf_crop_and_resize";
  const scale = v.product(0);
  return !crops || outside === 0 ? scale : orOne(v, scale, `it fills with ${outside}, an attribute`);
};

const scatter: HomogeneityRule = (v) =>
  stringAttribute(v.node, "reduction") === "mul" ? v.fixed("it multiplies entries") : v.alike([0, 2]);

const thresholded: HomogeneityRule = (v) =>
  (floatAttribute(v.node, "alpha") ?? 1) === 0 ? v.product(0) : v.fixed("its threshold is an attribute");

const einsum: HomogeneityRule = (v) => v.product(...v.step.operands.keys());

/** The same rule for several operators, written as one string. */
function each(names: string, rule: HomogeneityRule): [string, HomogeneityRule][] {
  return names.split(" ").map((name) => [name, rule]);
}

const RULES: ReadonlyMap<string, HomogeneityRule> = new Map([
  ...each("Conv ConvTranspose Gemm FusedGemm NhwcConv", layer(2)),
  ...each("FusedConv NhwcFusedConv", layer(2, 3)),
  ...each("MatMul FusedMatMul Mul", (v) => v.product(0, 1)),
  ...each("Einsum", einsum),
  ...each("Add Sub Sum Mean Max Min Concat", join),
  ...each("Where", (v) => v.alike([1, 2])),
  ...each("Scatter ScatterElements ScatterND", scatter),
  ...each("Greater GreaterOrEqual Less LessOrEqual Equal", comparison),
  ...each("BatchNormalization", batchNormalization),
  ...each("Div", quotient),
  ...each("Pow", power),
  ...each("Sqrt", root),
  ...each("Reciprocal", inverse),
  ...each("ReduceSumSquare", square),
  ...each("Relu LeakyRelu PRelu Abs Neg Identity Reshape Flatten Squeeze Unsqueeze Transpose", pass),
  ...each("Split Slice Gather GatherElements GatherND Expand Tile DepthToSpace SpaceToDepth", pass),
  ...each("ReverseSequence Compress Trilu CumSum Upsample GridSample RoiAlign MaxRoiPool MaxUnpool", pass),
  ...each("AveragePool GlobalAveragePool GlobalMaxPool LpPool GlobalLpPool", pass),
  ...each("ReduceSum ReduceMean ReduceMax ReduceMin ReduceL1 ReduceL2", pass),
  ...each("MaxPool Dropout TopK", passFirst),
  ...each("Sign ArgMax ArgMin Hardmax LpNormalization", unmoved),
  ...each("Clip", clip),
  ...each("Pad", pad),
  ...each("Cast", cast),
  ...each("Resize", resize),
  ...each("ThresholdedRelu", thresholded),
]);

const CURVED = "is curved, so multiplying its input does not multiply its output";
const ROUNDS = "it rounds to steps that do not shrink with its input";
const SPREAD = "it adds an ε that does not shrink with its input";
const BRANCHES = "which branch it takes, and so what becomes of its constants, is not known beforehand";

/** Why an operator has no rule, where more can be said than that it is unknown. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ...["Softmax", "LogSoftmax"].map(
    (op) =>
      [
        op,
        "softmax(s·z) keeps which entry is largest, but is no multiple of softmax(z) unless s = 1",
      ] as const,
  ),
  ...(
    "Sigmoid Tanh Gelu FastGelu BiasGelu QuickGelu Swish Elu Selu Celu Mish Softplus Softsign HardSigmoid HardSwish " +
    "Erf Exp Log Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Shrink"
  )
    .split(" ")
    .map((op) => [op, `it ${CURVED}`] as const),
  ...(
    "LayerNormalization SimplifiedLayerNormalization SkipLayerNormalization RMSNormalization InstanceNormalization " +
    "GroupNormalization MeanVarianceNormalization LRN"
  )
    .split(" ")
    .map((op) => [op, SPREAD] as const),
  ...["QuantizeLinear", "DynamicQuantizeLinear", "Round", "Floor", "Ceil"].map((op) => [op, ROUNDS] as const),
  ...["RNN", "GRU", "LSTM"].map(
    (op) => [op, "its gates are curved, and its biases act step after step"] as const,
  ),
  ["If", BRANCHES],
  ...["Loop", "Scan"].map((op) => [op, "how often its constants act is not known beforehand"] as const),
]);

const UNKNOWN = "no rule says how its output follows when its input is multiplied";

/** What multiplies the outputs of a node. @throws NotHomogeneous, UnequalBranches */
export function outputScales(v: Visit): readonly number[] {
  const { node } = v;
  const rule = isKnownDomain(node) ? RULES.get(node.opType) : undefined;
  const found = rule === undefined ? v.fixed(REASONS.get(node.opType) ?? UNKNOWN) : rule(v);
  v.finish();
  const scales = node.outputs.map((_, i) => (typeof found === "number" ? found : (found[i] ?? 1)));
  const bad = scales.find((scale) => !(scale > 0 && Number.isFinite(scale)));
  if (bad !== undefined) v.stop(`its output would be multiplied by ${bad}, which no number type holds`);
  return scales;
}
