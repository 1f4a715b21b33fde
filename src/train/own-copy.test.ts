import { cp, mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { defaultDevice, init, numpy as np, random, tree } from "@jax-js/jax";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bound } from "./bound.ts";
import { sequential } from "./compositions.ts";
import { TrainError } from "./errors.ts";
import { exportOnnx } from "./export/onnx.ts";
import { linear } from "./layers/linear.ts";
import { relu } from "./layers/relu.ts";
import { crossEntropy } from "./losses/cross-entropy.ts";
import { checkOwnCopy } from "./own-copy.ts";
import { toyOptions } from "./testing/toy-run.ts";
import { createTrainer } from "./trainer/trainer.ts";
import type { Tensor, Tree } from "./types.ts";

type Jax = typeof import("@jax-js/jax");

const INPUT = [2];
const net = sequential(linear(3), relu());

let folder: string;
let other: Jax;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lipschitz-copy-"));
  const entry = createRequire(import.meta.url).resolve("@jax-js/jax");
  await cp(dirname(entry), folder, { recursive: true });
  other = await import(pathToFileURL(join(folder, "index.js")).href);
  for (const jax of [{ init, defaultDevice }, other]) {
    await jax.init("wasm");
    jax.defaultDevice("wasm");
  }
});
afterAll(() => rm(folder, { recursive: true }));

/** An array as one who imports the other copy has it. */
const theirs = (shape: number[]) => other.numpy.ones(shape) as unknown as Tensor;

async function refused(call: () => unknown, what: string): Promise<void> {
  const error = await Promise.resolve()
    .then(call)
    .catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(TrainError);
  expect((error as Error).message).toContain(`${what} is an array of another copy of @jax-js/jax`);
  expect((error as Error).message).toContain("npm ls @jax-js/jax");
}

describe("arrays of another copy of jax-js are named as such", () => {
  it("as a key, inputs and parameters of modules", async () => {
    await refused(() => net.init(other.random.key(1) as unknown as Tensor, INPUT), "The random key");
    const { params, state } = net.init(random.key(1), INPUT);
    await refused(() => net.apply(params, state, theirs([4, 2])), "sequential: x");
    const [layer, layerState] = [(params as Tree[])[0], (state as Tree[])[0]];
    await refused(() => linear(3).apply(layer, layerState, theirs([4, 2])), "x, the input of a layer,");
    await refused(() => relu().apply({}, {}, theirs([4, 2])), "relu: x");
    const foreign = [{ weight: theirs([3, 2]), bias: theirs([3]) }, {}];
    const x = np.ones([4, 2]);
    await refused(() => net.apply(foreign, state, x), "The layer's weight");
    const options = { inputShape: INPUT };
    await refused(() => bound(net, foreign, state, options), "A parameter, or an array of the state,");
    await refused(() => exportOnnx(net, foreign, state, options), "A parameter, or an array of the state,");
    tree.dispose([params, state, x] as never);
  });

  it("in batches and losses", async () => {
    const trainer = createTrainer(toyOptions({ net: linear(3), inputShape: INPUT, device: "native" }));
    const y = { data: new Int32Array(4), shape: [4] };
    await refused(() => trainer.step({ x: theirs([4, 2]), y }), "step: x");
    await refused(() => trainer.predict(theirs([4, 2]) as never), "predict: x");
    await trainer.dispose();
    const labels = np.array(y.data);
    await refused(() => crossEntropy(theirs([4, 3]), labels), "crossEntropy: logits");
    labels.dispose();
  });
});

it("takes everything else for what it is", () => {
  const own = np.ones([2]);
  for (const value of [own, undefined, null, 1, "x", {}, [], { data: new Float32Array(1), shape: [1] }]) {
    expect(() => checkOwnCopy("x", value)).not.toThrow();
  }
  own.dispose();
});
