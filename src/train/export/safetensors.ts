import { openModel } from "../../formats/open.ts";
import { encodeSafetensors } from "../../formats/safetensors-writer.ts";
import { VERSION } from "../../version.ts";
import type { PlainArray } from "../graph-builder.ts";
import { checkModule } from "../layers/stateless.ts";
import type { Module } from "../module.ts";
import type { Tree } from "../types.ts";
import { checkClose } from "./agreement.ts";
import { usingJax } from "./arrays.ts";
import { bake } from "./bake.ts";
import { type ExportedLayer, provedLayer } from "./check-file.ts";
import { inputKindOf } from "./emit.ts";
import { ExportError } from "./errors.ts";
import { checkExportOptions, type ExportOptions } from "./options.ts";
import { holds } from "./stored.ts";
import { torchArrays } from "./torch-names.ts";
import { writeBytes } from "./write.ts";

/** Exported weights and what was proved of them. */
export interface SafetensorsExport {
  readonly bytes: Uint8Array;
  readonly layers: readonly ExportedLayer[];
  /** The largest difference between outputs with these weights and the trained network's, as a share of the largest output. */
  readonly difference: number;
}

/**
 * A network's weights as a safetensors file that PyTorch loads: float32, baked as `exportOnnx` bakes them, with the layouts
 * and names of `torch.nn` ("0.weight", "3.running_mean", "4.weight_ih_l0"), for
 * `model.load_state_dict(safetensors.torch.load_file(path))` with a `torch.nn.Sequential` of the same layers, without
 * spectral normalization. The bytes are read again and compared before anything is written.
 *
 * `params` and `state` are lent; their arrays may be jax-js's or those a compiled function returned.
 * @throws ShapeError when `inputShape`, params and network do not fit; ExportError for numbers that are not finite, promises
 * that cannot be proved, and weights that compute something else; WriteError when the path cannot be written.
 */
export async function exportSafetensors(
  net: Module,
  params: Tree,
  state: Tree,
  options: ExportOptions,
): Promise<SafetensorsExport> {
  checkModule("What exportSafetensors is to export", net);
  const { inputShape, tolerance, path, onProgress } = checkExportOptions("exportSafetensors", options);
  return usingJax({ params, state }, async (variables) => {
    const baked = await bake(net, variables, inputShape, {
      prove: true,
      onWeight: (layer, index, count) => onProgress?.({ phase: "baking", layer, index, count }),
    });
    onProgress?.({ phase: "comparing" });
    const input = inputKindOf(net, baked, inputShape);
    const difference = await checkClose({ net, variables, baked }, input, { inputShape, tolerance });
    const arrays = [...torchArrays(baked.values.params), ...torchArrays(baked.values.state)];
    const bytes = encodeSafetensors(
      arrays.map(([name, array]) => ({ name, dtype: "float32", ...array })),
      { format: "pt", source: `lipschitz ${VERSION}`, inputShape: JSON.stringify(inputShape) },
    );
    await checkStored(bytes, arrays);
    onProgress?.({ phase: "writing" });
    await writeBytes(path, bytes);
    return { bytes, layers: baked.weights.map(provedLayer), difference };
  });
}

/** @throws ExportError unless the file, read as any reader would, holds exactly these numbers. */
async function checkStored(
  bytes: Uint8Array,
  arrays: readonly (readonly [string, PlainArray])[],
): Promise<void> {
  const model = await openModel(bytes, { name: "exported network.safetensors" });
  try {
    for (const [name, array] of arrays) {
      if (!(await holds(model, name, array))) {
        throw new ExportError(
          `The exported file does not hold the numbers of ${name}. Nothing was written; please report this.`,
        );
      }
    }
  } finally {
    await model.close();
  }
}
