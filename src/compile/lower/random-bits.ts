import { elementCount, type NodeOf } from "../graph.ts";
import type { Lower, Lowering, Lowerings } from "./lowering.ts";

/** Rotations of the rounds of Threefry-2x32, in two alternating groups of four. */
const ROTATIONS = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;

/** Groups of four rounds, each followed by the key's next words. */
const GROUPS = 5;

/** The parity of the key schedule. */
const PARITY = 0x1bd11bda;

/** Words of 32 bits and what Threefry does with them. */
class Words {
  readonly #lowering: Lowering;

  constructor(lowering: Lowering) {
    this.#lowering = lowering;
  }

  constant(value: number): string {
    return this.#lowering.emitter.scalar(value, "uint32");
  }

  add(x: string, y: string): string {
    return this.#lowering.emitter.op("Add", [x, y]);
  }

  xor(x: string, y: string): string {
    return this.#lowering.emitter.op("BitwiseXor", [x, y]);
  }

  rotated(x: string, bits: number): string {
    const { emitter } = this.#lowering;
    const left = emitter.op("BitShift", [x, this.constant(bits)], { direction: "LEFT" });
    const right = emitter.op("BitShift", [x, this.constant(32 - bits)], { direction: "RIGHT" });
    return emitter.op("BitwiseOr", [left, right]);
  }
}

/** Threefry-2x32 of counters (0, 0), (0, 1), … under a key (Salmon et al. 2011, 10.1145/2063384.2063405). */
function threefry(
  lowering: Lowering,
  keys: readonly [string, string],
  counter: string,
): readonly [string, string] {
  const words = new Words(lowering);
  const schedule = [...keys, words.xor(words.xor(keys[0], keys[1]), words.constant(PARITY))];
  let x0 = keys[0];
  let x1 = words.add(counter, keys[1]);
  for (let group = 0; group < GROUPS; group++) {
    for (const bits of ROTATIONS[group % 2]) {
      x0 = words.add(x0, x1);
      x1 = words.xor(words.rotated(x1, bits), x0);
    }
    x0 = words.add(x0, schedule[(group + 1) % 3]);
    x1 = words.add(words.add(x1, schedule[(group + 2) % 3]), words.constant(group + 1));
  }
  return [x0, x1];
}

const randomBits: Lower<"randomBits"> = (lowering, node: NodeOf<"randomBits">) => {
  const { emitter } = lowering;
  const { shape, parameters } = node;
  const generated = shape.slice(node.inputs[0].shape.length);
  const size = elementCount(generated);
  const unit = [...node.inputs[0].shape, ...generated.map(() => 1)];
  const [k0, k1] = node.inputs.map((key) => lowering.reshaped(key, unit));
  const counter = emitter.sharedTensor(`count to ${generated}`, "uint32", generated, () =>
    Uint32Array.from({ length: size }, (_, i) => i),
  );
  const [x0, x1] = threefry(lowering, [k0, k1], counter);
  if (parameters.mode === "xor") return emitter.op("BitwiseXor", [x0, x1]);
  return parameters.mode === 0 ? x0 : x1;
};

export const RANDOM: Lowerings = { randomBits };
