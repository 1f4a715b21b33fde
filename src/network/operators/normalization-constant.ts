import type { OnnxNode } from "../../formats/onnx/types.ts";
import { divUp, mulUp, sqrtDown } from "../../linalg/rounding.ts";
import { floatAttribute } from "../attributes.ts";
import {
  bounded,
  type ChainNode,
  type Constant,
  type ConstantRule,
  rootUp,
  unbounded,
} from "../constants/rule.ts";
import { magnitudes } from "../constants/stored-values.ts";
import type { Scope } from "../scope.ts";
import { copiesAmong } from "./broadcast-constant.ts";
import type { JoinRule } from "./rule.ts";

/** ONNX's default 1e-5 as the float32 it is, which lies below it. */
export const DEFAULT_EPSILON = Math.fround(1e-5);

/** com.microsoft's default for normalisations after an addition. */
export const SKIP_EPSILON = Math.fround(1e-12);

/** ONNX's function body adds it to the standard deviation. */
export const DEVIATION_EPSILON = Math.fround(1e-9);

async function slope(
  { node, scope }: { readonly node: OnnxNode; readonly scope: Scope },
  name: string,
  otherwise: number,
): Promise<Constant> {
  const epsilon = floatAttribute(node, "epsilon") ?? otherwise;
  const scale = name === "" ? { max: 1 } : await magnitudes(scope, name);
  if (scale === null) return unbounded("its scale could not be read");
  if (!(epsilon > 0)) return unbounded("with epsilon 0 its slope is infinite near a constant input");
  const constant = divUp(scale.max, sqrtDown(epsilon));
  return bounded(constant, `max |scale| / √epsilon, reached only near a constant input (epsilon ${epsilon})`);
}

/** Normalisations by statistics of the input itself: finite only through epsilon. */
export const normalizationConstant: ConstantRule = (chain) =>
  slope(chain, chain.node.inputs[1] ?? "", DEFAULT_EPSILON);

export const meanVarianceConstant: ConstantRule = () =>
  bounded(
    divUp(1, DEVIATION_EPSILON),
    "1/epsilon, reached only near a constant input (epsilon 1e-9, added to the deviation)",
  );

/** Inputs that are added before the normalisation. */
const ADDED = 2;

const COMPUTED = "its scale or bias depends on the network's input, which no rule covers";

/** A sum, then a normalisation. */
export const skipConstant: ConstantRule = async (chain: ChainNode) => {
  const { node, at } = chain;
  if (at >= ADDED) return unbounded(COMPUTED);
  const found = await slope(chain, node.inputs[2] ?? "", SKIP_EPSILON);
  if ("unbounded" in found) return found;
  const copies = copiesAmong({ ...chain, node: addedOnly(node) }, at);
  if (copies === null) return unbounded("how its operands are broadcast is unknown");
  return bounded(mulUp(found.constant, rootUp(copies)), found.because);
};

export const skipJoin: JoinRule = async (join) => {
  const { node, signals } = join;
  if (signals.some((at) => at >= ADDED)) return { unbounded: COMPUTED };
  const found = await slope(join, node.inputs[2] ?? "", SKIP_EPSILON);
  if ("unbounded" in found) return found;
  const copies = signals.map((at) => copiesAmong({ ...join, node: addedOnly(node) }, at));
  if (!copies.every((n) => n !== null)) return { unbounded: "how its operands are broadcast is unknown" };
  return {
    constants: copies.map((n) => mulUp(found.constant, rootUp(n))),
    join: "sum",
    because: `a sum, then ${found.because}`,
  };
};

function addedOnly(node: OnnxNode): OnnxNode {
  return { ...node, inputs: node.inputs.slice(0, ADDED) };
}
