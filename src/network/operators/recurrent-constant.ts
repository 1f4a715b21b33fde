import type { OnnxNode } from "../../formats/onnx/types.ts";
import { addUp, divUp, down, mulUp, sqrtDown, sqrtUp } from "../../linalg/rounding.ts";
import { intAttribute } from "../attributes.ts";
import { bounded, type ConstantRule, unbounded } from "../constants/rule.ts";
import { values } from "../constants/stored-values.ts";
import { everything } from "../enclose.ts";
import { isRead, type Scope } from "../scope.ts";
import { isKnown } from "../shapes/value.ts";
import { sizeOf } from "./index-maps.ts";
import { type Layer, sequenceOf } from "./recurrent-operation.ts";
import type { Sequence } from "./recurrent-sequence.ts";
import { sequenceSteepness } from "./recurrent-steepness.ts";
import type { Binding, BoundInput, Join, JoinRule } from "./rule.ts";

/** Steps followed one by one; constants that grow with their number are of no use beyond. */
const MAX_STEPS = 4096;

interface Place {
  readonly node: OnnxNode;
  readonly scope: Scope;
  readonly opset: number;
}

async function constantInput(scope: Scope, name: string): Promise<BoundInput | string> {
  const { shape, dtype } = scope.value(name);
  const data = await values(scope, name);
  if (data === null || !isKnown(shape))
    return `its constant "${name}" is not stored in the file as it is used`;
  return { shape, dtype, data: Float64Array.from(data) };
}

/** The node with its weights, its batch as far as it matters: examples do not mix. */
async function bindingOf(
  { node, scope, opset }: Place,
  signals: readonly number[],
  steps: number,
): Promise<Binding | string> {
  const inputs: (BoundInput | undefined)[] = [];
  for (const [i, name] of node.inputs.entries()) {
    if (name === "" || signals.includes(i)) inputs.push(undefined);
    else {
      const found = await constantInput(scope, name);
      if (typeof found === "string") return found;
      inputs.push(found);
    }
  }
  const batchFirst = intAttribute(node, "layout") === 1;
  const width = inputs[1]?.shape[2] ?? 0;
  const directions = inputs[2]?.shape[0] ?? 0;
  const hidden = inputs[2]?.shape[2] ?? 0;
  const states = node.inputs.flatMap((_, i) =>
    i >= FIRST_STATE && inputs[i] !== undefined ? [inputs[i]] : [],
  );
  const batch = states[0]?.shape[batchFirst ? 0 : 1] ?? 1;
  const shapes = signals.map((i) => {
    if (i === 0) return batchFirst ? [batch, steps, width] : [steps, batch, width];
    return batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
  });
  for (const [k, i] of signals.entries()) inputs[i] = { shape: shapes[k], dtype: "float32" };
  const outputs = node.outputs.map((name) =>
    name !== "" && isRead(scope, name) ? { shape: [], dtype: "float32" } : undefined,
  );
  return { node, opset, inputs, signals, outputs };
}

const FIRST_STATE = 5;

/** The number of steps, where it is known: not where it may be what was taken for a batch. */
function stepsOf({ node, scope }: Place): number | null {
  const shape = scope.steadyShape(node.inputs[0] ?? "");
  return shape?.[intAttribute(node, "layout") === 1 ? 1 : 0] ?? null;
}

const STATE =
  "its initial state may be any number, so its gates have no finite slope; bound it on a ball with --around";

async function steepnessOf(
  layer: Layer,
  place: Place,
  signals: readonly number[],
  everyLength: string,
): Promise<Join> {
  const steps = stepsOf(place);
  if (steps !== null && steps > MAX_STEPS)
    return { unbounded: `more than ${MAX_STEPS} steps are not followed` };
  const binding = await bindingOf(place, signals, steps ?? 1);
  if (typeof binding === "string") return { unbounded: binding };
  const sequence = sequenceOf(layer, binding);
  if (typeof sequence === "string") return { unbounded: sequence };
  if (steps === null) {
    const found = signals.length === 1 ? fading(sequence) : null;
    if (found === null) return { unbounded: everyLength };
    return { constants: [found], join: "sum", because: "‖W‖/(1 − ‖R‖) of a state that fades" };
  }
  const boxes = signals.map((i) => everything(sizeOf(binding.inputs[i]?.shape ?? [])));
  const found = sequenceSteepness(sequence, boxes);
  if (found !== null) return { ...found, because: `norms of its weights, over ${steps} steps` };
  return { unbounded: `its constant over ${steps} steps is not finite` };
}

/**
 * An Elman network of any number of steps: with L the slope of its activation and ρ = L‖R‖ < 1, all states move by
 * L‖W‖Σρᵗ = L‖W‖/(1 − ρ) at most, the last one by L‖W‖/√(1 − ρ²). null for other layers.
 */
function fading({ directions, layout }: Sequence): number | null {
  let square = 0;
  for (const { program } of directions) {
    const [gate, activation, ...more] = program.instructions;
    if (more.length > 0 || gate?.kind !== "affine" || activation?.kind !== "apply") return null;
    const [low, high] = activation.f.slopes(-Infinity, Infinity);
    const slope = Math.max(Math.abs(low), Math.abs(high));
    const [w, rho] = gate.norms.map((norm) => mulUp(slope, norm()));
    if (!(rho < 1)) return null;
    const all = divUp(w, down(1 - rho));
    const last = divUp(w, sqrtDown(down(1 - mulUp(rho, rho))));
    if (layout.gives[0]) square = addUp(square, mulUp(all, all));
    if (layout.gives[1]) square = addUp(square, mulUp(last, last));
  }
  return sqrtUp(square);
}

export function recurrentConstant(layer: Layer, everyLength: string): ConstantRule {
  return async (chain) => {
    const found = await steepnessOf(layer, chain, [chain.at], everyLength);
    return "unbounded" in found ? unbounded(found.unbounded) : bounded(found.constants[0], found.because);
  };
}

export function recurrentJoin(layer: Layer, everyLength: string): JoinRule {
  return (join) => {
    const gated = layer.gates > 1 && join.signals.some((i) => i >= FIRST_STATE);
    return gated ? { unbounded: STATE } : steepnessOf(layer, join, join.signals, everyLength);
  };
}
