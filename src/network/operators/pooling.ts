import { addUp, divUp, mulUp, sqrtDown, sqrtUp } from "../../linalg/rounding.ts";
import { intAttribute, intsAttribute } from "../attributes.ts";
import { bounded, type ChainNode, type ConstantRule, rootUp, unbounded } from "../constants/rule.ts";
import { shapeFromContents } from "../shapes/inputs.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import { type Dim, elementCount, ofShape, type Shape, UNKNOWN, unknownDims } from "../shapes/value.ts";
import { resolvedPadding, type SlidingWindow, slidingWindow, windowOutput } from "../window.ts";
import { otherSignal, sizeOf } from "./index-maps.ts";
import { perWindow } from "./index-window-function.ts";
import {
  hasEmptyWindow,
  overlap,
  overlaps,
  poolingWindows,
  reductionWindows,
  tapPositions,
  type Windows,
} from "./index-windows.ts";
import type { Operation } from "./operation.ts";
import { maximum } from "./pooling-max.ts";
import { absoluteSum, euclideanNorm } from "./reduce-functions.ts";
import type { Binding, OperationRule, OperatorRules } from "./rule.ts";
import { type AxisMatrix, axesPart, axisMatrix, summingMatrices } from "./sum-parts.ts";

const MISFIT = "its window attributes do not fit together";

/** Window entries visited for an exact average; larger poolings use the bound for any size. */
const MAX_VISITED = 1 << 22;

const poolShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const kernel = intsAttribute(op.node, "kernel_shape");
  const { shape } = x;
  const both = (s: Shape | null) => [ofShape(s, x.dtype), ofShape(s, "int64")];
  if (shape === null) return both(kernel ? unknownDims(kernel.length + 2) : null);
  const w = kernel && kernel.length === shape.length - 2 ? slidingWindow(op.node, kernel) : null;
  if (w === null) return both([...shape.slice(0, 2), ...unknownDims(Math.max(shape.length - 2, 0))]);
  return both([...shape.slice(0, 2), ...w.kernel.map((_, i) => windowOutput(w, i, shape[i + 2]))]);
};

const globalShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  return [ofShape(x.shape?.map((d, i) => (i < 2 ? d : 1)) ?? null, x.dtype)];
};

const roiShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const rois = op.inputs[1]?.shape?.[0] ?? null;
  const pooled = intsAttribute(op.node, "pooled_shape");
  const height = pooled?.[0] ?? intAttribute(op.node, "output_height") ?? 1;
  const width = pooled?.[1] ?? intAttribute(op.node, "output_width") ?? 1;
  return [ofShape([rois, x.shape?.[1] ?? null, height, width], x.dtype)];
};

const unpoolShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const given = shapeFromContents(op.inputs[2]);
  if (given !== null) return [ofShape(given, x.dtype)];
  const kernel = intsAttribute(op.node, "kernel_shape");
  const w = kernel ? slidingWindow(op.node, kernel) : null;
  if (x.shape === null || w === null || op.inputs[2] !== undefined) return [ofShape(null, x.dtype)];
  const spatial = w.kernel.map((k, i) => {
    const d = x.shape![i + 2] ?? null;
    return d === null ? null : (d - 1) * w.strides[i] + k - w.pads[i][0] - w.pads[i][1];
  });
  return [ofShape([...x.shape.slice(0, 2), ...spatial], x.dtype)];
};

function windowOf({ node }: Pick<ChainNode, "node">): SlidingWindow | null {
  const kernel = intsAttribute(node, "kernel_shape");
  return kernel ? slidingWindow(node, kernel) : null;
}

/** Each window's maximum (or ℓ2 norm) is 1-Lipschitz in its entries; entries count once per window they are in. */
const windowed: ConstantRule = (chain) => {
  const w = windowOf(chain);
  if (w === null) return unbounded(MISFIT);
  const most = overlaps(w);
  return bounded(
    rootUp(most),
    most === 1 ? "windows do not overlap" : `an entry lies in up to ${most} windows`,
  );
};

