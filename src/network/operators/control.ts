import { graphAttribute, intAttribute, intsAttribute } from "../attributes.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import {
  agreement,
  type Dim,
  knownContents,
  normalizeAxis,
  ofShape,
  type Shape,
  sameShape,
  UNKNOWN,
  type Value,
} from "../shapes/value.ts";
import type { OperatorRules } from "./rule.ts";

const conditional: ShapeRule = (op) => {
  const branches = ["then_branch", "else_branch"].map((name) => {
    const graph = graphAttribute(op.node, name);
    return graph === undefined ? [] : op.body(graph, []);
  });
  const condition = knownContents(op.inputs[0])?.[0];
  if (condition !== undefined) return branches[condition ? 0 : 1];
  return op.node.outputs.map((_, i) => {
    const [a, b] = branches.map((outputs) => outputs[i] ?? UNKNOWN);
    return ofShape(agreement(a.shape, b.shape), a.dtype === b.dtype ? a.dtype : "unknown");
  });
};

function stacked(value: Value, count: Dim, axis: number): Value {
  if (value.shape === null) return ofShape(null, value.dtype);
  const at = normalizeAxis(axis, value.shape.length + 1);
  if (at === null) return ofShape(null, value.dtype);
  return ofShape([...value.shape.slice(0, at), count, ...value.shape.slice(at)], value.dtype);
}

/** Carried values change from step to step: their contents are unknown and their shapes at first assumed kept. */
function blurred(value: Value | undefined): Value | undefined {
  return value && ofShape(value.shape, value.dtype);
}

/**
 * A body's outputs when values carried from step to step keep their shapes; where they do not, the body is seen
 * again with those shapes unknown, so that what is said holds at every step.
 */
function settled(
  run: (carried: readonly (Value | undefined)[]) => readonly Value[],
  carried: readonly (Value | undefined)[],
  skip: number,
): readonly Value[] {
  const start = carried.map(blurred);
  const outputs = run(start);
  const kept = start.map((v, i) => sameShape(v?.shape ?? null, outputs[i + skip]?.shape ?? null));
  if (kept.every(Boolean)) return outputs;
  return run(start.map((v) => ofShape(null, v?.dtype ?? "unknown")));
}

const loop: ShapeRule = (op) => {
  const graph = graphAttribute(op.node, "body");
  if (graph === undefined) return [];
  const carried = op.inputs.slice(2);
  const iteration = ofShape([], "int64");
  const outputs = settled((state) => op.body(graph, [iteration, ofShape([], "bool"), ...state]), carried, 1);
  const final = carried.map((v, i) => {
    const out = outputs[i + 1] ?? UNKNOWN;
    // No step may run at all: then the initial value is the result.
    return ofShape(agreement(v?.shape ?? null, out.shape), out.dtype);
  });
  return [...final, ...outputs.slice(carried.length + 1).map((v) => stacked(v, null, 0))];
};

const scan: ShapeRule = (op) => {
  const graph = graphAttribute(op.node, "body");
  const scanned = intAttribute(op.node, "num_scan_inputs") ?? 0;
  // Operator set 8 had a batch axis and a sequence length of its own.
  if (graph === undefined || op.opset < 9 || scanned < 1 || scanned > op.inputs.length) return [];
  const states = op.inputs.slice(0, op.inputs.length - scanned);
  const inputs = op.inputs.slice(op.inputs.length - scanned);
  const axes = intsAttribute(op.node, "scan_input_axes");
  let count: Dim = null;
  const slices = inputs.map((v, i) => {
    const shape: Shape | null = v?.shape ?? null;
    const axis = shape && normalizeAxis(axes?.[i] ?? 0, shape.length);
    if (shape === null || axis === null) return ofShape(null, v?.dtype ?? "unknown");
    count ??= shape[axis];
    return ofShape(
      shape.filter((_, a) => a !== axis),
      v!.dtype,
    );
  });
  const outputs = settled((state) => op.body(graph, [...state, ...slices]), states, 0);
  const outputAxes = intsAttribute(op.node, "scan_output_axes");
  const rest = outputs.slice(states.length).map((v, i) => stacked(v, count, outputAxes?.[i] ?? 0));
  const final = states.map((v, i) =>
    ofShape(agreement(v?.shape ?? null, outputs[i]?.shape ?? null), outputs[i]?.dtype ?? "unknown"),
  );
  return [...final, ...rest];
};

const STEPS = "its body runs as often as the input says, and no constant holds for every number of steps";

/** Operators that run subgraphs. An If whose condition is known is followed into its branch, wherever it stands. */
export const controlRules: OperatorRules = {
  If: {
    shape: conditional,
    constant: "its condition depends on the input, and its branches may differ where it changes",
  },
  Loop: { shape: loop, constant: STEPS },
  Scan: { shape: scan, constant: STEPS },
};
