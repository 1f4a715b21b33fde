import { toFloat64 } from "../../formats/decode.ts";
import type { Model } from "../../formats/model.ts";
import type { PlainArray } from "../graph-builder.ts";

/** Whether a model's tensor has exactly that shape and those numbers, in float32. */
export async function holds(
  model: Model,
  name: string | undefined,
  { data, shape }: PlainArray,
): Promise<boolean> {
  const entry = model.tensors.find((tensor) => tensor.name === name);
  if (entry === undefined || entry.dtype !== "float32" || String(entry.shape) !== String(shape)) return false;
  const stored = toFloat64("float32", await entry.read(0, entry.byteLength));
  return data.every((value, i) => value === stored[i]);
}
