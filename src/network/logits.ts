import { applyOperation } from "./evaluate.ts";
import { type Network, NetworkError, type NetworkNode } from "./network.ts";

/** Last nodes that keep the order of a vector's entries. */
const ORDER_KEPT: ReadonlySet<string> = new Set(["Softmax", "LogSoftmax"]);

/**
 * A classifier as it is certified: one input, one output vector; a final softmax over that whole vector left out,
 * since it keeps which entry is largest.
 * @throws NetworkError when the network has another form.
 */
export function logitsOf(network: Network): Network {
  const { inputs, outputs, nodes } = network;
  if (inputs.length !== 1) {
    throw new NetworkError("network", `a certificate needs one floating-point input, got ${inputs.length}`);
  }
  if (outputs.length !== 1) {
    throw new NetworkError("network", `a certificate needs one floating-point output, got ${outputs.length}`);
  }
  const [output] = outputs;
  const { ref, shape } = output;
  if (ref.size < 2 || shape.at(-1) !== ref.size) {
    throw new NetworkError(
      output.name,
      `a certificate needs one vector of class scores, got the shape [${shape}]`,
    );
  }
  const last = ref.node < 0 ? undefined : nodes[ref.node];
  if (last === undefined || !ORDER_KEPT.has(last.op) || !isOverAll(last)) return network;
  return { inputs, outputs: [{ ...output, ref: last.inputs[0] }], nodes: nodes.slice(0, ref.node) };
}

/** True when a softmax is one over all its entries, not one over each of them: equal scores share what there is. */
function isOverAll({ operation, size }: NetworkNode): boolean {
  const [share] = applyOperation(operation, [new Float64Array(size)]);
  return share < 0 || (share > 0 && share < 1);
}
