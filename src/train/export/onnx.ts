import type { AuditReport } from "../../audit/schema.ts";
import { openModel } from "../../formats/open.ts";
import { checkModule } from "../layers/stateless.ts";
import type { Module } from "../module.ts";
import type { Tree } from "../types.ts";
import { type Agreement, checkAgreement } from "./agreement.ts";
import { usingJax } from "./arrays.ts";
import { type Baked, bake } from "./bake.ts";
import { checkFile, type ExportedLayer } from "./check-file.ts";
import { type Emitted, emitOnnx } from "./emit.ts";
import { checkExportOptions, type ExportOptions } from "./options.ts";
import { writeBytes } from "./write.ts";

/** An exported network and what was proved of it. */
export interface OnnxExport extends Agreement {
  readonly bytes: Uint8Array;
  /** The audit of these bytes, at `proof`. */
  readonly report: AuditReport;
  readonly layers: readonly ExportedLayer[];
}

/**
 * A network as an ONNX file (opset 20, any batch size) whose promises hold: each controlled weight is the one its layer
 * uses, divided by what makes its **proved** σ at most the cap, rounding to float32 included. The finished bytes are
 * opened again and audited at `proof`, run in onnxruntime (without it, by our own evaluator) on random batches of two
 * sizes and compared with the network, before anything is written.
 *
 * `params` and `state` are lent; their arrays may be jax-js's or those a compiled function returned. Inputs are float32, or
 * int64 where the network begins with an embedding.
 * @throws ShapeError when `inputShape`, params and network do not fit; ExportError for numbers that are not finite, promises
 * that cannot be proved, and files that compute something else; WriteError when the path cannot be written.
 */
export async function exportOnnx(
  net: Module,
  params: Tree,
  state: Tree,
  options: ExportOptions,
): Promise<OnnxExport> {
  checkModule("What exportOnnx is to export", net);
  const { inputShape, tolerance, path, onProgress } = checkExportOptions("exportOnnx", options);
  return usingJax({ params, state }, async (variables) => {
    const baked = await bake(net, variables, inputShape, {
      prove: true,
      onWeight: (layer, index, count) => onProgress?.({ phase: "baking", layer, index, count }),
    });
    const emitted = emitOnnx(net, baked, inputShape);
    onProgress?.({ phase: "comparing" });
    const agreement = await checkAgreement(emitted, { net, variables, baked }, { inputShape, tolerance });
    onProgress?.({ phase: "auditing" });
    const audited = await auditedFile(emitted, baked, path);
    onProgress?.({ phase: "writing" });
    await writeBytes(path, emitted.bytes);
    return { bytes: emitted.bytes, ...audited, ...agreement };
  });
}

async function auditedFile({ bytes, tensors }: Emitted, baked: Baked, path = "exported network.onnx") {
  const model = await openModel(bytes, { name: path });
  try {
    return await checkFile(
      model,
      baked.weights.map((weight) => ({ weight, tensor: tensors.get(weight.name) })),
    );
  } finally {
    await model.close();
  }
}
