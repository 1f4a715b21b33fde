import { openModel } from "../formats/open.ts";
import type { Bound, Guarantee } from "../linalg/bound.ts";
import { type BoundedNetwork, bound as boundNetwork, type NetworkBoundOptions } from "../network/bound.ts";
import { importOnnx } from "../network/import-onnx.ts";
import { checkChoice, checkOptions } from "./checks.ts";
import type { NormOf } from "./controls/control.ts";
import { TrainError } from "./errors.ts";
import { usingJax } from "./export/arrays.ts";
import { bake, weightInUse, weightName } from "./export/bake.ts";
import { emitOnnx } from "./export/emit.ts";
import { checkInputShape } from "./export/options.ts";
import { normBound, promiseOf } from "./export/proved.ts";
import { checkModule } from "./layers/stateless.ts";
import type { Module } from "./module.ts";
import type { Shape, Tree } from "./types.ts";

/** How a network in training is bounded. */
export interface BoundOptions extends Omit<NetworkBoundOptions, "known"> {
  /** The shape of one input, without the batch axis. */
  readonly inputShape: Shape;
}

const BOUND_OPTIONS = ["inputShape", "guarantee", "seed", "failureProbability", "points", "signal"];

/**
 * The interval of the Lipschitz constant (ℓ2, all inputs) of a network as it is now, by the same rules as the audit of a
 * file: its weights as its layers use them at this moment, not shrunk to what their controls promise.
 *
 * `params` and `state` are lent; their arrays may be jax-js's or those a compiled function returned.
 * @throws ShapeError when `inputShape` does not fit; ExportError for numbers that are not finite; TrainError for a network
 * that takes ids; NetworkError for a module whose nodes no rule runs.
 */
export async function bound(
  net: Module,
  params: Tree,
  state: Tree,
  options: BoundOptions,
): Promise<BoundedNetwork> {
  checkModule("What bound is to bound", net);
  checkInputShape("bound", options);
  checkOptions("bound", options, BOUND_OPTIONS);
  const { inputShape, ...how } = options;
  const { bytes, input } = await usingJax({ params, state }, async (variables) =>
    emitOnnx(net, await bake(net, variables, inputShape, { prove: false }), inputShape),
  );
  if (input.kind === "ids") {
    throw new TrainError(
      "A network that takes ids has no Lipschitz constant: neighbouring ids mean nothing. Bound what comes after its " +
        "embedding, and look at the embedding's own norm with layerNorms.",
    );
  }
  const model = await openModel(bytes, { name: "network in training.onnx" });
  try {
    return boundNetwork(await importOnnx(model), how);
  } finally {
    await model.close();
  }
}

/** The norm of one weight of a network in training. */
export interface LayerNorm {
  /** Its path in the network: "0.2.weight". */
  readonly name: string;
  /** The largest σ that its control promises; null without a promise. */
  readonly cap: number | null;
  /** Which norm `sigma` is: the operator's, unless the control promises that of the reshaped kernel. */
  readonly norm: NormOf;
  readonly sigma: Bound;
}

export interface LayerNormsOptions {
  /** The shape of one input, without the batch axis. */
  readonly inputShape: Shape;
  /** Default "probable". */
  readonly guarantee?: Guarantee;
}

/**
 * The interval of σ₁ of every weight, as its layer uses it at this moment: after its control, and not shrunk.
 * Lends `params` and `state`, as `bound` does.
 * @throws ShapeError when `inputShape` does not fit; ExportError for numbers that are not finite.
 */
export async function layerNorms(
  net: Module,
  params: Tree,
  state: Tree,
  options: LayerNormsOptions,
): Promise<LayerNorm[]> {
  checkModule("What layerNorms is to measure", net);
  checkInputShape("layerNorms", options);
  checkOptions("layerNorms", options, ["inputShape", "guarantee"]);
  const guarantee = checkChoice("layerNorms", "guarantee", options.guarantee ?? "probable", GUARANTEES);
  return usingJax({ params, state }, async (variables) => {
    const norms: LayerNorm[] = [];
    for (const use of net.weights(options.inputShape)) {
      const name = weightName(use);
      const promise = promiseOf(use.slot);
      const norm = promise?.norm ?? "operator";
      const weight = await weightInUse(name, use, variables);
      norms.push({
        name,
        cap: promise?.cap ?? null,
        norm,
        sigma: await normBound(use, weight, norm, guarantee),
      });
    }
    return norms;
  });
}

const GUARANTEES: readonly Guarantee[] = ["estimate", "probable", "proof"];
