import { stringAttribute } from "../attributes.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import { type Dim, ofShape, rowMajorStrides } from "../shapes/value.ts";
import { axisRange, separableSources, sizeOf } from "./index-maps.ts";
import { constantProduct, type MatrixLayout, matrixLayout, signalProduct } from "./matrix-layout.ts";
import { rearrangedOperation } from "./rearranged-operation.ts";
import { gathered, rearrangedPart } from "./rearranged-part.ts";
import type { BoundInput, OperationRule } from "./rule.ts";

/** An Einsum equation without ellipsis: labels per operand and of the result. */
export interface EinsumEquation {
  readonly operands: readonly string[];
  readonly result: string;
}

/** Parses an Einsum equation; null with an ellipsis or characters that are no labels. */
export function einsumEquation(text: string): EinsumEquation | null {
  const [left, right, ...more] = text.replaceAll(" ", "").split("->");
  const operands = left.split(",");
  if (more.length > 0 || !operands.every((t) => /^[A-Za-z]*$/.test(t))) return null;
  if (right !== undefined && !/^[A-Za-z]*$/.test(right)) return null;
  const letters = operands.join("");
  const once = [...new Set(letters)].filter((c) => letters.split(c).length === 2).sort();
  return { operands, result: right ?? once.join("") };
}

export const einsumShape: ShapeRule = (op) => {
  const dtype = op.inputs[0]?.dtype ?? "unknown";
  const equation = einsumEquation(stringAttribute(op.node, "equation") ?? "...");
  if (equation === null || equation.operands.length !== op.inputs.length) return [ofShape(null, dtype)];
  const sizes = new Map<string, Dim>();
  equation.operands.forEach((labels, i) => {
    const shape = op.inputs[i]?.shape;
    [...labels].forEach((label, axis) => {
      const d = shape?.length === labels.length ? shape[axis] : null;
      // Size 1 broadcasts, so another operand's size wins.
      const seen = sizes.get(label) ?? null;
      sizes.set(label, seen === null || seen === 1 ? (d ?? seen) : seen);
    });
  });
  return [
    ofShape(
      [...equation.result].map((label) => sizes.get(label) ?? null),
      dtype,
    ),
  ];
};

type Sizes = ReadonlyMap<string, number>;

function sizesOf({ operands }: EinsumEquation, shapes: readonly (readonly number[])[]): Sizes | string {
  const sizes = new Map<string, number>();
  for (const [i, labels] of operands.entries()) {
    if (labels.length !== shapes[i].length)
      return `"${labels}" does not name the axes of shape [${shapes[i]}]`;
    for (const [axis, label] of [...labels].entries()) {
      const size = shapes[i][axis];
      const known = sizes.get(label) ?? 1;
      if (known !== 1 && size !== 1 && known !== size) return `label ${label} has sizes ${known} and ${size}`;
      sizes.set(label, known === 1 ? size : known);
    }
  }
  return sizes;
}

/** Where a tensor is read for each position of these labels: a label twice is a diagonal, a missing one repeats. */
function readAs(order: string, sizes: Sizes, labels: string, shape: readonly number[]): Int32Array {
  const strides = rowMajorStrides(shape);
  return separableSources(
    [...order].map((label) => {
      const size = sizes.get(label) ?? 1;
      const step = [...labels].reduce(
        (sum, l, axis) => (l === label && shape[axis] > 1 ? sum + strides[axis] : sum),
        0,
      );
      return axisRange(size, step);
    }),
  );
}

/** The scalar that an Einsum of one operand is multiplied by. */
const ONE: BoundInput = { shape: [], dtype: "float32", data: Float64Array.of(1) };

/** An Einsum of two operands as a batch of matrix products. */
interface Form {
  readonly layout: MatrixLayout;
  /** Where each operand is read. */
  readonly sources: readonly [Int32Array, Int32Array];
  /** Where the products are read for the result; absent when in order. */
  readonly result: Int32Array | undefined;
}

/**
 * Labels of both operands and the result are the batch, those of one and the result are its free axis, and whatever
 * is not in the result is summed.
 */
function formOf(
  equation: EinsumEquation,
  shapes: readonly [readonly number[], readonly number[]],
): Form | string {
  const { operands, result } = equation;
  const [left, right] = operands;
  if (new Set(result).size !== result.length) return "its result names an axis twice";
  const sizes = sizesOf(equation, shapes);
  if (typeof sizes === "string") return sizes;
  if ([...result].some((label) => !sizes.has(label))) return "its result has a label that no operand has";
  const labels = [...sizes.keys()];
  const kept = (test: (label: string) => boolean) =>
    labels.filter((l) => result.includes(l) && test(l)).join("");
  const batch = kept((l) => left.includes(l) && right.includes(l));
  const rows = kept((l) => !right.includes(l));
  const cols = kept((l) => !left.includes(l));
  const inner = labels.filter((l) => !result.includes(l)).join("");
  const size = (group: string) => sizeOf(dims(group, sizes));
  const layout = matrixLayout(
    { shape: [size(batch), size(rows), size(inner)], transposed: false },
    { shape: [size(batch), size(inner), size(cols)], transposed: false },
    1,
  );
  if (typeof layout === "string") return layout;
  const order = batch + rows + cols;
  return {
    layout,
    sources: [
      readAs(batch + rows + inner, sizes, left, shapes[0]),
      readAs(batch + inner + cols, sizes, right, shapes[1]),
    ],
    result: unlessIdentity(readAs(result, sizes, order, dims(order, sizes))),
  };
}

function dims(labels: string, sizes: Sizes): readonly number[] {
  return [...labels].map((label) => sizes.get(label) ?? 1);
}

export const einsumOperation: OperationRule = ({ node, inputs, signals }) => {
  const parsed = einsumEquation(stringAttribute(node, "equation") ?? "...");
  if (parsed === null || parsed.operands.length !== inputs.length) return "its equation is not covered";
  if (inputs.length > 2) return "an Einsum of more than two operands is not covered";
  const [a, b = ONE] = inputs;
  if (a === undefined) return "it takes no operand";
  const [left, right = ""] = parsed.operands;
  const form = formOf({ operands: [left, right], result: parsed.result }, [a.shape, b.shape]);
  if (typeof form === "string") return form;
  if (signals.length === 2) {
    const sizes = [sizeOf(a.shape), sizeOf(b.shape)];
    const sources = form.sources.map(unlessIdentity);
    return rearrangedOperation(signalProduct(form.layout), { sources, sizes, result: form.result });
  }
  const constant = a.data === undefined ? 1 : 0;
  const [own, other] = constant === 0 ? [left, right] : [right, left];
  // Its terms could cancel, which the magnitude of the matrix would not show.
  if ([...own].some((label) => !other.includes(label) && !parsed.result.includes(label)))
    return "it sums its constant over an axis of its own";
  const data = (constant === 0 ? a.data : b.data) ?? new Float64Array(0);
  const part = constantProduct(form.layout, constant, gathered(data, form.sources[constant]));
  const argument = unlessIdentity(form.sources[1 - constant]);
  const signal = constant === 0 ? b : a;
  return {
    kind: "affine",
    parts: [rearrangedPart(part, sizeOf(signal.shape), { argument, result: form.result })],
  };
};

function unlessIdentity(sources: Int32Array): Int32Array | undefined {
  return sources.every((s, i) => s === i) ? undefined : sources;
}
