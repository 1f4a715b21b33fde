import { floatAttribute, intAttribute } from "../attributes.ts";
import {
  alongAxis,
  dequantizedWeight,
  type PlaceScales,
  type QuantisationInputs,
} from "../dequantized-weight.ts";
import type { Site } from "../scope.ts";
import { storedConstant, storedWeight } from "../stored-weight.ts";
import { convolutionAction } from "./convolution.ts";
import {
  type Act,
  applied,
  denseAction,
  embeddingAction,
  type Finding,
  matrixLayout,
  refused,
  type WeightRule,
} from "./finding.ts";
import { alongColumns, alongMaps, integerScale, onlyReader } from "./integer-scale.ts";
import { gatherBlockQuantized, matMulNBits } from "./packed.ts";

/** The constant at input `index`, read with its scales, by an operator that rounds its activations. */
function quantisedWeightAt(
  site: Site,
  index: number,
  inputs: () => QuantisationInputs,
  act: Act,
): readonly Finding[] {
  const { node, scope } = site;
  const name = node.inputs[index] ?? "";
  if (name === "" || !scope.isConstant(name)) return [];
  const stored = storedWeight(scope, name);
  if (!("tensor" in stored)) return refused(site, stored.tensors, stored.because);
  const weight = dequantizedWeight(stored, inputs());
  if (typeof weight === "string") return refused(site, [stored.tensor], weight);
  return applied(site, weight, (seen) => {
    const action = act(seen);
    return typeof action === "string" ? action : { ...action, roundsActivations: true };
  });
}

/** Where an operator has a weight's scale and zero point among its inputs. */
interface ScaleInputs {
  readonly scale: number;
  readonly zero: number;
  readonly place: PlaceScales;
}

function inputsAt({ node, scope }: Site, { scale, zero, place }: ScaleInputs): QuantisationInputs {
  const zeroName = node.inputs[zero] ?? "";
  return {
    scale: { found: storedConstant(scope, node.inputs[scale] ?? ""), place },
    zero: zeroName === "" ? undefined : { found: storedConstant(scope, zeroName), place },
  };
}

/**
 * Scales of a matrix operand of MatMul: one, one per row (of the first) or column (of the second) as a vector, or the
 * same with the matrix's other axes kept.
 */
function matrixScales(operand: 0 | 1): PlaceScales {
  return (shape, view) => {
    const rank = view.shape.length;
    const kept = rank - 2 + operand;
    if (rank < 2) return null;
    if (shape.length === 1) return { axes: [kept] };
    const axes = shape.map((_, i) => (i < rank - 2 || i === kept ? i : null));
    return shape.length === rank ? { axes } : null;
  };
}

const columns = matrixScales(1);

const dense: Act = ({ view }) => denseAction(view);

/** A product whose second operand is a stored matrix. */
function product(weight: number, scale: number, zero: number): WeightRule {
  return (site) =>
    site.scope.isConstant(site.node.inputs[0] ?? "")
      ? []
      : quantisedWeightAt(site, weight, () => inputsAt(site, { scale, zero, place: columns }), dense);
}

/** Either operand may be the stored one. */
const qLinearMatMul: WeightRule = (site) => {
  const [a, b] = [0, 3].map((index) => site.scope.isConstant(site.node.inputs[index] ?? ""));
  if (a === b) return [];
  const inputs = a ? { scale: 1, zero: 2, place: matrixScales(0) } : { scale: 4, zero: 5, place: columns };
  return quantisedWeightAt(site, a ? 0 : 3, () => inputsAt(site, inputs), dense);
};

const qGemm: WeightRule = (site) => {
  const { node, scope } = site;
  if (scope.isConstant(node.inputs[0] ?? "")) return [];
  const place = alongAxis(intAttribute(node, "transB") === 1 ? 0 : 1);
  return quantisedWeightAt(
    site,
    3,
    () => inputsAt(site, { scale: 4, zero: 5, place }),
    ({ view }) => denseAction(view, Math.abs(floatAttribute(node, "alpha") ?? 1)),
  );
};

/** com.microsoft's variant may have its channels last; the kernel's layout is the same. */
const qLinearConv: WeightRule = (site) => {
  const channelsLast = intAttribute(site.node, "channels_last") === 1;
  return quantisedWeightAt(
    site,
    3,
    () => inputsAt(site, { scale: 4, zero: 5, place: alongAxis(0) }),
    convolutionAction(site, channelsLast),
  );
};

