import { splitmix64 } from "../linalg/random.ts";

const MASK = (1n << 64n) - 1n;

/**
 * The seed of one piece of work, from the report's seed and the numbers that name the piece (which layer, which
 * matrix, which attempt). Different names give unrelated starts; the same name always the same.
 */
export function deriveSeed(seed: bigint, ...path: readonly number[]): bigint {
  let state = splitmix64(seed & MASK);
  for (const step of path) state = splitmix64(state ^ splitmix64(BigInt(step)));
  return state;
}
