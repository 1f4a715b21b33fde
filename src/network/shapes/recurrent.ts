import { intAttribute, stringAttribute } from "../attributes.ts";
import { rulesFor, type ShapeRule, type ShapeRules } from "./rule.ts";
import { type Dim, ofShape, UNKNOWN } from "./value.ts";

const recurrent: ShapeRule = (op) => {
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

/** Recurrent layers: outputs Y, Y_h and, for LSTM, Y_c. */
export const recurrentRules: ShapeRules = rulesFor(["RNN", "GRU", "LSTM"], recurrent);
