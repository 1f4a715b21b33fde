import type { Network } from "../network/network.ts";
import { UsageError } from "./errors.ts";

/**
 * The shape of one point for a network: that of its one input, without a batch axis of 1.
 * @throws UsageError for a network of several inputs.
 */
export function pointShape({ inputs }: Network): readonly number[] {
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) {
    throw new UsageError(`points are read for one input, and the network has ${inputs.length}`);
  }
  const { shape } = input;
  return shape.length > 1 && shape[0] === 1 ? shape.slice(1) : shape;
}
