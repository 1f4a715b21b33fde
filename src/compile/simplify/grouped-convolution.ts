import { elementCount, type Node, type NodeOf } from "../graph.ts";
import type { Builder } from "./builder.ts";

/** A convolution of an input that is not dilated by the runtime's own operator, its batch axes as groups. */
export function groupedConvolution(build: Builder, node: NodeOf<"conv">): Node {
  const { strides, padding, rhsDilation, batchDims } = node.parameters;
  const groups = elementCount(node.shape.slice(0, batchDims));
  const [x, kernel] = node.inputs.map((input) => {
    return build.reshape(input, [groups, ...input.shape.slice(batchDims)]);
  });
  const image = cropped(build, x, padding);
  const [, n, channels, ...sizes] = image.shape;
  const order = image.shape
    .map((_, axis) => axis)
    .with(0, 1)
    .with(1, 0);
  const weights = build.reshape(kernel, [groups * kernel.shape[1], ...kernel.shape.slice(2)]);
  const places = node.shape.slice(batchDims + 2);
  const outputs = kernel.shape[1];
  const result = build.node(
    "groupedConv",
    [build.reshape(build.transpose(image, order), [n, groups * channels, ...sizes]), weights],
    {
      groups,
      strides,
      padding: padding.map(([low, high]) => [Math.max(low, 0), Math.max(high, 0)] as const),
      dilations: rhsDilation,
    },
    [n, groups * outputs, ...places],
    node.dtype,
  );
  const apart = build.reshape(result, [n, groups, outputs, ...places]);
  const back = apart.shape
    .map((_, axis) => axis)
    .with(0, 1)
    .with(1, 0);
  return build.reshape(build.transpose(apart, back), node.shape);
}

/** Without what negative padding cuts off the spatial axes of [groups, N, C, …]. */
function cropped(build: Builder, x: Node, padding: readonly (readonly [number, number])[]): Node {
  return build.block(
    x,
    x.shape.map((size, axis) => {
      const [low, high] = axis < 3 ? [0, 0] : padding[axis - 3];
      const start = Math.max(-low, 0);
      return [start, size - start - Math.max(-high, 0)];
    }),
  );
}
