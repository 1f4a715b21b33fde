import { numpy as np } from "@jax-js/jax";
import { broadcastShapes, elementCount, type Shape } from "../graph.ts";
import type { Seeded } from "./reference.ts";

/** One operation of a random program: which values it takes, and what it makes of them. */
interface Step {
  readonly operands: readonly number[];
  readonly apply: (...operands: np.Array[]) => np.Array;
  readonly shape: Shape;
  readonly text: string;
}

/** A random program on arrays; every value computed is a result. */
export interface Program {
  readonly inputs: readonly Shape[];
  readonly run: (...inputs: np.Array[]) => np.Array[];
  /** What it does, to be read when it fails. */
  readonly text: string;
}

/** A program of so many operations: mostly views, which are what simplification works on. */
export function randomProgram(random: Seeded, operations: number): Program {
  const inputs = Array.from({ length: 3 }, () => inputShape(random));
  const shapes: Shape[] = [...inputs];
  const steps: Step[] = [];
  while (steps.length < operations) {
    const step = randomStep(random, shapes);
    if (step === undefined || elementCount(step.shape) > 400) continue;
    steps.push(step);
    shapes.push(step.shape);
  }
  const run = (...arrays: np.Array[]) => {
    const values = [...arrays];
    for (const { operands, apply } of steps) values.push(apply(...operands.map((i) => values[i].ref)));
    for (const array of arrays) array.dispose();
    return values.slice(arrays.length);
  };
  const lines = steps.map(
    ({ text, operands, shape }, i) =>
      `v${inputs.length + i} = ${text}(${operands.map((o) => `v${o}`)}) [${shape}]`,
  );
  return { inputs, run, text: [`inputs ${inputs.map((shape) => `[${shape}]`)}`, ...lines].join("\n") };
}

/** Of two elements at least: jax-js holds arrays of one number as expressions, and pads those wrongly before a function. */
function inputShape(random: Seeded): Shape {
  const shape = Array.from({ length: random.integer(1, 4) }, () => random.integer(1, 3));
  return elementCount(shape) > 1 ? shape : inputShape(random);
}

const STEPS = [
  unary,
  unary,
  binary,
  binary,
  product,
  product,
  transposition,
  transposition,
  reshaping,
  reshaping,
  repetition,
  slicing,
  padding,
  joining,
  reduction,
];

function randomStep(random: Seeded, shapes: readonly Shape[]): Step | undefined {
  const last = random.next() < 0.6 ? shapes.length - 1 : random.integer(0, shapes.length - 1);
  return STEPS[random.integer(0, STEPS.length - 1)](random, shapes, last);
}

function unary(random: Seeded, shapes: readonly Shape[], x: number): Step {
  const [text, apply] = (
    [
      ["cosine", np.cos],
      ["neg", np.negative],
      ["relu", (a: np.Array) => np.maximum(a, 0)],
      ["scaled", (a: np.Array) => a.mul(0.5)],
      ["square", (a: np.Array) => np.square(a.mul(0.5))],
    ] as const
  )[random.integer(0, 4)];
  return { operands: [x], apply: apply as Step["apply"], shape: shapes[x], text };
}

/** Another value that broadcasts with this one. */
function companion(random: Seeded, shapes: readonly Shape[], x: number): number | undefined {
  const fits = shapes.flatMap((shape, i) => (broadcasts(shape, shapes[x]) ? [i] : []));
  return fits[random.integer(0, fits.length - 1)];
}

function broadcasts(a: Shape, b: Shape): boolean {
  const size = (shape: Shape, fromEnd: number) => shape[shape.length - fromEnd] ?? 1;
  const ranks = Array.from({ length: Math.max(a.length, b.length) }, (_, i) => i + 1);
  return ranks.every((i) => size(a, i) === size(b, i) || size(a, i) === 1 || size(b, i) === 1);
}

function binary(random: Seeded, shapes: readonly Shape[], x: number): Step | undefined {
  const y = companion(random, shapes, x);
  if (y === undefined) return undefined;
  const [text, apply] = (
    [
      ["add", np.add],
      ["sub", np.subtract],
      ["mul", np.multiply],
      ["max", np.maximum],
      ["select", (a: np.Array, b: np.Array) => np.where(a.ref.less(b.ref), a, b.mul(2))],
    ] as const
  )[random.integer(0, 4)];
  return {
    operands: [x, y],
    apply: apply as Step["apply"],
    shape: broadcastShapes([shapes[x], shapes[y]]),
    text,
  };
}

