import { numpy as np, tree } from "@jax-js/jax";
import { compile } from "../compile/compile.ts";
import type { Device } from "../compile/devices.ts";
import type { NativeArray } from "../compile/native-array.ts";
import { toNative } from "../compile/to-native.ts";
import { RandomStream } from "../linalg/random.ts";
import { FIRST_STEP } from "../network/attack.ts";
import type { AttackSearch, AttackTarget } from "../network/attack-search.ts";
import { checkCount, checkOptions } from "./checks.ts";
import { differentiate } from "./differentiate.ts";
import { ShapeError } from "./errors.ts";
import { jaxTree, usingJax } from "./export/arrays.ts";
import { bake, markBaked } from "./export/bake.ts";
import { checkInputShape } from "./export/options.ts";
import { checkModule } from "./layers/stateless.ts";
import type { Module } from "./module.ts";
import type { Shape, Tensor, Tree, Variables } from "./types.ts";

export interface GradientSearchOptions {
  /** The shape of one input. */
  readonly inputShape: Shape;
  /** How many outputs the classifier has. */
  readonly classes: number;
  /** Where gradients are computed. Default "native". */
  readonly device?: Device;
}

/** A search that holds a compiled function; dispose it when done. */
export interface GradientSearch extends AttackSearch {
  dispose(): void;
}

/** Numbers of points whose gradients are computed together; a function is compiled for each that is needed. */
const SIZES = [16, 48, 128];
const BLOCK = SIZES.at(-1)!;
/** Added to the outputs of classes an ascent does not aim at: below every real output, and its sums are finite. */
const EXCLUDED = -1e30;

/** What an ascent needs at the points where it stands. */
interface Slopes {
  /** [points, classes]. */
  readonly logits: Float32Array;
  /** Of max_j (f_j + mask_j) − f_label, [points, inputs]. */
  readonly gradient: Float32Array;
}

/** The compiled function: consumes its arguments, whatever arrays they are. */
interface SlopeFunction {
  (
    held: Variables,
    ...arrays: NativeArray[]
  ): Promise<{
    logits: NativeArray;
    gradient: NativeArray;
  }>;
  dispose(): void;
}

/**
 * Projected gradient ascent on a classifier in training, for many points at once in float32: the starts and steps are those
 * of the float64 attack on files (`attack`). `certify` evaluates what it proposes on the exported network in float64.
 * @param net a classifier. `params` and `state` are lent until the search is made: it keeps the weights in use, so that no
 * step computes them again.
 * @throws TrainError when the trees are not this network's, or for unknown options; ShapeError when `inputShape` or `classes` is not
 * the network's.
 */
export async function gradientSearch(
  net: Module,
  params: Tree,
  state: Tree,
  options: GradientSearchOptions,
): Promise<GradientSearch> {
  const { inputShape, classes, device = "native" } = checkSearch(net, options);
  const uses = net.weights(inputShape);
  const { values } = await usingJax({ params, state }, (variables) =>
    bake(net, variables, inputShape, { prove: false }),
  );
  const baked: Variables = { params: jaxTree(values.params), state: jaxTree(values.state) };
  const slopes = compile(
    (held: Variables, x: Tensor, mask: Tensor, label: Tensor) => {
      const marked = markBaked(held.state, uses);
      const rise = (at: Tensor) => {
        const logits = net.apply(held.params, marked, at.ref).y;
        const ahead = np.max(logits.ref.add(mask), 1);
        const own = np.sum(logits.ref.mul(label), 1);
        return { loss: np.sum(ahead.sub(own)), aux: logits };
      };
      const { aux, gradient } = differentiate(rise, x);
      return { logits: aux, gradient };
    },
    { device },
  ) as unknown as SlopeFunction;
  const batches = new SlopeBatches(slopes, baked, inputShape, classes);

  return {
    block: BLOCK,
    async find(targets, steps, pause) {
      const found: (Float64Array | null)[] = [];
      for (let start = 0; start < targets.length; start += BLOCK) {
        found.push(...(await ascend(batches, targets.slice(start, start + BLOCK), steps, pause)));
      }
      return found;
    },
    dispose() {
      slopes.dispose();
      tree.dispose([baked.params, baked.state]);
    },
  };
}

function checkSearch(net: Module, options: GradientSearchOptions): GradientSearchOptions {
  checkModule("What gradientSearch is to attack", net);
  checkInputShape("gradientSearch", options);
  checkOptions("gradientSearch", options, ["inputShape", "classes", "device"]);
  const classes = checkCount("gradientSearch", "classes", options.classes);
  const outputs = net.outputShape(options.inputShape);
  if (outputs.length === 1 && outputs[0] === classes) return options;
  throw new ShapeError(
    `gradientSearch attacks networks with one output for each class; this one has outputs of shape [${outputs}], and classes is ${classes}.`,
  );
}

/** Computes slopes in batches of few sizes, so that the function is compiled a few times only. */
class SlopeBatches {
  readonly #slopes: SlopeFunction;
  readonly #held: Variables;
  readonly #shape: Shape;
  readonly #size: number;
  readonly classes: number;

