import { isFloatType } from "../../formats/dtype.ts";
import { intAttribute, intsAttribute, stringAttribute } from "../attributes.ts";
import { resizeTarget } from "../shapes/resize.ts";
import { elementCount, knownContents, normalizeAxes, normalizeAxis, type Value } from "../shapes/value.ts";
import {
  bounded,
  type ChainNode,
  type ConstantRule,
  type ConstantRules,
  forEach,
  rootUp,
  unbounded,
} from "./rule.ts";

/** Positions counted for padding that copies entries; larger axes are refused. */
const MAX_COUNTED = 1 << 20;

const isometry: ConstantRule = () => bounded(1, "moves or drops entries, copies none");

function copied(copies: number): ReturnType<typeof bounded> {
  return bounded(
    rootUp(copies),
    copies === 1 ? "copies no entry" : `√${copies}, up to ${copies} copies of an entry`,
  );
}

const cast: ConstantRule = ({ output }) =>
  isFloatType(output.dtype)
    ? bounded(1, "a change of floating-point type (rounding aside)")
    : unbounded(`a cast to ${output.dtype} jumps`);

const dropout: ConstantRule = ({ node, scope }) => {
  const training = node.inputs[2] ?? "";
  const off = training === "" || knownContents(scope.value(training))?.[0] === 0;
  return off ? bounded(1, "the identity when the network is used") : unbounded("dropout in training mode");
};

const expand: ConstantRule = ({ input, output }) => {
  const [before, after] = [elementCount(input.shape), elementCount(output.shape)];
  if (before === null || after === null || before === 0)
    return unbounded("how often it copies entries is unknown");
  return copied(after / before);
};

const tile: ConstantRule = ({ node, scope }) => {
  const repeats = knownContents(scope.value(node.inputs[1] ?? ""));
  if (repeats === undefined) return unbounded("how often it copies entries is unknown");
  return copied(
    Math.max(
      repeats.reduce((a, b) => a * b, 1),
      1,
    ),
  );
};

function mostFrequent(indices: readonly number[]): number {
  const counts = new Map<number, number>();
  let most = 0;
  for (const i of indices) {
    const count = (counts.get(i) ?? 0) + 1;
    counts.set(i, count);
    most = Math.max(most, count);
  }
  return Math.max(most, 1);
}

const gather: ConstantRule = ({ node, scope, input }) => {
  const indices = knownContents(scope.value(node.inputs[1] ?? ""));
  if (indices === undefined) return unbounded("which entries it copies is unknown");
  const axis = normalizeAxis(intAttribute(node, "axis") ?? 0, input.shape?.length ?? 0);
  const size = axis === null ? null : input.shape![axis];
  if (size === null && indices.some((i) => i < 0) && indices.some((i) => i >= 0)) {
    return unbounded("which entries it copies is unknown");
  }
  return copied(mostFrequent(indices.map((i) => (i < 0 && size !== null ? i + size : i))));
};

/** Where padding position i takes its entry from, for an axis of n entries. */
function paddedSource(mode: string, i: number, n: number): number {
  if (mode === "edge") return Math.min(Math.max(i, 0), n - 1);
  if (mode === "wrap") return ((i % n) + n) % n;
  const period = Math.max(2 * (n - 1), 1);
  const r = ((i % period) + period) % period;
  return n === 1 ? 0 : Math.min(r, period - r);
}

function paddedCopies(mode: string, n: number, before: number, after: number): number | null {
  if (before < 0 || after < 0 || n < 1 || n + before + after > MAX_COUNTED) return null;
  const sources = Array.from({ length: n + before + after }, (_, k) => paddedSource(mode, k - before, n));
  return mostFrequent(sources);
}

function inputValues({ node, scope }: ChainNode): (Value | undefined)[] {
  return node.inputs.map((name) => (name === "" ? undefined : scope.value(name)));
}

const pad: ConstantRule = (chain) => {
  const { node, input, opset } = chain;
  const mode = stringAttribute(node, "mode") ?? "constant";
  if (mode === "constant") return bounded(1, "pads with constants");
  const inputs = inputValues(chain);
  const pads = opset < 11 ? intsAttribute(node, "pads") : knownContents(inputs[1]);
  const axes = inputs[3] ? knownContents(inputs[3]) : input.shape?.map((_, i) => i);
  const positions = axes && normalizeAxes(axes, input.shape?.length ?? 0);
  if (!positions || pads?.length !== 2 * positions.length) return unbounded("how it pads is unknown");
  let copies = 1;
  for (const [k, axis] of positions.entries()) {
    const [before, after] = [pads[k], pads[k + positions.length]];
    if (before === 0 && after === 0) continue;
    const size = input.shape![axis];
    const most = size === null ? null : paddedCopies(mode, size, before, after);
    if (most === null) return unbounded("how often padding copies an entry is unknown");
    copies *= most;
  }
  return copied(copies);
};

/** Nearest-neighbour upsampling by whole numbers, each entry copied that often. */
const resize: ConstantRule = (chain) => {
  const { node, opset, input } = chain;
  const upsample = node.opType === "Upsample" || opset < 11;
  const nearest = (stringAttribute(node, "mode") ?? "nearest") === "nearest";
  const plain =
    upsample ||
    (stringAttribute(node, "coordinate_transformation_mode") === "asymmetric" &&
      stringAttribute(node, "nearest_mode") === "floor");
  const op = { node, opset, inputs: inputValues(chain) };
  const target = input.shape && resizeTarget(op, input.shape.length);
  const factors = target?.sizes
    ? target.axes.map((a, k) => (target.sizes?.[k] ?? Number.NaN) / (input.shape?.[a] ?? Number.NaN))
    : target?.scales;
  const whole = factors?.every((f) => Number.isSafeInteger(f) && f >= 1) ?? false;
  if (!nearest || !plain || !whole || !factors) return unbounded("no rule for this kind of resampling");
  return copied(factors.reduce((a, b) => a * b, 1));
};

/** Operators that move, copy or drop entries. */
export const arrangeConstants: ConstantRules = {
  ...forEach(
    "Identity Reshape Flatten Squeeze Unsqueeze Transpose DepthToSpace SpaceToDepth Slice Split Trilu Compress " +
      "ReverseSequence Concat",
    isometry,
  ),
  ...forEach("Cast CastLike", cast),
  Dropout: dropout,
  Expand: expand,
  Tile: tile,
  Gather: gather,
  Pad: pad,
  ...forEach("Resize Upsample", resize),
};