/** A sum of products over the last axis of one value and an axis of another of the same size. */
function product(random: Seeded, shapes: readonly Shape[], x: number): Step | undefined {
  const size = shapes[x][shapes[x].length - 1];
  const fits = shapes.flatMap((shape, i) =>
    shape.flatMap((n, axis) => (n === size ? [[i, axis] as const] : [])),
  );
  if (size === undefined || fits.length === 0) return undefined;
  const [y, axis] = fits[random.integer(0, fits.length - 1)];
  const axes = [[shapes[x].length - 1], [axis]];
  return {
    operands: [x, y],
    apply: (a, b) => np.tensordot(a, b, axes as never).mul(0.25),
    shape: [...shapes[x].slice(0, -1), ...shapes[y].toSpliced(axis, 1)],
    text: `tensordot over last and ${axis}`,
  };
}

function transposition(random: Seeded, shapes: readonly Shape[], x: number): Step {
  const order = shapes[x].map((_, axis) => axis).sort(() => random.next() - 0.5);
  return {
    operands: [x],
    apply: (a) => a.transpose(order),
    shape: order.map((axis) => shapes[x][axis]),
    text: `transpose ${order}`,
  };
}

function reshaping(random: Seeded, shapes: readonly Shape[], x: number): Step {
  let left = elementCount(shapes[x]);
  const shape: number[] = [];
  for (const factor of [2, 3, 2, 3, 2]) {
    if (left % factor === 0 && random.next() < 0.5) {
      shape.push(factor);
      left /= factor;
    }
    if (random.next() < 0.2) shape.push(1);
  }
  shape.splice(random.integer(0, shape.length), 0, left);
  return { operands: [x], apply: (a) => a.reshape(shape), shape, text: `reshape ${shape}` };
}

function repetition(random: Seeded, shapes: readonly Shape[], x: number): Step {
  const shape = shapes[x].map((size) => (size === 1 ? random.integer(1, 3) : size));
  if (random.next() < 0.5) shape.unshift(random.integer(1, 3));
  return { operands: [x], apply: (a) => np.broadcastTo(a, shape), shape, text: `broadcast ${shape}` };
}

function slicing(random: Seeded, shapes: readonly Shape[], x: number): Step {
  const flipped = shapes[x].flatMap((_, axis) => (random.next() < 0.3 ? [axis] : []));
  const ranges = shapes[x].map((size): [number, number] => {
    const start = random.integer(0, size - 1);
    return [start, random.integer(start + 1, size)];
  });
  return {
    operands: [x],
    apply: (a) => np.flip(a, flipped).slice(...ranges),
    shape: ranges.map(([start, end]) => end - start),
    text: `flip ${flipped} and slice ${JSON.stringify(ranges)}`,
  };
}

function padding(random: Seeded, shapes: readonly Shape[], x: number): Step {
  const widths = shapes[x].map((): [number, number] => [random.integer(0, 1), random.integer(0, 1)]);
  return {
    operands: [x],
    apply: (a) => np.pad(a, widths),
    shape: shapes[x].map((size, axis) => size + widths[axis][0] + widths[axis][1]),
    text: `pad ${JSON.stringify(widths)}`,
  };
}

function joining(random: Seeded, shapes: readonly Shape[], x: number): Step | undefined {
  if (shapes[x].length === 0) return undefined;
  const axis = random.integer(0, shapes[x].length - 1);
  return {
    operands: [x, x],
    apply: (a, b) => np.concatenate([a, b.mul(2)], axis),
    shape: shapes[x].with(axis, 2 * shapes[x][axis]),
    text: `concatenate along ${axis}`,
  };
}

function reduction(random: Seeded, shapes: readonly Shape[], x: number): Step | undefined {
  const axes = shapes[x].flatMap((_, axis) => (random.next() < 0.4 ? [axis] : []));
  if (axes.length === shapes[x].length) return undefined;
  const [text, apply] = (
    [
      ["sum", (a: np.Array) => np.sum(a, axes)],
      ["max", (a: np.Array) => np.max(a, axes)],
    ] as const
  )[random.integer(0, 1)];
  return {
    operands: [x],
    apply,
    shape: shapes[x].filter((_, axis) => !axes.includes(axis)),
    text: `${text} over ${axes}`,
  };
}
