import { floatAttribute } from "../attributes.ts";
import { clip } from "./activation-pieces.ts";
import { at, type Constant, hasData, NOT_A_NUMBER, type Operands, operandsOf } from "./broadcast.ts";
import { unitFunctions } from "./broadcast-function.ts";
import { type Choice, selection } from "./broadcast-select.ts";
import type { Operation, ScalarFunction } from "./operation.ts";
import type { Binding, OperationRule } from "./rule.ts";

const PICK = { larger: Math.max, smaller: Math.min } as const;

/** Several constants as one, entry by entry. */
function merged(constants: readonly Constant[], size: number, choice: Choice): Constant {
  const [only] = constants;
  if (constants.length === 1) return only;
  const data = new Float64Array(size).fill(choice === "larger" ? -Infinity : Infinity);
  for (const { data: numbers, sources } of constants) {
    for (let i = 0; i < size; i++) data[i] = PICK[choice](data[i], numbers[at(sources, i)]);
  }
  return { data, size };
}

/** Max or Min: of one signal that is not copied, a function per unit; otherwise a choice of entries. */
function extreme(choice: Choice, against: (c: number) => ScalarFunction): OperationRule {
  return (binding) => {
    const operands = operandsOf(binding);
    if (typeof operands === "string") return operands;
    const { all, size } = operands;
    const constants = all.filter(hasData);
    const signals = all.filter((operand) => !hasData(operand));
    if (signals.length === 1 && constants.length > 0 && signals[0].sources === undefined) {
      return { kind: "elementwise", unit: unitFunctions(merged(constants, size, choice), against) };
    }
    return selection(operands, [choices(operands, choice)]);
  };
}

function choices({ all }: Operands, choice: Choice): readonly Choice[] {
  return all.slice(1).map(() => choice);
}

export const largest = extreme("larger", (c) => clip(c, Infinity));
export const smallest = extreme("smaller", (c) => clip(-Infinity, c));

/** Maximum and minimum of the same two values: a pair sorted. */
export const largestAndSmallest: OperationRule = (binding) => {
  const operands = operandsOf(binding);
  if (typeof operands === "string") return operands;
  const used = (["larger", "smaller"] as const).filter((_, k) => binding.outputs[k] !== undefined);
  return selection(
    operands,
    used.map((choice) => choices(operands, choice)),
  );
};

/** Between limits: attributes before operator set 11, then inputs that may be omitted. */
export const clipOperation: OperationRule = (binding): Operation | string => {
  const { node, opset, inputs } = binding;
  if (opset < 11) {
    const f = clip(floatAttribute(node, "min") ?? -Infinity, floatAttribute(node, "max") ?? Infinity);
    return { kind: "elementwise", unit: () => f };
  }
  const limits = [1, 2].map((i) => inputs[i]);
  const [least, most] = limits.map((limit) => limit?.data?.[0]);
  const fixed = limits.every((limit) => limit === undefined || limit.data !== undefined);
  if (!fixed || inputs[0]?.data !== undefined) return between(binding);
  if (Number.isNaN(least) || Number.isNaN(most)) return NOT_A_NUMBER;
  const f = clip(least ?? -Infinity, most ?? Infinity);
  return { kind: "elementwise", unit: () => f };
};

/** Limits that are signals: the larger of the entry and the lower one, then the smaller of that and the upper one. */
function between(binding: Binding): Operation | string {
  const inputs = binding.inputs.filter((input) => input !== undefined);
  const present = (["larger", "smaller"] as const).filter((_, k) => binding.inputs[k + 1] !== undefined);
  const operands = operandsOf({ ...binding, inputs });
  return typeof operands === "string" ? operands : selection(operands, [present]);
}
