import type { Module } from "../module.ts";
import { int } from "./attributes.ts";
import { stateless } from "./stateless.ts";

/** Every example as one vector, row-major: [channels, height, width] → [channels·height·width]. An isometry. */
export function flatten(): Module {
  const sizeOf = (shape: readonly number[]) => shape.reduce((all, size) => all * size, 1);
  return stateless({
    kind: "flatten",
    outputShape: (inputShape) => [sizeOf(inputShape)],
    apply: (x) => x.reshape([x.shape[0], sizeOf(x.shape.slice(1))]),
    emit: (graph, input) => graph.node("Flatten", [input.name], { axis: int(1) }),
  });
}