  constructor(slopes: SlopeFunction, held: Variables, shape: Shape, classes: number) {
    this.#slopes = slopes;
    this.#held = held;
    this.#shape = shape;
    this.#size = shape.reduce((product, n) => product * n, 1);
    this.classes = classes;
  }

  /** @param aims for each point its position, its label, and the class aimed at (null: whichever other one is ahead). */
  async at(aims: readonly Aim[]): Promise<Slopes> {
    const points = SIZES.find((size) => size >= aims.length)!;
    const x = new Float32Array(points * this.#size);
    const mask = new Float32Array(points * this.classes);
    const labels = new Float32Array(points * this.classes);
    aims.forEach(({ at, label, target }, i) => {
      x.set(at, i * this.#size);
      const own = mask.subarray(i * this.classes, (i + 1) * this.classes);
      if (target === null) own[label] = EXCLUDED;
      else own.fill(EXCLUDED).fill(0, target, target + 1);
      labels[i * this.classes + label] = 1;
    });
    const { logits, gradient } = await this.#slopes(
      { params: tree.ref(this.#held.params), state: tree.ref(this.#held.state) },
      toNative(x, [points, ...this.#shape]),
      toNative(mask, [points, this.classes]),
      toNative(labels, [points, this.classes]),
    );
    return {
      logits: (await logits.data()) as Float32Array,
      gradient: (await gradient.data()) as Float32Array,
    };
  }
}

interface Aim {
  readonly at: Float64Array;
  readonly label: number;
  readonly target: number | null;
}

/** One target while it is attacked. */
interface Climber extends AttackTarget {
  /** From z to where it stands. */
  offset: Float64Array;
  aim: number | null;
  found: Float64Array | null;
}

/** Attacks the targets of one block from every start. */
async function ascend(
  batches: SlopeBatches,
  targets: readonly AttackTarget[],
  steps: number,
  pause: () => Promise<void>,
): Promise<readonly (Float64Array | null)[]> {
  const climbers: Climber[] = targets.map((target) => ({
    ...target,
    offset: target.z,
    aim: null,
    found: null,
  }));
  const open = () => climbers.filter(({ found }) => found === null);
  const nearest = await nearestClasses(batches, targets, pause);
  for (const start of ["nearest", "ahead", "random"] as const) {
    climbers.forEach((climber, i) => {
      climber.offset = start === "random" ? randomOffset(climber) : new Float64Array(climber.z.length);
      climber.aim = start === "nearest" ? nearest[i] : null;
    });
    for (let k = 0; k <= steps && open().length > 0; k++) {
      await pause();
      await step(batches, open(), k, steps);
    }
  }
  return climbers.map(({ found }) => found);
}

/** Evaluates every climber; those still of their own class go one step up. */
async function step(
  batches: SlopeBatches,
  climbers: readonly Climber[],
  k: number,
  steps: number,
): Promise<void> {
  const { classes } = batches;
  const positions = climbers.map(({ z, offset }) => z.map((value, j) => value + offset[j]));
  const slopes = await batches.at(
    climbers.map(({ label, aim }, i) => ({ at: positions[i], label, target: aim })),
  );
  climbers.forEach((climber, i) => {
    const logits = slopes.logits.subarray(i * classes, (i + 1) * classes);
    const size = climber.z.length;
    if (logits.some((value) => value > logits[climber.label])) climber.found = positions[i];
    else climb(climber.offset, slopes.gradient.subarray(i * size, (i + 1) * size), climber.budget, k, steps);
  });
}

/** For each target the class whose boundary the gradients at the point itself put nearest. */
async function nearestClasses(
  batches: SlopeBatches,
  targets: readonly AttackTarget[],
  pause: () => Promise<void>,
): Promise<readonly (number | null)[]> {
  const { classes } = batches;
  const nearest = targets.map(() => ({ distance: Infinity, class: null as number | null }));
  for (let j = 0; j < classes; j++) {
    await pause();
    const { logits, gradient } = await batches.at(
      targets.map(({ z, label }) => ({ at: z, label, target: j })),
    );
    targets.forEach(({ z, label }, i) => {
      if (j === label) return;
      const gap = logits[i * classes + label] - logits[i * classes + j];
      const distance = gap / norm(gradient.subarray(i * z.length, (i + 1) * z.length));
      if (distance < nearest[i].distance) nearest[i] = { distance, class: j };
    });
  }
  return nearest.map((found) => found.class);
}

function randomOffset({ z, seed, budget }: AttackTarget): Float64Array {
  return new RandomStream(seed).direction(z.length).map((value) => budget * value);
}

/** One step of `attack`'s ascent: along the gradient, then back into the ball. */
function climb(offset: Float64Array, gradient: Float32Array, budget: number, k: number, steps: number): void {
  const length = norm(gradient);
  if (!(length > 0 && length < Infinity)) return;
  const stride = (FIRST_STEP * budget * (steps - k)) / (steps * steps * length);
  for (let j = 0; j < offset.length; j++) offset[j] += stride * gradient[j];
  const reached = norm(offset);
  if (reached <= budget) return;
  for (let j = 0; j < offset.length; j++) offset[j] *= budget / reached;
}

function norm(v: Float32Array | Float64Array): number {
  let sum = 0;
  for (let j = 0; j < v.length; j++) sum += v[j] * v[j];
  return Math.sqrt(sum);
}
