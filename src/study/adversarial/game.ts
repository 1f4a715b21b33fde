import { numpy as np, tree } from "@jax-js/jax";
import { compile, type NativeArray, toNative } from "../../compile.ts";
import {
  differentiate,
  type GanLoss,
  type Module,
  type Optimizer,
  type Shape,
  type Tensor,
  type Tree,
  type Variables,
} from "../../train.ts";

/** What a penalty of the critic sees in a step; all of it is lent. */
export interface PenaltyContext {
  readonly params: Tree;
  readonly vectors: Tree;
  /** The critic's outputs for a batch, which it consumes. */
  readonly score: (x: Tensor) => Tensor;
  readonly real: Tensor;
  readonly fake: Tensor;
  /** Of random numbers. */
  readonly key: Tensor;
}

/** A term of the critic's loss, perhaps with vectors of its own. */
export interface CriticPenalty {
  /** The vectors at the start. Lends `params`. */
  init(params: Tree): Tree;
  /** The vectors one step further. Lends both. */
  advance(params: Tree, vectors: Tree): Tree;
  value(context: PenaltyContext): Tensor;
}

/** A generator and a critic, and how they play. */
export interface GameOptions {
  readonly critic: Module;
  readonly generator: Module;
  /** Shape of what both deal in: the critic's input, the generator's output. */
  readonly shape: Shape;
  /** Shape of what the generator starts from. */
  readonly latentShape: Shape;
  readonly batch: number;
  /** Steps of the critic before each of the generator. */
  readonly criticSteps: number;
  readonly loss: GanLoss;
  readonly criticOptimizer: Optimizer;
  readonly generatorOptimizer: Optimizer;
  readonly penalty?: CriticPenalty | undefined;
}

/** Whatever trees of one player move in its step. */
type Player = { params: Tree; state: Tree; moments: Tree; vectors: Tree };
type Players = { critic: Player; generator: Player };

/** Where a game's numbers come from: real examples, the generator's inputs and random keys, as plain numbers. */
export interface Draws {
  /** [count, ...shape] */
  real(count: number): Float32Array<ArrayBuffer>;
  /** [count, ...latentShape] */
  latent(count: number): Float32Array<ArrayBuffer>;
  /** [count, 2] */
  keys(count: number): Uint32Array<ArrayBuffer>;
}

type Compiled<Args extends unknown[], Result> = { (...args: Args): Promise<Result>; dispose(): void };

/**
 * An adversarial game. One compiled function plays a whole round: the critic's steps, each on a batch of its own, then the
 * generator's. It owns every array it makes.
 */
export class Game {
  readonly #options: GameOptions;
  readonly #round: Compiled<[Players, Tensor, Tensor, Tensor], Players>;
  readonly #generate: Compiled<[Player, Tensor], NativeArray>;
  #players: Players;

