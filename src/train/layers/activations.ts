import { lax, numpy as np } from "@jax-js/jax";
import { TrainError } from "../errors.ts";
import type { GraphBuilder, Signal } from "../graph-builder.ts";
import { softplus as softplusOf } from "../losses/softplus.ts";
import type { Module } from "../module.ts";
import type { Tensor } from "../types.ts";
import { float } from "./attributes.ts";
import { logistic } from "./logistic.ts";
import { sameShape, stateless } from "./stateless.ts";

/**
 * max(x, slope·x) for slopes up to 1, in general x where x ≥ 0 and slope·x elsewhere. max(1, |slope|)-Lipschitz.
 * @throws TrainError for a slope that is not a finite number.
 */
export function leakyRelu(slope = 0.01): Module {
  if (typeof slope !== "number" || !Number.isFinite(slope)) {
    throw new TrainError(`leakyRelu: the slope must be a finite number; got ${String(slope)}.`);
  }
  return elementwise(
    "leakyRelu",
    (x) => np.where(np.less(x.ref, 0), x.ref.mul(slope), x),
    (graph, input) => graph.node("LeakyRelu", [input.name], { alpha: float(slope) }),
  );
}

/** 1-Lipschitz; values in [−1, 1]. */
export function tanh(): Module {
  return elementwise("tanh", np.tanh, (graph, input) => graph.node("Tanh", [input.name]));
}

/** 1/(1 + e⁻ˣ): ¼-Lipschitz; values in [0, 1]. */
export function sigmoid(): Module {
  return elementwise("sigmoid", logistic, (graph, input) => graph.node("Sigmoid", [input.name]));
}

/** log(1 + eˣ), a smooth max(x, 0). 1-Lipschitz. */
export function softplus(): Module {
  return elementwise("softplus", softplusOf, (graph, input) => graph.node("Softplus", [input.name]));
}

/** x·Φ(x), Φ the normal distribution function, by erf (not its tanh approximation). 1.128905-Lipschitz. */
export function gelu(): Module {
  return elementwise(
    "gelu",
    (x) => x.ref.mul(lax.erf(x.mul(Math.SQRT1_2)).add(1)).mul(0.5),
    (graph, input) => graph.node("Gelu", [input.name]),
  );
}

/** x/(1 + e⁻ˣ), also called swish. 1.099840-Lipschitz. */
export function silu(): Module {
  return elementwise(
    "silu",
    (x) => x.ref.mul(logistic(x)),
    (graph, input) => graph.node("Mul", [input.name, graph.node("Sigmoid", [input.name])]),
  );
}

/** |x|, which keeps the gradient's norm. 1-Lipschitz; the derivative at 0 is taken as 1. */
export function abs(): Module {
  return elementwise("abs", np.absolute, (graph, input) => graph.node("Abs", [input.name]));
}

function elementwise(
  kind: string,
  apply: (x: Tensor) => Tensor,
  emit: (graph: GraphBuilder, input: Signal) => string,
): Module {
  return stateless({ kind, outputShape: sameShape, apply, emit });
}
