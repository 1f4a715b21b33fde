import { random } from "@jax-js/jax";
import { checkOwnCopy } from "./own-copy.ts";
import type { Tensor } from "./types.ts";

/**
 * Random keys made from one, which is consumed. Not by `const [a, b] = random.split(key)`: taking an array of jax-js apart
 * stops before its end, and what is left over of it is then never freed.
 */
export function splitKey(key: Tensor, count: number): Tensor[] {
  checkOwnCopy("The random key", key);
  return count === 1 ? [key] : [...random.split(key, count)];
}
