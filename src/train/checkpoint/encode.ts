import { encodeSafetensors, type StoredTensor } from "../../formats/safetensors-writer.ts";
import { VERSION } from "../../version.ts";
import { type NamedLeaf, namedLeaves } from "../trainer/names.ts";
import type { Tree } from "../types.ts";

/** What `format` in a checkpoint's metadata says; the number grows when older readers would misread a file. */
export const CHECKPOINT_FORMAT = "lipschitz.checkpoint/1";

/**
 * A tree of arrays, of jax-js or of a compiled function, and the number of steps taken, as one safetensors file: names are the
 * paths, types and bits are kept. Lends the tree.
 */
export async function encodeCheckpoint(lent: Tree, steps: number): Promise<Uint8Array> {
  const tensors: StoredTensor[] = [];
  for (const named of namedLeaves(lent)) tensors.push(await stored(named));
  return encodeSafetensors(tensors, { format: CHECKPOINT_FORMAT, steps: String(steps), lipschitz: VERSION });
}

async function stored({ name, leaf }: NamedLeaf): Promise<StoredTensor> {
  const { dtype, shape } = leaf;
  const data = await leaf.ref.data();
  // Both kinds of arrays give booleans in 32-bit words.
  return { name, dtype, shape, data: dtype === "bool" ? Uint8Array.from(data) : data };
}
