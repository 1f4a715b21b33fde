import type { OnnxNode } from "../../formats/onnx/types.ts";
import { imageOf } from "../enclose.ts";
import { applyOperation } from "../evaluate.ts";
import { sizeOf } from "./index-maps.ts";
import type { Box } from "./operation.ts";
import {
  type Coefficients,
  coefficientsOf,
  dequantized,
  dequantizedBox,
  quantized,
  quantizedBox,
  quantizerOf,
  type Spread,
} from "./quantizer.ts";
import type { Binding, BoundInput, OperationRule, OperatorRule } from "./rule.ts";

/** Where a quantised operand, its scale and its zero point are among a node's inputs. */
export interface QuantizedOperand {
  readonly at: number;
  readonly spread?: Spread;
}

/** An operator on quantised operands: a real one between dequantisation and rounding. */
export interface QuantizedForm {
  readonly of: OperatorRule;
  readonly opType: string;
  /** Each followed by its scale and zero point. */
  readonly operands: readonly QuantizedOperand[];
  /** Where the result's scale is, its zero point behind it. */
  readonly result: number;
  /** An input that holds whole numbers, to be multiplied by the scales of both operands: a bias. */
  readonly bias?: number;
}

interface Bound {
  readonly input: BoundInput;
  readonly coefficients: Coefficients;
  /** Which of the node's signals it is; −1 for a constant. */
  readonly signal: number;
}

function boundOperand(
  { inputs, signals }: Binding,
  { at, spread = { axis: 0 } }: QuantizedOperand,
): Bound | string {
  const [input, scale, zero] = [inputs[at], inputs[at + 1], inputs[at + 2]];
  if (input === undefined) return "an operand is missing";
  const coefficients = coefficientsOf(input.shape, scale, zero, spread);
  return typeof coefficients === "string"
    ? coefficients
    : { input, coefficients, signal: signals.indexOf(at) };
}

/** The bias as a real number for each channel. */
function realBias(bias: BoundInput | undefined, operands: readonly Bound[]): BoundInput | undefined | string {
  if (bias === undefined) return undefined;
  const [x, w] = operands.map((o) => o.coefficients.scale);
  if (bias.data === undefined || x.length !== 1) return "its bias or scales depend on the network's input";
  const data = bias.data.map((b, i) => b * x[0] * (w.length === 1 ? w[0] : w[i]));
  return { shape: bias.shape, dtype: "float32", data };
}

/** Runs a quantised operator: the derivative is 0 wherever there is one, and no slope is finite. */
export function rounding({ of, opType, operands, result, bias }: QuantizedForm): OperationRule {
  return (binding) => {
    const { inputs, outputs, signals, opset } = binding;
    const bound: Bound[] = [];
    for (const operand of operands) {
      const found = boundOperand(binding, operand);
      if (typeof found === "string") return found;
      bound.push(found);
    }
    const taken = bound.filter((o) => o.signal >= 0);
    if (taken.length !== signals.length) return "its scales or its bias depend on the network's input";
    const real = realBias(bias === undefined ? undefined : inputs[bias], bound);
    const output = outputs[0];
    if (typeof real === "string") return real;
    if (output === undefined) return "its result is not used";
    const quantizer = quantizerOf(output, inputs[result], inputs[result + 1], { axis: 0 });
    if (typeof quantizer === "string") return quantizer;
    const core = of.operation?.({
      node: realNode(binding.node, opType),
      opset,
      inputs: [...bound.map(realOperand), ...(real === undefined ? [] : [real])],
      signals: bound.flatMap((o, i) => (o.signal >= 0 ? [i] : [])),
      outputs: [{ shape: output.shape, dtype: "float32" }],
    });
    if (core === undefined) return "no rule runs it";
    if (typeof core === "string") return core;
    const size = sizeOf(output.shape);
    const sizes = taken.map((o) => sizeOf(o.input.shape));
    return {
      kind: "general",
      forward: (x) =>
        quantized(
          applyOperation(
            core,
            taken.map((o, i) => dequantized(x[i], o.coefficients)),
          ),
          quantizer,
        ),
      jvp: () => new Float64Array(size),
      vjp: () => sizes.map((n) => new Float64Array(n)),
      image: (x: readonly Box[]) =>
        quantizedBox(
          imageOf(
            core,
            taken.map((o, i) => dequantizedBox(x[i], o.coefficients)),
            size,
          ),
          quantizer,
        ),
    };
  };
}

function realNode(node: OnnxNode, opType: string): OnnxNode {
  return { ...node, opType, domain: "" };
}

function realOperand({ input, coefficients, signal }: Bound): BoundInput {
  const { shape, data } = input;
  const real = { shape, dtype: "float32" };
  return signal >= 0 || data === undefined ? real : { ...real, data: dequantized(data, coefficients) };
}
