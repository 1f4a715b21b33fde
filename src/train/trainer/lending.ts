import type { Tensor } from "../types.ts";

/** An object whose members are read as one more reference each, so that a reader may consume what it reads. */
export function lending(arrays: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const lent = {};
  for (const [name, array] of Object.entries(arrays)) {
    Object.defineProperty(lent, name, { enumerable: true, get: () => array.ref });
  }
  return lent;
}