  /** @param keys two random keys, which it consumes: of the critic's weights and of the generator's. */
  constructor(options: GameOptions, keys: readonly [critic: Tensor, generator: Tensor]) {
    const { critic, generator, shape, latentShape, penalty } = options;
    this.#options = options;
    const compiled = (fn: (...args: never[]) => unknown) => compile(fn as never) as never;
    this.#round = compiled((players: Players, real: Tensor, noise: Tensor, random: Tensor) =>
      playRound(options, players, real, noise, random),
    );
    this.#generate = compiled((player: Player, noise: Tensor) => {
      const made = generate(generator, player, noise);
      tree.dispose(player as never);
      return made;
    });
    const first = critic.init(keys[0], shape);
    this.#players = {
      critic: start(first, options.criticOptimizer, penalty?.init(first.params) ?? {}),
      generator: start(generator.init(keys[1], latentShape), options.generatorOptimizer, {}),
    };
  }

  /** The critic's variables, lent until the next round. */
  get critic(): Variables {
    return this.#players.critic;
  }

  async round(draws: Draws): Promise<void> {
    const { batch, shape, latentShape, criticSteps: n } = this.#options;
    const native = (data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>, of: Shape) =>
      toNative(data, of) as unknown as Tensor;
    this.#players = await this.#round(
      this.#players,
      native(draws.real(n * batch), [n, batch, ...shape]),
      native(draws.latent((n + 1) * batch), [n + 1, batch, ...latentShape]),
      native(draws.keys(n), [n, 2]),
    );
  }

  /** What the generator makes of these inputs, [count, ...latentShape]; compiled anew for every count. */
  async generate(latents: Float32Array<ArrayBuffer>): Promise<Float32Array<ArrayBuffer>> {
    const { latentShape } = this.#options;
    const size = latentShape.reduce((all, n) => all * n, 1);
    tree.ref(this.#players.generator as never);
    const noise = toNative(latents, [latents.length / size, ...latentShape]) as unknown as Tensor;
    const made = await this.#generate(this.#players.generator, noise);
    return (await made.data()) as Float32Array<ArrayBuffer>;
  }

  dispose(): void {
    this.#round.dispose();
    this.#generate.dispose();
    tree.dispose(this.#players as never);
  }
}

function start({ params, state }: Variables, optimizer: Optimizer, vectors: Tree): Player {
  return { params, state, moments: optimizer.init(params), vectors };
}

/** Consumes everything. */
function playRound(
  options: GameOptions,
  { critic, generator }: Players,
  real: Tensor,
  noise: Tensor,
  random: Tensor,
): Players {
  const n = options.criticSteps;
  const [reals, noises, keys] = [slices(real, n), slices(noise, n + 1), slices(random, n)];
  let current = critic;
  for (let k = 0; k < n; k++) {
    const fake = generate(options.generator, generator, noises[k]);
    const next = criticStep(options, current, reals[k], fake, keys[k]);
    tree.dispose(current as never);
    current = next;
  }
  const moved = generatorStep(options, generator, current, noises[n]);
  tree.dispose(generator as never);
  return { critic: current, generator: moved };
}

/** Lends the player; consumes the batch and the key. */
function criticStep(
  { critic, loss: rule, criticOptimizer, penalty }: GameOptions,
  player: Player,
  real: Tensor,
  fake: Tensor,
  key: Tensor,
): Player {
  const state = critic.advance(player.params, player.state);
  const vectors = penalty ? penalty.advance(player.params, player.vectors) : tree.ref(player.vectors);
  const { loss, gradient } = differentiate((params: Tree) => {
    const score = (x: Tensor) => output(critic, params, state, x);
    // Both halves in one pass: fewer and larger products.
    const [onReal, onFake] = np.split(score(np.concatenate([real.ref, fake.ref], 0)), 2, 0);
    const played = rule.critic(onReal, onFake);
    const added = penalty?.value({ params, vectors, score, real, fake, key });
    return { loss: added ? played.add(added) : played, aux: [] };
  }, player.params);
  const stepped = criticOptimizer.update(gradient, player.moments, player.params);
  const projected = critic.project(stepped.params, state);
  tree.dispose([loss, real, fake, key, state, stepped.params] as never);
  return { ...projected, moments: stepped.state, vectors };
}

/** Lends both players; consumes the noise. */
function generatorStep(
  { critic, generator, loss: rule, generatorOptimizer }: GameOptions,
  player: Player,
  against: Player,
  noise: Tensor,
): Player {
  const { loss, gradient } = differentiate((params: Tree) => {
    const made = output(generator, params, player.state, noise.ref);
    return { loss: rule.generator(output(critic, against.params, against.state, made)), aux: [] };
  }, player.params);
  const stepped = generatorOptimizer.update(gradient, player.moments, player.params);
  tree.dispose([loss, noise] as never);
  return { ...player, state: tree.ref(player.state), params: stepped.params, moments: stepped.state };
}

/** Lends the player, consumes the noise. */
function generate(generator: Module, { params, state }: Player, noise: Tensor): Tensor {
  return output(generator, params, state, noise);
}

/** Lends the trees, consumes x. */
function output(net: Module, params: Tree, state: Tree, x: Tensor): Tensor {
  const applied = net.apply(params, state, x, { training: true });
  tree.dispose(applied.state as never);
  return applied.y;
}

/** The members along the first axis. Consumes the array. */
function slices(array: Tensor, count: number): Tensor[] {
  const shape = array.shape.slice(1);
  if (count === 1) return [array.reshape(shape)];
  return np.split(array, count, 0).map((part) => part.reshape(shape));
}
