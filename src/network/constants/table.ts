import { isKnownDomain } from "../shapes/table.ts";
import { activationConstants } from "./activation.ts";
import { affineConstants } from "./affine.ts";
import { arrangeConstants } from "./arrange.ts";
import { poolingConstants } from "./pooling.ts";
import { type ChainNode, type Constant, type ConstantRule, unbounded } from "./rule.ts";

/** Operator → Lipschitz constant. To bound another operator, add it to its family's table. */
const RULES: ReadonlyMap<string, ConstantRule> = new Map(
  [activationConstants, affineConstants, arrangeConstants, poolingConstants].flatMap((f) =>
    Object.entries(f),
  ),
);

/** Operators that treat their inputs alike, or have a rule for each; for the others only input 0 carries the signal. */
const ANY_INPUT: ReadonlySet<string> = new Set("Add Sub Sum Mul Div Pow Min Max Where Concat".split(" "));

const STEEP = "its slope grows without limit";
const NEAR_ZERO = "its slope is infinite near 0";
const JUMPS = "it jumps, so no Lipschitz constant is finite";
const STATEFUL = "no constant holds for every sequence length";

/** Why well-known operators have no finite global constant. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ...["Exp", "Sinh", "Cosh", "Tan", "ReduceSumSquare", "ReduceProd"].map((op) => [op, STEEP] as const),
  ...["Log", "Sqrt", "Reciprocal", "Acos", "Asin", "Acosh", "Atanh"].map((op) => [op, NEAR_ZERO] as const),
  ...["LpNormalization", "ReduceLogSum"].map((op) => [op, NEAR_ZERO] as const),
  ...["Sign", "Floor", "Ceil", "Round", "ArgMax", "ArgMin", "Hardmax", "Greater", "Less", "Equal"].map(
    (op) => [op, JUMPS] as const,
  ),
  ...["Not", "IsNaN", "IsInf", "TopK", "NonZero", "OneHot", "QuantizeLinear"].map(
    (op) => [op, JUMPS] as const,
  ),
  ...["RNN", "GRU", "LSTM", "Scan", "Loop"].map((op) => [op, STATEFUL] as const),
  ...["Conv", "ConvTranspose", "MatMul", "Gemm", "Einsum", "FusedConv", "FusedMatMul", "FusedGemm"].map(
    (op) => [op, "its weight is not one that is audited"] as const,
  ),
  ["If", "its branches may differ where the condition changes"],
]);

/** The constant of a chain node that applies no stored weight. */
export async function constantOf(chain: ChainNode): Promise<Constant> {
  const { node, at } = chain;
  const rule = isKnownDomain(node) ? RULES.get(node.opType) : undefined;
  if (rule === undefined) {
    return unbounded(REASONS.get(node.opType) ?? "no Lipschitz constant is known for this operator");
  }
  if (at !== 0 && !ANY_INPUT.has(node.opType)) {
    return unbounded(`its input ${at} depends on the network's input, which no rule covers`);
  }
  return rule(chain);
}
