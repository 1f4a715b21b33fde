import { intAttribute } from "../attributes.ts";
import { bounded, type ConstantRule, unbounded } from "../constants/rule.ts";
import { type Seen, scalarOf } from "../shapes/inputs.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import { asDim, normalizeAxis, ofShape, UNKNOWN } from "../shapes/value.ts";
import { otherSignal, sizeOf } from "./index-maps.ts";
import type { Box, GeneralOperation } from "./operation.ts";
import type { OperationRule, OperatorRules } from "./rule.ts";

const topShape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  if (x.shape === null) return [ofShape(null, x.dtype), ofShape(null, "int64")];
  const axis = normalizeAxis(intAttribute(op.node, "axis") ?? -1, x.shape.length);
  const k = asDim(scalarOf(op, 1, "k"));
  const out = x.shape.map((d, i) => (i === axis ? k : d));
  return axis === null ? [] : [ofShape(out, x.dtype), ofShape(out, "int64")];
};

const UNSORTED =
  "with sorted=0 the order of its values is left to the runtime and may jump; export it with sorted=1";

const isSorted = ({ node }: Pick<Seen, "node">) => intAttribute(node, "sorted") !== 0;

/** Sorting is 1-Lipschitz (it is the nearest of all orders, by the rearrangement inequality), and so is a part of it. */
const topConstant: ConstantRule = (chain) =>
  isSorted(chain) ? bounded(1, "sorted values move no farther than the entries") : unbounded(UNSORTED);

/** Lines along the axis: where each starts, how far apart its entries are, and how many of them are kept. */
interface Lines {
  readonly outer: number;
  readonly size: number;
  readonly inner: number;
  readonly k: number;
  readonly sign: 1 | -1;
}

/** For each place of the result, which entry it is: the k largest (sign 1) of each line, the first of equal ones first. */
function ranked(x: Float64Array, { outer, size, inner, k, sign }: Lines): Int32Array {
  const found = new Int32Array(outer * k * inner);
  const order = new Int32Array(size);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const start = o * size * inner + i;
      for (let j = 0; j < size; j++) order[j] = start + j * inner;
      order.sort((a, b) => sign * (x[b] - x[a]) || a - b);
      for (let j = 0; j < k; j++) found[(o * k + j) * inner + i] = order[j];
    }
  }
  return found;
}

function topOperation(lines: Lines, values: boolean, indices: boolean): GeneralOperation {
  const { outer, size, inner, k } = lines;
  const results = outer * k * inner;
  const total = (values ? results : 0) + (indices ? results : 0);
  const bound = ({ lo, hi }: Box): Box => {
    const image = { lo: new Float64Array(total), hi: new Float64Array(total).fill(size - 1) };
    if (!values) return image;
    // The j-th largest entry grows with each entry.
    ranked(lo, lines).forEach((at, i) => {
      image.lo[i] = lo[at];
    });
    ranked(hi, lines).forEach((at, i) => {
      image.hi[i] = hi[at];
    });
    return image;
  };
  return {
    kind: "general",
    forward([x]) {
      const y = new Float64Array(total);
      ranked(x, lines).forEach((at, i) => {
        if (values) y[i] = x[at];
        if (indices) y[total - results + i] = Math.floor(at / inner) % size;
      });
      return y;
    },
    jvp([x], _, [dx]) {
      const dy = new Float64Array(total);
      if (values) {
        ranked(x, lines).forEach((at, i) => {
          dy[i] = dx[at];
        });
      }
      return dy;
    },
    vjp([x], _, dy) {
      const dx = new Float64Array(x.length);
      if (values) {
        ranked(x, lines).forEach((at, i) => {
          dx[at] += dy[i];
        });
      }
      return [dx];
    },
    image: ([box]) => bound(box),
    local: () => (indices ? null : { constants: [1], join: "sum" }),
  };
}

const top: OperationRule = (binding) => {
  const other = otherSignal(binding);
  if (other !== undefined) return other;
  const shape = binding.inputs[0]?.shape ?? [];
  const axis = normalizeAxis(intAttribute(binding.node, "axis") ?? -1, shape.length);
  const [values, indices] = binding.outputs;
  const k = axis === null ? undefined : (values ?? indices)?.shape[axis];
  if (axis === null || k === undefined || k > shape[axis]) return "its axis has fewer entries than it keeps";
  if (!isSorted(binding)) return UNSORTED;
  const lines: Lines = {
    outer: sizeOf(shape.slice(0, axis)),
    size: shape[axis],
    inner: sizeOf(shape.slice(axis + 1)),
    k,
    sign: intAttribute(binding.node, "largest") === 0 ? -1 : 1,
  };
  return topOperation(lines, values !== undefined, indices !== undefined);
};

/** Operators that sort. */
export const topRules: OperatorRules = {
  TopK: { shape: topShape, constant: topConstant, operation: top },
};
