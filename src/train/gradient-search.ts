import { numpy as np, tree } from "@jax-js/jax";
import { compile } from "../compile/compile.ts";
import type { Device } from "../compile/devices.ts";
import type { NativeArray } from "../compile/native-array.ts";
import { toNative } from "../compile/to-native.ts";
import { RandomStream } from "../linalg/random.ts";
import { FIRST_STEP } from "../network/attack.ts";
import type { AttackSearch, AttackTarget } from "../network/attack-search.ts";
import { differentiate } from "./differentiate.ts";
import type { Module } from "./module.ts";
import type { Shape, Tensor, Tree } from "./types.ts";

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

/** Points whose gradients are computed together. */
const BLOCK = 128;
/** Added to the outputs of classes an ascent does not aim at: below every real output, and its sums are finite. */
const EXCLUDED = -1e30;

/** What an ascent needs at the points where it stands. */
interface Slopes {
  readonly logits: Float32Array;
  /** Of max_j (f_j + mask_j) − f_label, [BLOCK, inputs]. */
  readonly gradient: Float32Array;
}

/** The compiled function: consumes its arguments, whatever arrays they are. */
interface SlopeFunction {
  (
    ...args: [params: Tree, state: Tree, ...arrays: NativeArray[]]
  ): Promise<{
    logits: NativeArray;
    gradient: NativeArray;
  }>;
  dispose(): void;
}

/**
 * Projected gradient ascent on a classifier in training, for many points at once in float32: the starts and steps are those
 * of the float64 attack on files (`attack`). `certify` evaluates what it proposes on the exported network in float64.
 * @param net a classifier; `params` and `state` are lent while the search is in use.
 */
export function gradientSearch(
  net: Module,
  params: Tree,
  state: Tree,
  { inputShape, classes, device = "native" }: GradientSearchOptions,
): GradientSearch {
  const slopes = compile(
    (p: Tree, s: Tree, x: Tensor, mask: Tensor, label: Tensor) => {
      const rise = (at: Tensor) => {
        const logits = net.apply(p, s, at.ref).y;
        const ahead = np.max(logits.ref.add(mask), 1);
        const own = np.sum(logits.ref.mul(label), 1);
        return { loss: np.sum(ahead.sub(own)), aux: logits };
      };
      const { aux, gradient } = differentiate(rise, x);
      return { logits: aux, gradient };
    },
    { device },
  ) as unknown as SlopeFunction;
  const size = inputShape.reduce((product, n) => product * n, 1);
  const block = new Block(slopes, params, state, inputShape, classes);

  return {
    block: BLOCK,
    async find(targets, steps, pause) {
      const found: (Float64Array | null)[] = [];
      for (let start = 0; start < targets.length; start += BLOCK) {
        found.push(
          ...(await new Ascents(block, targets.slice(start, start + BLOCK), size).run(steps, pause)),
        );
      }
      return found;
    },
    dispose: () => slopes.dispose(),
  };
}

/** The compiled function at a fixed batch size, so that it is compiled once. */
class Block {
  readonly #slopes: SlopeFunction;
  readonly #params: Tree;
  readonly #state: Tree;
  readonly #shape: Shape;
  readonly classes: number;

  constructor(slopes: SlopeFunction, params: Tree, state: Tree, shape: Shape, classes: number) {
    this.#slopes = slopes;
    this.#params = params;
    this.#state = state;
    this.#shape = shape;
    this.classes = classes;
  }

