import { sqrtUp } from "../linalg/rounding.ts";
import { stringAttribute } from "./attributes.ts";
import { constantOf } from "./constant-of.ts";
import type { ChainNode } from "./constants/rule.ts";
import { fusedActivation } from "./fused-activation.ts";
import { broadcastCopies } from "./operators/broadcast-constant.ts";
import type { GraphNode, WeightUse } from "./use.ts";
import { einsumRoles } from "./weights/matrix.ts";

const PRODUCTS: ReadonlySet<string> = new Set(["MatMul", "FusedMatMul", "Einsum"]);
const LAYERS: ReadonlySet<string> = new Set(["conv", "conv-transpose", "dense"]);

type Steps = { readonly steps: GraphNode["steps"] } | { readonly unbounded: string };

/** Copies that a matrix product makes of its input by broadcasting it against a batch of matrices; null if unknown. */
function productCopies({ node, scope, input, at }: ChainNode): number | null {
  const constant = scope.value(node.inputs[1 - at] ?? "").shape;
  if (node.opType === "Einsum") {
    const roles = einsumRoles(stringAttribute(node, "equation") ?? "", 1 - at);
    if (roles === null || constant === null || input.shape?.length !== roles.other.length) return null;
    const agree = [...roles.labels].every((label, i) => {
      const axis = roles.other.indexOf(label);
      return axis < 0 || (constant[i] !== null && constant[i] === input.shape![axis]);
    });
    return agree ? 1 : null;
  }
  return broadcastCopies(input.shape?.slice(0, -2) ?? null, constant?.slice(0, -2) ?? null);
}

/** The steps of a node that applies a stored weight to its one signal: the weight, copies, a fused activation. */
export async function weightSteps(chain: ChainNode, uses: readonly WeightUse[]): Promise<Steps> {
  const { node } = chain;
  const [use] = uses;
  if (use.operator === "embedding") {
    return { unbounded: "it looks rows up by number, which is not continuous" };
  }
  if (uses.some((u) => u.roundsActivations === true)) {
    return {
      unbounded: "it rounds its activations to integers, which jumps; the dequantised weight is bounded",
    };
  }
  if (!LAYERS.has(use.operator)) return constantStep(chain);
  if (use.layout.kind === "convolution" && chain.at !== 0)
    return { unbounded: "its bias depends on the input" };
  if (node.opType === "Attention") return { unbounded: "dot-product attention has no finite constant" };
  const steps: GraphNode["steps"][number][] = [
    { factor: { use }, because: `norm of ${use.operator} weight ${use.weight.name}` },
  ];
  const copies = PRODUCTS.has(node.opType) ? productCopies(chain) : 1;
  if (copies === null) return { unbounded: "how its input is broadcast against the weight is unknown" };
  if (copies > 1) {
    steps.push({
      factor: { constant: sqrtUp(copies) },
      because: `its input is copied to ${copies} matrices`,
    });
  }
  const activation = fusedActivation(node);
  if (activation === undefined) return { steps };
  const rest = await constantStep({ ...chain, node: activation, at: 0 });
  return "unbounded" in rest ? rest : { steps: [...steps, ...rest.steps] };
}

async function constantStep(chain: ChainNode): Promise<Steps> {
  const found = await constantOf(chain);
  if ("unbounded" in found) return found;
  return { steps: [{ factor: { constant: found.constant }, because: found.because }] };
}
