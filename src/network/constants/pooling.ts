import { addUp, divUp, mulUp, sqrtDown, sqrtUp } from "../../linalg/rounding.ts";
import { intAttribute, intsAttribute } from "../attributes.ts";
import { reducedAxes } from "../shapes/reduce.ts";
import { type Dim, elementCount } from "../shapes/value.ts";
import { resolvedPadding, type SlidingWindow, slidingWindow, windowOutput } from "../window.ts";
import {
  bounded,
  type ChainNode,
  type ConstantRule,
  type ConstantRules,
  forEach,
  rootUp,
  unbounded,
} from "./rule.ts";

/** Window entries visited for an exact average; larger poolings use the bound for any size. */
const MAX_VISITED = 1 << 22;

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Most windows that one input position belongs to along an axis: ⌈k·gcd(s,d)/s⌉. */
export function overlap(w: SlidingWindow, axis: number): number {
  return Math.ceil((w.kernel[axis] * gcd(w.strides[axis], w.dilations[axis])) / w.strides[axis]);
}

function windowOf({ node }: ChainNode): SlidingWindow | null {
  const kernel = intsAttribute(node, "kernel_shape");
  return kernel ? slidingWindow(node, kernel) : null;
}

function overlaps(w: SlidingWindow): number {
  return w.kernel.reduce((product, _, axis) => product * overlap(w, axis), 1);
}

/** Each window's maximum (or ℓ2 norm) is 1-Lipschitz in its entries; entries count once per window they are in. */
const windowed: ConstantRule = (chain) => {
  const w = windowOf(chain);
  if (w === null) return unbounded("its window attributes do not fit together");
  const most = overlaps(w);
  return bounded(
    rootUp(most),
    most === 1 ? "windows do not overlap" : `an entry lies in up to ${most} windows`,
  );
};

/**
 * √(max row sum × max column sum) of the 1-D averaging matrix whose windows divide by their entries inside the input,
 * or inside the padded input. Rows sum to at most 1.
 */
function averageInside(
  w: SlidingWindow,
  axis: number,
  size: number,
  outputs: number,
  padded: boolean,
): number {
  const [before, after] = resolvedPadding(w, axis, size);
  const [low, high] = padded ? [-before, size + after] : [0, size];
  const columns = new Float64Array(size);
  for (let o = 0; o < outputs; o++) {
    const start = o * w.strides[axis] - before;
    const taps = Array.from({ length: w.kernel[axis] }, (_, q) => start + q * w.dilations[axis]);
    const divisor = taps.filter((i) => i >= low && i < high).length;
    for (const i of taps) if (i >= 0 && i < size) columns[i] = addUp(columns[i], divUp(1, divisor));
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

const average: ConstantRule = (chain) => {
  const w = windowOf(chain);
  if (w === null) return unbounded("its window attributes do not fit together");
  const padded = intAttribute(chain.node, "count_include_pad") === 1;
  const sizes = chain.input.shape?.length === w.kernel.length + 2 ? chain.input.shape.slice(2) : null;
  const constant = w.kernel.reduce((product, _, axis) => {
    return mulUp(product, averageAxis(w, axis, sizes?.[axis] ?? null, padded));
  }, 1);
  return bounded(constant, "norm of the averaging, axis by axis");
};

const globalAverage: ConstantRule = ({ input }) => {
  const count = elementCount(input.shape?.slice(2) ?? null);
  if (count === null || count < 1) return bounded(1, "an average is 1-Lipschitz (size unknown)");
  return bounded(divUp(1, sqrtDown(count)), `1/√n, an average of ${count} entries`);
};

function reducedCount(chain: ChainNode): number | null {
  const { node, scope, input } = chain;
  if (input.shape === null) return null;
  const inputs = node.inputs.map((name) => (name === "" ? undefined : scope.value(name)));
  const axes = reducedAxes({ node, inputs }, input.shape.length);
  return axes && elementCount(axes.map((a) => input.shape![a]));
}

const mean: ConstantRule = (chain) => {
  const count = reducedCount(chain);
  if (count === null || count < 1) return bounded(1, "an average is 1-Lipschitz (size unknown)");
  return bounded(divUp(1, sqrtDown(count)), `1/√n, an average of ${count} entries`);
};

const sum: ConstantRule = (chain) => {
  const count = reducedCount(chain);
  if (count === null) return unbounded("its constant is √n for a sum of n entries, and n is unknown");
  return bounded(rootUp(Math.max(count, 1)), `√n, a sum of ${count} entries`);
};

const euclidean =
  (rule: ConstantRule): ConstantRule =>
  (chain) =>
    (intAttribute(chain.node, "p") ?? 2) === 2 ? rule(chain) : unbounded("no rule for this p");

/** Pooling and reductions. */
export const poolingConstants: ConstantRules = {
  MaxPool: windowed,
  LpPool: euclidean(windowed),
  AveragePool: average,
  GlobalAveragePool: globalAverage,
  GlobalMaxPool: () => bounded(1, "a maximum is 1-Lipschitz"),
  GlobalLpPool: euclidean(() => bounded(1, "a norm is 1-Lipschitz")),
  ReduceMean: mean,
  ...forEach("ReduceSum ReduceL1", sum),
  ...forEach("ReduceMax ReduceMin", () => bounded(1, "a maximum is 1-Lipschitz")),
  ReduceL2: () => bounded(1, "a norm is 1-Lipschitz"),
  ReduceLogSumExp: () => bounded(1, "its gradient is a softmax, of norm at most 1"),
};
