import type { Node } from "../graph.ts";
import { truncated } from "./elementwise.ts";
import type { Lower, Lowering, Lowerings } from "./lowering.ts";

const isFloat = (node: Node) => node.dtype.startsWith("float");

/** Whether an integer division by this is safe: onnxruntime divides by 0, and −2³¹ by −1, with a crash. */
function safeDivisor(node: Node): boolean {
  return node.op === "scalar" && node.parameters.value !== 0 && node.parameters.value !== -1;
}

/** ⌊x/y⌋ rounded towards zero. */
const idiv: Lower<"idiv"> = (lowering, { inputs: [x, y], dtype }) => {
  const { emitter } = lowering;
  const names = lowering.names([x, y]);
  if (isFloat(x)) return truncated(lowering, emitter.op("Div", names), dtype);
  if (safeDivisor(y)) return emitter.op("Div", names);
  return integers(
    lowering,
    truncated(lowering, emitter.op("Div", doubles(lowering, names)), "float64"),
    dtype,
  );
};

/** What the division towards zero leaves; it has the sign of x. */
const mod: Lower<"mod"> = (lowering, { inputs: [x, y], dtype }) => {
  const { emitter } = lowering;
  const names = lowering.names([x, y]);
  if (safeDivisor(y) && !isFloat(x)) return emitter.op("Mod", names, { fmod: 1 });
  const [a, b] = isFloat(x) ? names : doubles(lowering, names);
  const type = isFloat(x) ? dtype : "float64";
  const whole = truncated(lowering, emitter.op("Div", [a, b]), type);
  const rest = emitter.op("Sub", [a, emitter.op("Mul", [whole, b])]);
  return isFloat(x) ? rest : integers(lowering, rest, dtype);
};

/** Integers of 32 bits and their quotients are exact in float64, where nothing crashes. */
function doubles(lowering: Lowering, names: readonly string[]): string[] {
  return names.map((name) => lowering.cast(name, "float64"));
}

function integers(lowering: Lowering, name: string, dtype: "int32" | "uint32" | Node["dtype"]): string {
  return lowering.cast(lowering.cast(name, "int64"), dtype);
}

export const DIVISION: Lowerings = { idiv, mod };
