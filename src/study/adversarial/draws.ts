import { deriveSeed } from "../../audit/seeds.ts";
import { RandomStream } from "../../linalg/random.ts";
import type { Draws } from "./game.ts";

/** Independent streams of one run: of real examples, of the generator's inputs, of keys, and of what judges. */
export interface Streams {
  readonly data: RandomStream;
  readonly latent: RandomStream;
  readonly keys: RandomStream;
  readonly judge: RandomStream;
}

export function streamsOf(seed: number): Streams {
  const stream = (use: number) => new RandomStream(deriveSeed(BigInt(seed), use));
  return { data: stream(0), latent: stream(1), keys: stream(2), judge: stream(3) };
}

/**
 * What a game is fed from these streams.
 * @param latent numbers in one of the generator's inputs: standard normal.
 */
export function drawsOf({ latent: noise, keys }: Streams, latent: number, real: Draws["real"]): Draws {
  return {
    real,
    latent: (count) => normals(noise, latent * count),
    keys: (count) => Uint32Array.from({ length: 2 * count }, () => 2 ** 32 * keys.uniform()),
  };
}

/** Independent standard normal numbers. */
export function normals(stream: RandomStream, count: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, () => stream.normal());
}
