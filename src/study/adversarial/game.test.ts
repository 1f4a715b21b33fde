import { defaultDevice, init, random } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { liveArrays } from "../../compile.ts";
import { clipWeights, ganLosses, linear, type Module, sgd, type Tensor } from "../../train.ts";
import { Game, type GameOptions } from "./game.ts";

const RATE = 0.1;

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

/** A game on the line between f(x) = w·x + b and g(z) = a·z + c. */
function lineGame(options: Partial<GameOptions> = {}): Game {
  return new Game(
    {
      critic: linear(1),
      generator: linear(1),
      shape: [1],
      latentShape: [1],
      batch: 1,
      criticSteps: 2,
      loss: ganLosses.wasserstein,
      criticOptimizer: sgd({ learningRate: RATE }),
      generatorOptimizer: sgd({ learningRate: RATE }),
      ...options,
    },
    [random.key(1), random.key(2)],
  );
}

const slopeOf = async (game: Game) => {
  const { weight } = game.critic.params as unknown as { weight: Tensor };
  return (await weight.ref.data())[0] as number;
};

/** a and c. */
const generatorOf = async (game: Game) => {
  const [[atZero], [atOne]] = [
    await game.generate(Float32Array.of(0)),
    await game.generate(Float32Array.of(1)),
  ];
  return [atOne - atZero, atZero];
};

const draws = {
  real: (count: number) => Float32Array.from({ length: count }, (_, i) => 3 + i),
  latent: (count: number) => Float32Array.from({ length: count }, (_, i) => 0.5 * (i + 1)),
  keys: (count: number) => new Uint32Array(2 * count),
};

describe("a round of the game", () => {
  it("is two steps of the critic on batches of their own, then one of the generator against the new critic", async () => {
    const before = liveArrays();
    const game = lineGame();
    const w = await slopeOf(game);
    const [a, c] = await generatorOf(game);
    await game.round(draws);
    // The critic's loss is f(g(z)) − f(x), whose derivative by w is g(z) − x.
    const moved = w - RATE * (a * 0.5 + c - 3) - RATE * (a * 1 + c - 4);
    expect(await slopeOf(game)).toBeCloseTo(moved, 5);
    // The generator's loss is −w·(a·z + c) − b at z = 1.5.
    const [newA, newC] = await generatorOf(game);
    expect(newA).toBeCloseTo(a + RATE * moved * 1.5, 5);
    expect(newC).toBeCloseTo(c + RATE * moved, 5);
    game.dispose();
    expect(liveArrays()).toBe(before);
  });

  it("adds the penalty, whose vectors move once for each step of the critic", async () => {
    const seen: number[] = [];
    const game = lineGame({
      penalty: {
        init: (params) => (params as unknown as { weight: Tensor }).weight.ref.mul(0),
        advance: (_params, vectors) => (vectors as Tensor).ref.add(1),
        value({ params, vectors, real, fake }) {
          seen.push(real.shape[0], fake.shape[0]);
          return (params as unknown as { weight: Tensor }).weight.ref.mul((vectors as Tensor).ref).sum();
        },
      },
    });
    const w = await slopeOf(game);
    const [a, c] = await generatorOf(game);
    await game.round(draws);
    const moved = w - RATE * (a * 0.5 + c - 3) - RATE * (a * 1 + c - 4);
    // Derivatives 1 in the first step and 2 in the second.
    expect(await slopeOf(game)).toBeCloseTo(moved - RATE * 3, 5);
    expect(seen).toEqual([1, 1, 1, 1]);
    game.dispose();
  });

  it("projects the critic into what its control allows", async () => {
    const critic: Module = linear(1, { control: clipWeights({ limit: 0.01 }) });
    const game = lineGame({ critic });
    await game.round(draws);
    expect(Math.abs(await slopeOf(game))).toBeCloseTo(0.01, 7);
    game.dispose();
  });
});