/** The scale stands outside the operator; only the zero point is its own. */
function integerInputs(site: Site, zero: PlaceScales, scale: PlaceScales): QuantisationInputs {
  const { zero: own } = inputsAt(site, { scale: -1, zero: 3, place: zero });
  return { scale: { found: integerScale(site), place: scale }, zero: own };
}

const matMulInteger: WeightRule = (site) => {
  const [a, b] = [0, 1].map((index) => site.scope.isConstant(site.node.inputs[index] ?? ""));
  if (a === b) return [];
  return a
    ? listed([0], "a first operand, whose scale is not looked for")(site)
    : quantisedWeightAt(site, 1, () => integerInputs(site, columns, alongColumns), dense);
};

const convInteger: WeightRule = (site) =>
  quantisedWeightAt(
    site,
    1,
    () => integerInputs(site, alongAxis(0), alongMaps),
    convolutionAction(site, false),
  );

/** W and R [directions, inputs, gates·hidden], with one scale per direction or one per gate of each. */
const recurrent: WeightRule = (site) => {
  const place: PlaceScales = (shape, view) => {
    if (view.shape.length !== 3) return null;
    if (shape.length === 1) return { axes: [0] };
    return shape.length === 2 ? { axes: [0, 2] } : null;
  };
  const act: Act = ({ view }) => {
    const layout = view.shape.length === 3 ? matrixLayout(view) : null;
    return layout === null
      ? "recurrent weights must be [directions, inputs, gates·hidden] in this order"
      : { operator: "recurrent", layout };
  };
  return [
    { weight: 1, scale: 8, zero: 9 },
    { weight: 2, scale: 10, zero: 11 },
  ].flatMap(({ weight, ...at }) =>
    quantisedWeightAt(site, weight, () => inputsAt(site, { ...at, place }), act),
  );
};

/** Word, position and segment tables, each with one scale. */
const embeddings: WeightRule = (site) =>
  [2, 3, 4].flatMap((weight) =>
    quantisedWeightAt(
      site,
      weight,
      () => inputsAt(site, { scale: weight + 6, zero: weight + 11, place: () => null }),
      embeddingAction,
    ),
  );

const SMALL_INTEGERS: ReadonlySet<string> = new Set(["int4", "uint4", "int8", "uint8"]);

/**
 * A table of integers from which Gather picks rows that are dequantised afterwards, as quantize_dynamic writes
 * embeddings; null for any other table. Rows picked before they are scaled have one scale in common.
 */
export function quantizedTable(site: Site): readonly Finding[] | null {
  const { node, scope } = site;
  const name = node.inputs[0];
  const reader = onlyReader(scope, node.outputs[0]);
  const scaled = reader?.opType === "DequantizeLinear";
  const { shape, dtype } = scope.value(name);
  if (!scaled && !(SMALL_INTEGERS.has(dtype) && shape?.length === 2)) return null;
  if (!scope.isConstant(name)) return null;
  const stored = storedWeight(scope, name);
  if (!("tensor" in stored)) return refused(site, stored.tensors, stored.because);
  if (!scaled) return refused(site, [stored.tensor], `${dtype} numbers whose scale cannot be found`);
  const inputs = inputsAt({ node: reader, scope }, { scale: 1, zero: 2, place: () => null });
  const weight = dequantizedWeight(stored, inputs);
  if (typeof weight === "string") return refused(site, [stored.tensor], weight);
  return applied(site, weight, embeddingAction);
}

/** Weights that are listed, not audited. @param inputs where they stand. */
function listed(inputs: readonly number[], because = "packed in a way that is not read"): WeightRule {
  return (site) =>
    inputs.flatMap((index) => {
      const tensor = site.scope.tensor(site.node.inputs[index] ?? "");
      return tensor === undefined ? [] : refused(site, [tensor], `${because} (${tensor.dtype})`);
    });
}

/** Operators that apply a stored weight in quantised form. */
export const quantizedWeights: Readonly<Record<string, WeightRule>> = {
  QLinearConv: qLinearConv,
  QLinearMatMul: qLinearMatMul,
  ConvInteger: convInteger,
  MatMulInteger: matMulInteger,
  MatMulIntegerToFloat: product(1, 3, 5),
  DynamicQuantizeMatMul: product(1, 2, 3),
  QGemm: qGemm,
  QAttention: product(1, 4, 7),
  DynamicQuantizeLSTM: recurrent,
  QEmbedLayerNormalization: embeddings,
  MatMulNBits: matMulNBits,
  GatherBlockQuantized: gatherBlockQuantized,
  MatMulBnb4: listed([1]),
  MatMulFpQ4: listed([1]),
  // Experts' weights of its three layers.
  QMoE: listed([2, 5, 8]),
};