  /** @param mask [BLOCK, classes]: 0 for the classes aimed at. */
  async at(
    x: Float32Array<ArrayBuffer>,
    mask: Float32Array<ArrayBuffer>,
    labels: Float32Array<ArrayBuffer>,
  ): Promise<Slopes> {
    const leaf = (data: Float32Array<ArrayBuffer>, shape: Shape) => toNative(data, shape);
    const { logits, gradient } = await this.#slopes(
      tree.ref(this.#params),
      tree.ref(this.#state),
      leaf(x, [BLOCK, ...this.#shape]),
      leaf(mask, [BLOCK, this.classes]),
      leaf(labels, [BLOCK, this.classes]),
    );
    return {
      logits: (await logits.data()) as Float32Array,
      gradient: (await gradient.data()) as Float32Array,
    };
  }
}

/** The ascents of the targets of one block. */
class Ascents {
  readonly #block: Block;
  readonly #targets: readonly AttackTarget[];
  readonly #size: number;
  readonly #labels: Float32Array<ArrayBuffer>;
  readonly #found: (Float64Array | null)[];

  constructor(block: Block, targets: readonly AttackTarget[], size: number) {
    this.#block = block;
    this.#targets = targets;
    this.#size = size;
    this.#labels = new Float32Array(BLOCK * block.classes);
    targets.forEach(({ label }, i) => {
      this.#labels[i * block.classes + label] = 1;
    });
    this.#found = targets.map(() => null);
  }

  async run(steps: number, pause: () => Promise<void>): Promise<readonly (Float64Array | null)[]> {
    const still = this.#targets.map(({ z }) => new Float64Array(z.length));
    await this.#ascend(still, await this.#masksOfNearest(pause), steps, pause);
    await this.#ascend(still, this.#masksOfOthers(), steps, pause);
    const random = this.#targets.map(({ z, budget, seed }) =>
      new RandomStream(seed).direction(z.length).map((value) => budget * value),
    );
    await this.#ascend(random, this.#masksOfOthers(), steps, pause);
    return this.#found;
  }

  async #ascend(
    offsets: readonly Float64Array[],
    mask: Float32Array<ArrayBuffer>,
    steps: number,
    pause: () => Promise<void>,
  ): Promise<void> {
    const moved = offsets.map((offset) => offset.slice());
    for (let k = 0; k <= steps && this.#found.some((found) => found === null); k++) {
      await pause();
      const { logits, gradient } = await this.#block.at(this.#points(moved), mask, this.#labels);
      this.#targets.forEach((target, i) => {
        if (this.#found[i] !== null) return;
        if (this.#isTurned(logits, i)) this.#found[i] = target.z.map((value, j) => value + moved[i][j]);
        else
          climb(moved[i], gradient.subarray(i * this.#size, (i + 1) * this.#size), target.budget, k, steps);
      });
    }
  }

  /** The points of the block as float32; places without a target stay 0. */
  #points(moved: readonly Float64Array[]): Float32Array<ArrayBuffer> {
    const x = new Float32Array(BLOCK * this.#size);
    this.#targets.forEach(({ z }, i) => {
      for (let j = 0; j < this.#size; j++) x[i * this.#size + j] = z[j] + moved[i][j];
    });
    return x;
  }

  #isTurned(logits: Float32Array, i: number): boolean {
    const own = logits.subarray(i * this.#block.classes, (i + 1) * this.#block.classes);
    return own.some((value, j) => j !== this.#targets[i].label && value > own[this.#targets[i].label]);
  }

  /** Aims at whichever other class is ahead. */
  #masksOfOthers(): Float32Array<ArrayBuffer> {
    return this.#labels.map((own) => own * EXCLUDED);
  }

  /** Aims at the class whose boundary the gradients at the point itself put nearest. */
  async #masksOfNearest(pause: () => Promise<void>): Promise<Float32Array<ArrayBuffer>> {
    const { classes } = this.#block;
    const nearest = this.#targets.map(() => ({ distance: Infinity, class: -1 }));
    const x = this.#points(this.#targets.map(({ z }) => new Float64Array(z.length)));
    for (let j = 0; j < classes; j++) {
      await pause();
      const only = new Float32Array(BLOCK * classes).map((_, place) =>
        place % classes === j ? 0 : EXCLUDED,
      );
      const { logits, gradient } = await this.#block.at(x, only, this.#labels);
      this.#targets.forEach(({ label }, i) => {
        if (j === label) return;
        const gap = logits[i * classes + label] - logits[i * classes + j];
        const distance = gap / norm(gradient.subarray(i * this.#size, (i + 1) * this.#size));
        if (distance < nearest[i].distance) nearest[i] = { distance, class: j };
      });
    }
    const mask = new Float32Array(BLOCK * classes).fill(EXCLUDED);
    nearest.forEach((target, i) => {
      if (target.class >= 0) mask[i * classes + target.class] = 0;
    });
    return mask;
  }
}

/** One step of `attack`'s ascent: along the gradient, then back into the ball. */
function climb(offset: Float64Array, gradient: Float32Array, budget: number, k: number, steps: number): void {
  const length = norm(gradient);
  if (!(length > 0 && length < Infinity)) return;
  const step = (FIRST_STEP * budget * (steps - k)) / (steps * steps * length);
  for (let j = 0; j < offset.length; j++) offset[j] += step * gradient[j];
  const reached = norm(offset);
  if (reached <= budget) return;
  for (let j = 0; j < offset.length; j++) offset[j] *= budget / reached;
}

function norm(v: Float32Array | Float64Array): number {
  let sum = 0;
  for (let j = 0; j < v.length; j++) sum += v[j] * v[j];
  return Math.sqrt(sum);
}
