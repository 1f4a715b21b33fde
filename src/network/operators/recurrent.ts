import { intAttribute, stringAttribute } from "../attributes.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import { type Dim, ofShape, UNKNOWN } from "../shapes/value.ts";
import { elman, gru, lstm } from "./recurrent-cells.ts";
import { recurrentConstant, recurrentJoin } from "./recurrent-constant.ts";
import { type Layer, recurrentOperation } from "./recurrent-operation.ts";
import type { OperatorRule, OperatorRules } from "./rule.ts";

const shape: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const batchFirst = intAttribute(op.node, "layout") === 1;
  const [first, second] = x.shape?.length === 3 ? x.shape : [null, null];
  const [steps, batch] = batchFirst ? [second, first] : [first, second];
  const directions = stringAttribute(op.node, "direction") === "bidirectional" ? 2 : 1;
  const hidden: Dim = intAttribute(op.node, "hidden_size") ?? op.inputs[2]?.shape?.[2] ?? null;
  const all = batchFirst ? [batch, steps, directions, hidden] : [steps, directions, batch, hidden];
  const last = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
  return [ofShape(all, x.dtype), ofShape(last, x.dtype), ofShape(last, x.dtype)];
};

const RNN: Layer = { gates: 1, initial: [5], activations: ["Tanh"], program: elman };

const GRU: Layer = {
  gates: 3,
  initial: [5],
  activations: ["Sigmoid", "Tanh"],
  program: (weights, node) => gru(weights, (intAttribute(node, "linear_before_reset") ?? 0) !== 0),
};

const LSTM: Layer = { gates: 4, initial: [5, 6], activations: ["Sigmoid", "Tanh", "Tanh"], program: lstm };

function rule(layer: Layer, everyLength: string): OperatorRule {
  return {
    shape,
    constant: recurrentConstant(layer, everyLength),
    jointOutputs: true,
    join: recurrentJoin(layer, everyLength),
    operation: recurrentOperation(layer),
  };
}

const BALL = "give the input sizes, or bound it on a ball with --around";

/** Recurrent layers: outputs Y, Y_h and, for LSTM, Y_c. */
export const recurrentRules: OperatorRules = {
  RNN: rule(RNN, `its state need not forget, so no constant holds for every number of steps; ${BALL}`),
  GRU: rule(GRU, `its gates may keep its state, so no constant holds for every number of steps; ${BALL}`),
  LSTM: rule(LSTM, `its cell adds up over time, so no constant holds for every number of steps; ${BALL}`),
};
