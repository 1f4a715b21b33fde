import type { AttributeDescription, NodeDescription } from "../../formats/onnx/encode.ts";
import {
  float,
  float32,
  type Initializers,
  int,
  int64,
  ints,
  randomNumbers,
  string,
  type TestModel,
} from "./run-onnx.ts";

interface Built {
  readonly name: string;
  readonly shape: readonly number[];
}

type Attributes = Readonly<Record<string, AttributeDescription>>;

/** Functions of one variable that have a finite slope everywhere. */
const BENDS: readonly (readonly [string, Attributes])[] = [
  ["Relu", {}],
  ["Relu", {}],
  ["LeakyRelu", { alpha: float(0.25) }],
  ["Tanh", {}],
  ["Sigmoid", {}],
  ["Softplus", {}],
  ["Softsign", {}],
  ["Elu", { alpha: float(0.75) }],
  ["Selu", {}],
  ["HardSigmoid", {}],
  ["HardSwish", {}],
  ["Abs", {}],
  ["Neg", {}],
  ["Erf", {}],
];

/** Builds random small networks over every family of operators that has a finite constant: chains, skips, joins. */
class Builder {
  readonly nodes: NodeDescription[] = [];
  readonly constants: Initializers[number][] = [];
  readonly values: Built[];
  readonly #random: () => number;

  constructor(seed: number, input: Built) {
    this.#random = randomNumbers(seed);
    this.values = [input];
  }

