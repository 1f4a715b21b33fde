import { IndexTable, type Node, type Shape } from "../graph.ts";
import type { Builder, Rule, Rules } from "./builder.ts";
import { gatheredWindows } from "./convolution.ts";
import { tabulate, type WindowAxis } from "./window-tables.ts";

/** One pooled axis: windows of `window` elements, `stride` apart, at `places` places. */
interface PooledAxis {
  readonly size: number;
  readonly window: number;
  readonly stride: number;
  readonly places: number;
}

function pooledAxes(input: Shape, window: readonly number[], strides: readonly number[]): PooledAxis[] {
  const first = input.length - window.length;
  return window.map((size, i) => ({
    size: input[first + i],
    window: size,
    stride: strides[i],
    places: Math.ceil((input[first + i] - size + 1) / strides[i]),
  }));
}

const apart = (axes: readonly PooledAxis[]) => axes.every(({ window, stride }) => window <= stride);

const pool: Rule<"pool"> = (build, { inputs: [x], parameters: { window, strides }, shape }) => {
  const axes = pooledAxes(x.shape, window, strides);
  if (shape.includes(0)) return undefined;
  return apart(axes) ? separateWindows(build, x, axes) : overlappingWindows(build, x, axes);
};

/** Windows that share no element: the axes cut into pieces. */
function separateWindows(build: Builder, x: Node, axes: readonly PooledAxis[]): Node {
  const lead = x.shape.slice(0, x.shape.length - axes.length);
  const whole = resized(build, x, [...lead, ...axes.map(({ places, stride }) => places * stride)]);
  const cut = build.reshape(whole, [...lead, ...axes.flatMap(({ places, stride }) => [places, stride])]);
  const windows = resized(build, cut, [...lead, ...axes.flatMap(({ places, window }) => [places, window])]);
  return build.transpose(windows, placesFirst(lead.length, axes.length));
}

/** From [lead, place₁, within₁, place₂, within₂, …] to [lead, …places, …within]. */
function placesFirst(lead: number, count: number): number[] {
  const pairs = Array.from({ length: count }, (_, i) => lead + 2 * i);
  return [...Array.from({ length: lead }, (_, axis) => axis), ...pairs, ...pairs.map((axis) => axis + 1)];
}

/** Cut off or padded with zeros at the end of each axis. */
function resized(build: Builder, x: Node, shape: Shape): Node {
  const cut = build.block(
    x,
    x.shape.map((size, axis) => [0, Math.min(size, shape[axis])]),
  );
  const widths = shape.map((size, axis) => [0, size - cut.shape[axis]] as const);
  return build.node("pad", [cut], { widths }, shape, x.dtype);
}

function overlappingWindows(build: Builder, x: Node, axes: readonly PooledAxis[]): Node {
  const windows = axes.map(
    ({ size, window, stride, places }): WindowAxis => ({
      size,
      countA: places,
      countB: window,
      strideA: stride,
      strideB: 1,
      offset: 0,
      dilation: 1,
    }),
  );
  return channelsLast(build, x, axes.length, (moved, first) => gatheredWindows(build, moved, first, windows));
}

/** Gathers with the last leading axis at the end, in blocks of it rather than element by element. */
function channelsLast(
  build: Builder,
  x: Node,
  pooled: number,
  gather: (x: Node, first: number) => Node,
): Node {
  const lead = x.shape.length - pooled;
  if (lead === 0) return gather(x, 0);
  const axes = x.shape.map((_, axis) => axis);
  const moved = build.transpose(x, [...axes.slice(0, lead - 1), ...axes.slice(lead), lead - 1]);
  const gathered = gather(moved, lead - 1);
  const last = gathered.shape.length - 1;
  const order = gathered.shape.map((_, axis) => axis);
  return build.transpose(gathered, [...order.slice(0, lead - 1), last, ...order.slice(lead - 1, last)]);
}

const poolTranspose: Rule<"poolTranspose"> = (build, { inputs: [x], parameters, shape }) => {
  if (x.shape.includes(0)) return undefined;
  const axes = pooledAxes(shape, parameters.window, parameters.strides);
  return apart(axes) ? separateWindowsJoined(build, x, axes, shape) : windowsAdded(build, x, axes, shape);
};

function separateWindowsJoined(build: Builder, x: Node, axes: readonly PooledAxis[], shape: Shape): Node {
  const lead = shape.slice(0, shape.length - axes.length);
  const order = [...lead.keys(), ...axes.flatMap((_, i) => [lead.length + i, lead.length + axes.length + i])];
  const pairs = build.transpose(x, order);
  const whole = resized(build, pairs, [...lead, ...axes.flatMap(({ places, stride }) => [places, stride])]);
  const joined = build.reshape(whole, [...lead, ...axes.map(({ places, stride }) => places * stride)]);
  return resized(build, joined, shape);
}

/** Gathers, for each element, its copies in all windows that hold it, and adds them. */
function windowsAdded(build: Builder, x: Node, axes: readonly PooledAxis[], shape: Shape): Node {
  const lead = shape.length - axes.length;
  const flat = axes.reduce((size, { places, window }) => size * places * window, 1);
  const table = copiesTable(axes);
  const copies = channelsLast(build, build.reshape(x, [...shape.slice(0, lead), flat]), 1, (moved, first) =>
    build.node(
      "take",
      [moved],
      { axis: first, table },
      moved.shape.toSpliced(first, 1, ...table.shape),
      x.dtype,
    ),
  );
  const added = axes.map((_, i) => lead + axes.length + i);
  return build.reduce("add", copies, added);
}

/** Places in the flattened axes [...places, ...window], for each element and each of the windows that may hold it. */
function copiesTable(axes: readonly PooledAxis[]): IndexTable {
  const most = axes.map(({ window, stride }) => Math.ceil(window / stride));
  const shape = [...axes.map(({ size }) => size), ...most];
  const key = axes.map((axis) => Object.values(axis).join(" ")).join("; ");
  const indices = tabulate(shape, (index) => {
    let place = 0;
    let within = 0;
    for (const [i, { places, window, stride }] of axes.entries()) {
      const p = Math.floor(index[i] / stride) - index[axes.length + i];
      const j = index[i] - p * stride;
      if (p < 0 || p >= places || j >= window) return -1;
      place = place * places + p;
      within = within * window + j;
    }
    return place * axes.reduce((size, { window }) => size * window, 1) + within;
  });
  return new IndexTable(`copies ${key}`, shape, indices);
}

/** Pooling windows and their adjoint as cut axes where windows share nothing, and as gathers where they do. */
export const POOLING: Rules = { pool: [pool], poolTranspose: [poolTranspose] };
