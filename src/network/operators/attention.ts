import { addUp, mulUp, sqrtUp } from "../../linalg/rounding.ts";
import { floatAttribute, intAttribute, intsAttribute } from "../attributes.ts";
import { bounded, type ConstantRule, unbounded } from "../constants/rule.ts";
import { values } from "../constants/stored-values.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import { type Dim, ofShape, type Shape } from "../shapes/value.ts";
import { likeFirst } from "./broadcast-shape.ts";
import type { OperatorRule, OperatorRules } from "./rule.ts";

/** Kim, Papamakarios & Mnih 2021, "The Lipschitz constant of self-attention". */
const PRODUCT =
  "dot-product attention has no finite constant over all inputs: its scores are products of two activations";

function times(a: Dim, b: Dim): Dim {
  return a === null || b === null ? null : a * b;
}

function over(a: Dim, b: number | undefined): Dim {
  return a === null || b === undefined || b < 1 ? null : a / b;
}

/** com.microsoft's takes one sequence and one matrix for query, key and value; ai.onnx's takes these three. */
const attentionShape: ShapeRule = (op) => {
  const [x, weight, value] = op.inputs.map((v): Shape | null => v?.shape ?? null);
  const dtype = op.inputs[0]?.dtype ?? "unknown";
  if (x === null || x === undefined) return [];
  if (op.node.domain === "com.microsoft") {
    const width = intsAttribute(op.node, "qkv_hidden_sizes")?.[2] ?? over(weight?.[1] ?? null, 3);
    return x.length === 3 ? [ofShape([x[0], x[1], width], dtype)] : [];
  }
  const [heads, valueHeads] = ["q_num_heads", "kv_num_heads"].map((name) => intAttribute(op.node, name));
  if (x.length === 4) return [ofShape([x[0], x[1], x[2], value?.[3] ?? null], dtype)];
  const width = times(over(value?.[2] ?? null, valueHeads), heads ?? null);
  return x.length === 3 ? [ofShape([x[0], x[1], width], dtype)] : [];
};

/** Query, key and value of shapes [batch, length, width]; packed ones are left open. */
const multiHeadShape: ShapeRule = (op) => {
  const [query, , value] = op.inputs.map((v): Shape | null => v?.shape ?? null);
  if (query?.length !== 3) return [];
  const width = value?.length === 3 ? value[2] : null;
  return [ofShape([query[0], query[1], width], op.inputs[0]?.dtype ?? "unknown")];
};

const unknown: ShapeRule = () => [];

function attends(shape: ShapeRule): OperatorRule {
  return { shape, constant: PRODUCT, join: PRODUCT };
}

/** Inputs that are the caches of cosines and sines: ai.onnx has the positions behind them, com.microsoft before. */
function caches(domain: string): readonly [number, number] {
  return domain === "com.microsoft" ? [2, 3] : [1, 2];
}

/** Each pair of entries is multiplied by [[c, −s], [s, c]], of norm √(c² + s²); the rest of a head is kept. */
const rotary: ConstantRule = async ({ node, scope }) => {
  if ((floatAttribute(node, "scale") ?? 1) !== 1) return unbounded("its scale is not covered");
  const [cosines, sines] = await Promise.all(
    caches(node.domain).map((index) => values(scope, node.inputs[index] ?? "")),
  );
  if (cosines === null || sines === null || cosines.length !== sines.length)
    return unbounded("its cosines and sines could not be read");
  let most = 1;
  for (const [i, c] of cosines.entries()) {
    most = Math.max(most, addUp(mulUp(c, c), mulUp(sines[i], sines[i])));
  }
  return bounded(sqrtUp(most), "pairs of entries are rotated by stored cosines and sines");
};

/** Attention, and the positions that it is given. Its probabilities and projections are operators of other families. */
export const attentionRules: OperatorRules = {
  Attention: attends(attentionShape),
  MultiHeadAttention: attends(multiHeadShape),
  ...Object.fromEntries(
    (
      "GroupQueryAttention DecoderMaskedMultiHeadAttention DecoderMaskedSelfAttention PackedAttention " +
      "PackedMultiHeadAttention SparseAttention LongformerAttention PagedAttention QAttention"
    )
      .split(" ")
      .map((name) => [name, attends(unknown)]),
  ),
  RotaryEmbedding: {
    shape: likeFirst,
    constant: rotary,
    join: "its cosines and sines depend on the network's input",
  },
};
