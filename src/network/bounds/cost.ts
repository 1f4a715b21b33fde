import type { Network } from "../network.ts";
import type { AffineOperation } from "../operators/operation.ts";

/** Multiplications of one run of an affine operation, roughly. */
export function affineCost({ parts }: AffineOperation): number {
  return parts.reduce((n, part) => n + part.rows * Math.max(1, part.roundings), 0);
}

/** Multiplications of one run of the network, roughly: what budgets of searches are counted in. */
export function runCost(network: Network): number {
  return network.nodes.reduce(
    (sum, { operation, size }) => sum + (operation.kind === "affine" ? affineCost(operation) : 8 * size),
    0,
  );
}