/** Averages along one axis: windows divide by their taps inside the input, or inside the padded input. */
function averages(
  w: SlidingWindow,
  axis: number,
  size: number,
  outputs: number,
  padded: boolean,
): readonly { readonly positions: readonly number[]; readonly divisor: number }[] {
  const [before, after] = resolvedPadding(w, axis, size);
  const [low, high] = padded ? [-before, size + after] : [0, size];
  return tapPositions(w, axis, size, outputs).map((taps) => ({
    positions: taps.filter((i) => i >= 0 && i < size),
    divisor: taps.filter((i) => i >= low && i < high).length,
  }));
}

/** √(max row sum × max column sum) of the averages along an axis. Rows sum to at most 1. */
function averageInside(
  w: SlidingWindow,
  axis: number,
  size: number,
  outputs: number,
  padded: boolean,
): number {
  const columns = new Float64Array(size);
  for (const { positions, divisor } of averages(w, axis, size, outputs, padded)) {
    for (const i of positions) columns[i] = addUp(columns[i], divUp(1, divisor));
  }
  return sqrtUp(columns.reduce((a, b) => Math.max(a, b), 0));
}

function averageAxis(w: SlidingWindow, axis: number, size: Dim, padded: boolean): number {
  const most = overlap(w, axis);
  const [before, after] = resolvedPadding(w, axis, size);
  const unresolved = size === null && w.autoPad.startsWith("SAME");
  const full = !w.ceilMode && (padded || (before === 0 && after === 0 && !unresolved));
  if (full) return sqrtUp(divUp(most, w.kernel[axis]));
  const outputs = windowOutput(w, axis, size);
  // Rows sum to at most 1 whatever the divisors, and a column has at most `most` entries, each at most 1.
  if (size === null || outputs === null) return rootUp(most);
  if (Math.max(size, outputs * w.kernel[axis]) > MAX_VISITED) return rootUp(most);
  return averageInside(w, axis, size, outputs, padded);
}

const includesPadding = ({ node }: Pick<ChainNode, "node">) => intAttribute(node, "count_include_pad") === 1;

const averageConstant: ConstantRule = (chain) => {
  const w = windowOf(chain);
  if (w === null) return unbounded(MISFIT);
  const sizes = chain.input.shape?.length === w.kernel.length + 2 ? chain.input.shape.slice(2) : null;
  const constant = w.kernel.reduce((product, _, axis) => {
    return mulUp(product, averageAxis(w, axis, sizes?.[axis] ?? null, includesPadding(chain)));
  }, 1);
  return bounded(constant, "norm of the averaging, axis by axis");
};

const globalAverageConstant: ConstantRule = ({ input }) => {
  const count = elementCount(input.shape?.slice(2) ?? null);
  if (count === null || count < 1) return bounded(1, "an average is 1-Lipschitz (size unknown)");
  return bounded(divUp(1, sqrtDown(count)), `1/√n, an average of ${count} entries`);
};

const powerOf = ({ node }: Pick<ChainNode, "node">) => intAttribute(node, "p") ?? 2;

/** Σ|x| is √n-Lipschitz in the n entries of a window, √Σx² is 1-Lipschitz. */
const normConstant: ConstantRule = (chain) => {
  const p = powerOf(chain);
  const w = windowOf(chain);
  if (w === null) return unbounded(MISFIT);
  if (p === 2) return windowed(chain);
  if (p !== 1) return unbounded(`no rule for p = ${p}`);
  const [entries, most] = [sizeOf(w.kernel), overlaps(w)];
  return bounded(rootUp(entries * most), `sums of up to ${entries} entries, each in up to ${most} windows`);
};

const globalNormConstant: ConstantRule = (chain) => {
  const p = powerOf(chain);
  if (p === 2) return bounded(1, "a norm is 1-Lipschitz");
  if (p !== 1) return unbounded(`no rule for p = ${p}`);
  const count = elementCount(chain.input.shape?.slice(2) ?? null);
  return count === null
    ? unbounded("its constant is √n for a sum of n entries, and n is unknown; give the input sizes")
    : bounded(rootUp(Math.max(count, 1)), `√n, a sum of ${count} entries`);
};

const shapesOf = ({ inputs, outputs }: Binding) => ({
  input: inputs[0]?.shape ?? [],
  output: outputs.find((v) => v !== undefined)?.shape ?? [],
});

