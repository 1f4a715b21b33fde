import { tree } from "@jax-js/jax";
import { exportOnnx, type OnnxExport } from "../export/onnx.ts";
import type { Module } from "../module.ts";
import type { Shape } from "../types.ts";
import { type ShortTraining, trainedBriefly } from "./short-training.ts";

/** What becomes of a network that was trained briefly and exported. */
export async function exportedAfterTraining(
  net: Module,
  inputShape: Shape,
  options: ShortTraining = {},
): Promise<OnnxExport> {
  const { params, state } = await trainedBriefly(net, inputShape, options);
  const made = await exportOnnx(net, params, state, { inputShape });
  tree.dispose([params, state] as never);
  return made;
}