  /** A whole number in [0, n). */
  below(n: number): number {
    return Math.min(n - 1, Math.floor(((this.#random() + 1) / 2) * n));
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }

  constant(shape: readonly number[], size = 1, positive = false): string {
    const name = `c${this.constants.length}`;
    const count = shape.reduce((a, b) => a * b, 1);
    const draw = () => size * (positive ? Math.abs(this.#random()) + 0.3 : this.#random());
    this.constants.push(float32(name, Array.from({ length: count }, draw), shape));
    return name;
  }

  whole(data: readonly number[]): string {
    const name = `c${this.constants.length}`;
    this.constants.push(int64(name, data));
    return name;
  }

  add(
    opType: string,
    inputs: readonly string[],
    shape: readonly number[],
    attributes: Attributes = {},
  ): Built {
    const name = `v${this.nodes.length}`;
    this.nodes.push({ opType, name: `${opType}_${this.nodes.length}`, inputs, outputs: [name], attributes });
    const value = { name, shape };
    this.values.push(value);
    return value;
  }

  /** One step after a value of images [1, c, h, w], or of vectors [1, n]. */
  step(): void {
    const from = this.below(4) === 0 ? this.pick(this.values) : this.values.at(-1)!;
    const same = this.values.filter((v) => v !== from && v.shape.join() === from.shape.join());
    if (same.length > 0 && this.below(3) === 0) this.#join(from, this.pick(same));
    else if (this.below(2) === 0) this.#bend(from);
    else if (from.shape.length === 4) this.#image(from);
    else this.#vector(from);
  }

  #bend(x: Built): void {
    const which = this.below(BENDS.length + 2);
    if (which === BENDS.length)
      this.add("PRelu", [x.name, this.constant([x.shape[1], ...x.shape.slice(2).map(() => 1)])], x.shape);
    else if (which > BENDS.length)
      this.add("Clip", [x.name, this.#scalar(-0.5), this.#scalar(0.75)], x.shape);
    else this.add(BENDS[which][0], [x.name], x.shape, BENDS[which][1]);
  }

  #scalar(value: number): string {
    const name = `c${this.constants.length}`;
    this.constants.push(float32(name, [value], []));
    return name;
  }

  #join(a: Built, b: Built): void {
    const [n, c, ...rest] = a.shape;
    const kind = this.below(5);
    if (kind === 0) this.add("Concat", [a.name, b.name], [n, 2 * c, ...rest], { axis: int(1) });
    else if (kind === 1) this.add(this.pick(["Max", "Min"]), [a.name, b.name], a.shape);
    else if (kind === 2) {
      const high = this.add("Max", [a.name, b.name], a.shape);
      const low = this.add("Min", [b.name, a.name], a.shape);
      this.add("Concat", [high.name, low.name], [n, 2 * c, ...rest], { axis: int(1) });
    } else this.add(this.pick(["Add", "Add", "Sub"]), [a.name, b.name], a.shape);
  }

  #image(x: Built): void {
    const [, c, h, w] = x.shape;
    const small = h < 3 || w < 3;
    const kind = this.below(small ? 5 : 12);
    const channel = [1, c, 1, 1];
    switch (kind) {
      case 0:
        this.add("Flatten", [x.name], [1, c * h * w]);
        return;
      case 1:
        this.add(this.pick(["Mul", "Add"]), [x.name, this.constant(channel)], x.shape);
        return;
      case 2:
        this.add(
          "BatchNormalization",
          [x.name, this.constant([c]), this.constant([c]), this.constant([c]), this.constant([c], 1, true)],
          x.shape,
        );
        return;
      case 3:
        this.add("GlobalAveragePool", [x.name], [1, c, 1, 1]);
        return;
      case 4:
        this.add("Transpose", [x.name], [1, c, w, h], { perm: ints([0, 1, 3, 2]) });
        return;
      case 5:
        this.add("Pad", [x.name, this.whole([0, 0, 1, 0, 0, 0, 0, 1])], [1, c, h + 1, w + 1], {
          mode: string(this.pick(["constant", "edge", "reflect"])),
        });
        return;
      case 6:
        this.add("Slice", [x.name, this.whole([1]), this.whole([h]), this.whole([2])], [1, c, h - 1, w]);
        return;
      case 7:
        this.add("ReduceMean", [x.name], [1, c, h, 1], { axes: ints([3]) });
        return;
      case 8:
        this.#pool(x);
        return;
      default:
        this.#convolution(x);
    }
  }

  #window(x: Built): { attributes: Attributes; size: readonly number[]; kernel: number } {
    const [, , h, w] = x.shape;
    const kernel = 1 + this.below(3);
    const stride = 1 + this.below(2);
    const pad = kernel > 1 ? this.below(2) : 0;
    const size = [h, w].map((n) => Math.floor((n + 2 * pad - kernel) / stride) + 1);
    const attributes = {
      kernel_shape: ints([kernel, kernel]),
      strides: ints([stride, stride]),
      pads: ints([pad, pad, pad, pad]),
    };
    return { attributes, size, kernel };
  }

  #pool(x: Built): void {
    const { attributes, size } = this.#window(x);
    const include: Attributes = this.below(2) === 0 ? { count_include_pad: int(1) } : {};
    const shape = [1, x.shape[1], ...size];
    if (this.below(2) === 0) this.add("MaxPool", [x.name], shape, attributes);
    else this.add("AveragePool", [x.name], shape, { ...attributes, ...include });
  }

  #convolution(x: Built): void {
    const { attributes, size, kernel } = this.#window(x);
    const out = 1 + this.below(3);
    const weight = this.constant([out, x.shape[1], kernel, kernel]);
    this.add("Conv", [x.name, weight, this.constant([out])], [1, out, ...size], attributes);
  }

  #vector(x: Built): void {
    const [, n] = x.shape;
    const kind = this.below(7);
    const out = 1 + this.below(5);
    if (kind === 0) this.add("Softmax", [x.name], x.shape, { axis: int(1) });
    else if (kind === 1) this.add("LogSoftmax", [x.name], x.shape, { axis: int(1) });
    else if (kind === 2) this.add("Mul", [x.name, this.constant([n])], x.shape);
    else if (kind === 3) this.add("MatMul", [x.name, this.constant([n, out])], [1, out]);
    else
      this.add("Gemm", [x.name, this.constant([out, n]), this.constant([out])], [1, out], { transB: int(1) });
  }
}

/** A random network of up to `most` nodes over images or vectors; the same one for the same seed. */
export function randomNetwork(seed: number, most = 9): TestModel {
  const image = seed % 3 !== 0;
  const shape = image ? [1, 1 + (seed % 2), 3 + (seed % 3), 4] : [1, 2 + (seed % 4)];
  const builder = new Builder(seed, { name: "x", shape });
  const steps = 2 + builder.below(most - 1);
  for (let k = 0; k < steps; k++) builder.step();
  const { nodes, constants, values } = builder;
  const output = values.at(-1)!;
  return {
    opset: 13,
    inputs: [{ name: "x", shape }],
    initializers: constants,
    nodes,
    outputs: [{ name: output.name }],
  };
}
