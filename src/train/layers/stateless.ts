import { TrainError } from "../errors.ts";
import type { GraphBuilder, Signal } from "../graph-builder.ts";
import type { Module } from "../module.ts";
import { checkOwnCopy } from "../own-copy.ts";
import type { Shape, Tensor } from "../types.ts";

/** A layer without parameters: its shapes, its function of a batch, and its ONNX nodes. */
export interface Stateless {
  readonly kind: string;
  outputShape(inputShape: Shape): Shape;
  /** Consumes x. */
  apply(x: Tensor): Tensor;
  emit(graph: GraphBuilder, input: Signal): string;
}

/** A module of a function that has nothing to train and nothing to remember. */
export function stateless({ kind, outputShape, apply, emit }: Stateless): Module {
  return {
    kind,
    outputShape,
    init(key, inputShape) {
      key.dispose();
      outputShape(inputShape);
      return { params: {}, state: {} };
    },
    apply(_params, _state, x) {
      checkOwnCopy(`${kind}: x`, x);
      outputShape(x.shape.slice(1));
      return { y: apply(x), state: {} };
    },
    advance: () => ({}),
    project: () => ({ params: {}, state: {} }),
    weights: () => [],
    emit: (graph, input) => ({ name: emit(graph, input), shape: outputShape(input.shape) }),
  };
}

/** The same shape out as in: what elementwise layers have for `outputShape`. */
export function sameShape(inputShape: Shape): Shape {
  return inputShape;
}

/** @throws TrainError unless `module` has a module's functions. */
export function checkModule(where: string, module: Module): void {
  if (typeof module?.apply !== "function" || typeof module.init !== "function") {
    throw new TrainError(
      `${where} is not a module; made by functions such as linear(10) or relu(): was a call left out?`,
    );
  }
}
