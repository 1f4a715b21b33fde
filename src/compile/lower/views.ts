import { elementCount, type Node, type Shape } from "../graph.ts";
import { filled } from "./emitter.ts";
import { type Lower, type Lowering, type Lowerings, unreshaped } from "./lowering.ts";
import { transposed } from "./transposition.ts";

const constant: Lower<"constant"> = ({ emitter }, { parameters: { data }, shape, dtype }) =>
  emitter.tensor(dtype, shape, data);

const scalar: Lower<"scalar"> = ({ emitter }, { parameters: { value }, dtype }) =>
  emitter.scalar(value, dtype);

const reshape: Lower<"reshape"> = (lowering, node) => lowering.reshaped(node, node.shape);

/** Repeated constants up to this many elements are written into the model. */
const LARGEST_LITERAL = 1024;

const expand: Lower<"expand"> = (lowering, node) => {
  const { emitter } = lowering;
  const source = unreshaped(node.inputs[0]);
  if (source.op === "scalar" && elementCount(node.shape) <= LARGEST_LITERAL) {
    return emitter.sharedTensor(
      `${node.dtype} ${node.shape} of ${source.parameters.value}`,
      node.dtype,
      node.shape,
      () => filled(node.shape, node.dtype, source.parameters.value),
    );
  }
  return emitter.op("Expand", [lowering.name(node.inputs[0]), emitter.integers(node.shape)]);
};

const transpose: Lower<"transpose" | "arrange"> = (lowering, { inputs: [x], parameters: { permutation } }) =>
  transposed(lowering, lowering.name(x), x.shape, permutation);

/** Beyond the first element, for a slice that goes backwards. */
const BEFORE_FIRST = -(2 ** 31);

const slice: Lower<"slice"> = (lowering, { inputs: [x], parameters: { starts, steps }, shape }) => {
  const { emitter } = lowering;
  const axes = shape.flatMap((size, axis) => (size === x.shape[axis] && steps[axis] === 1 ? [] : [axis]));
  const end = (axis: number) => {
    const past = starts[axis] + steps[axis] * shape[axis];
    return past < 0 ? BEFORE_FIRST : past;
  };
  const lists = [axes.map((axis) => starts[axis]), axes.map(end), axes, axes.map((axis) => steps[axis])];
  return emitter.op("Slice", [lowering.name(x), ...lists.map((list) => emitter.integers(list))]);
};

const pad: Lower<"pad"> = (lowering, { inputs: [x], parameters: { widths }, dtype }) => {
  const { emitter } = lowering;
  const pads = emitter.integers([...widths.map(([low]) => low), ...widths.map(([, high]) => high)]);
  return emitter.op("Pad", [lowering.name(x), pads, emitter.scalar(0, dtype)]);
};

const concatenate: Lower<"concatenate"> = (lowering, { inputs, parameters: { axis } }) =>
  lowering.emitter.op("Concat", lowering.names(inputs), { axis });

/** A Gather; places without a source read a row of zeros put at the end. */
const take: Lower<"take"> = (lowering, { inputs: [x], parameters: { axis, table }, dtype }) => {
  const { emitter } = lowering;
  const size = x.shape[axis];
  const zeros = table.indices.includes(-1);
  const source = zeros ? withZeros(lowering, x, axis) : lowering.name(x);
  const indices = emitter.sharedTensor(`table ${size} ${table.key}`, "int64", table.shape, () =>
    BigInt64Array.from(table.indices, (place) => BigInt(place === -1 ? size : place)),
  );
  return dtype === "bool" && zeros
    ? lowering.cast(emitter.op("Gather", [source, indices], { axis }), dtype)
    : emitter.op("Gather", [source, indices], { axis });
};

function withZeros(lowering: Lowering, x: Node, axis: number): string {
  const shape: Shape = x.shape.with(axis, 1);
  const zeros = lowering.emitter.sharedTensor(`${x.dtype} ${shape} zeros`, x.dtype, shape, () =>
    filled(shape, x.dtype, 0),
  );
  return lowering.emitter.op("Concat", [lowering.name(x), zeros], { axis });
}

export const VIEWS: Lowerings = {
  constant,
  scalar,
  reshape,
  expand,
  transpose,
  arrange: transpose,
  slice,
  pad,
  concatenate,
  take,
};