/** A pooling whose windows all hold entries. */
function pooling(
  bind: (windows: Windows, binding: Binding, w: SlidingWindow) => Operation | string,
): OperationRule {
  return (binding) => {
    const { input, output } = shapesOf(binding);
    const w = windowOf(binding);
    if (w === null || w.kernel.length !== input.length - 2) return MISFIT;
    const windows = poolingWindows(w, input, output);
    return (
      otherSignal(binding) ??
      (hasEmptyWindow(windows) ? "a window lies in the padding alone" : bind(windows, binding, w))
    );
  };
}

/** The number of a position as the Indices output counts it: planes in order, the last axis first if column-major. */
function numbering({ node }: Binding, sizes: readonly number[]): (position: number) => number {
  if (intAttribute(node, "storage_order") !== 1) return (at) => at;
  const plane = sizeOf(sizes);
  return (at) => {
    let rest = at % plane;
    const index = [...sizes].reverse().map((size) => {
      const i = rest % size;
      rest = Math.floor(rest / size);
      return i;
    });
    // index runs from the last axis to the first; column-major, the first axis varies fastest.
    return at - (at % plane) + index.reduce((number, i, k) => number * sizes[sizes.length - 1 - k] + i, 0);
  };
}

const maxPool = pooling((windows, binding) => {
  const { input } = shapesOf(binding);
  const [values, indices] = binding.outputs;
  const index = indices && { of: numbering(binding, input.slice(2)), count: sizeOf(input) };
  return maximum(windows, 1, { values: values !== undefined, index });
});

/** Averages are products of averages along each axis, divisors included: windows are boxes. */
const averagePool = pooling((_, binding, w) => {
  const { input, output } = shapesOf(binding);
  const padded = includesPadding(binding);
  const matrices = w.kernel.map((_k, axis): readonly [number, AxisMatrix] => {
    const size = input[axis + 2];
    const rows = averages(w, axis, size, output[axis + 2], padded).map(({ positions, divisor }) =>
      positions.map((i) => [i, 1 / divisor] as const),
    );
    return [axis + 2, axisMatrix(rows, size, 1)];
  });
  return { kind: "affine", parts: [axesPart(input, new Map(matrices))] };
});

const normPool = pooling((windows, binding) => normOf(windows, powerOf(binding)));

function normOf(windows: Windows, p: number): Operation | string {
  if (p === 2) return perWindow(windows, euclideanNorm);
  return p === 1 ? perWindow(windows, absoluteSum) : `p = ${p} is not covered`;
}

/** A pooling over all spatial axes. */
function globally(
  bind: (shape: readonly number[], axes: readonly number[], binding: Binding) => Operation | string,
): OperationRule {
  return (binding) => {
    const { input } = shapesOf(binding);
    if (sizeOf(input) === 0) return "its input has no entries";
    const axes = input.flatMap((_, axis) => (axis < 2 ? [] : [axis]));
    return otherSignal(binding) ?? bind(input, axes, binding);
  };
}

const globalMax = globally((shape, axes) => maximum(reductionWindows(shape, axes), 1, { values: true }));

const globalAverage = globally((shape, axes) => {
  const count = sizeOf(axes.map((axis) => shape[axis]));
  return { kind: "affine", parts: [axesPart(shape, summingMatrices(shape, axes, 1 / count))] };
});

const globalNorm = globally((shape, axes, binding) =>
  normOf(reductionWindows(shape, axes), powerOf(binding)),
);

const REGIONS = "which entries it pools depends on the regions it is given";

/** Pooling: sliding, global and over regions. */
export const poolingRules: OperatorRules = {
  MaxPool: { shape: poolShape, constant: windowed, operation: maxPool },
  AveragePool: { shape: poolShape, constant: averageConstant, operation: averagePool },
  LpPool: { shape: poolShape, constant: normConstant, operation: normPool },
  GlobalMaxPool: {
    shape: globalShape,
    constant: () => bounded(1, "a maximum is 1-Lipschitz"),
    operation: globalMax,
  },
  GlobalAveragePool: { shape: globalShape, constant: globalAverageConstant, operation: globalAverage },
  GlobalLpPool: { shape: globalShape, constant: globalNormConstant, operation: globalNorm },
  RoiAlign: { shape: roiShape, constant: REGIONS },
  MaxRoiPool: { shape: roiShape, constant: REGIONS },
  MaxUnpool: { shape: unpoolShape, constant: "where it puts entries depends on the indices it is given" },
  QLinearAveragePool: { shape: poolShape, constant: "it rounds its activations to integers, which jumps" },
};
