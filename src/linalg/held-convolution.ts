import type { Thread } from "../platform/threads.ts";
import type { ConvolutionGeometry } from "./geometry.ts";
import { concatenate, type Products, sumOf } from "./held-matrix.ts";
import { newId } from "./pool.ts";
import type { Tasks } from "./tasks.ts";

/** A convolution spread over threads by output channels, ready to be multiplied by. */
export interface ConvolutionProducts {
  readonly products: Products;
  release(): Promise<void>;
}

/** Gives each thread an even share of the output channels for as long as the convolution is held. */
export async function holdConvolution(
  kernel: Float64Array | Float32Array,
  kernelShape: readonly number[],
  geometry: ConvolutionGeometry,
  threads: readonly Thread<Tasks>[],
): Promise<ConvolutionProducts> {
  const channels = kernelShape[0]!;
  const count = Math.min(threads.length, channels);
  const parts = threads.slice(0, count).map((thread, i) => ({
    thread,
    id: newId(),
    outputChannels: [Math.floor((i * channels) / count), Math.floor(((i + 1) * channels) / count)] as const,
  }));
  await Promise.all(
    parts.map(({ thread, id, outputChannels }) =>
      thread.call("createConvolution", [id, { kernel, kernelShape, geometry, outputChannels }]),
    ),
  );
  return {
    async products({ kind, vector }) {
      const shares = await Promise.all(parts.map(({ thread, id }) => thread.call(kind, [id, vector])));
      return kind === "gram" ? sumOf(shares) : concatenate(shares);
    },
    release: async () => {
      await Promise.all(parts.map(({ thread, id }) => thread.call("release", [id])));
    },
  };
}
