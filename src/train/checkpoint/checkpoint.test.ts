import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toNative } from "../../compile/to-native.ts";
import { FormatError } from "../../formats/errors.ts";
import { openModel } from "../../formats/open.ts";
import { encodeSafetensors, type StoredTensor } from "../../formats/safetensors-writer.ts";
import { RandomStream } from "../../linalg/random.ts";
import { singularValueDecomposition } from "../../linalg/svd.ts";
import { WriteError } from "../../platform/files.ts";
import { sequential } from "../compositions.ts";
import { bjorck } from "../controls/bjorck.ts";
import { projectNorm } from "../controls/project-norm.ts";
import { clipSingularValues } from "../controls/singular-band.ts";
import { spectralNorm } from "../controls/spectral-norm.ts";
import { exportSafetensors } from "../export/safetensors.ts";
import { batchNorm } from "../layers/batch-norm.ts";
import { conv1d } from "../layers/convolution.ts";
import { elman } from "../layers/elman.ts";
import { flatten } from "../layers/flatten.ts";
import { gru } from "../layers/gru.ts";
import { linear } from "../layers/linear.ts";
import { lstm } from "../layers/lstm.ts";
import { adam } from "../optimizers/adam.ts";
import { sgd } from "../optimizers/sgd.ts";
import { CLASSES, FEATURES, toyData, toyNet, toyOptions } from "../testing/toy-run.ts";
import { namedLeaves } from "../trainer/names.ts";
import type { TrainerOptions } from "../trainer/options.ts";
import { createTrainer, type Trainer } from "../trainer/trainer.ts";
import type { Tree } from "../types.ts";
import { CheckpointError } from "./checkpoint-error.ts";
import { encodeCheckpoint } from "./encode.ts";

const batches = toyData().batches({ size: 16, seed: 5 });
const made: Trainer[] = [];
const trainer = (changed: Partial<TrainerOptions> = {}) => {
  const created = createTrainer(toyOptions({ device: "native", ...changed }));
  made.push(created);
  return created;
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lipschitz-checkpoint-"));
});
afterAll(async () => {
  await Promise.all(made.map((each) => each.dispose()));
  await rm(folder, { recursive: true });
});

async function stepThrough(run: Trainer, until: number): Promise<number[]> {
  const losses = [];
  while (run.steps < until) losses.push((await run.step(batches.at(run.steps))).loss);
  return losses;
}

/** The tensors of a safetensors file, to be written again with changes. */
async function tensorsOf(bytes: Uint8Array): Promise<StoredTensor[]> {
  const model = await openModel(bytes);
  return Promise.all(
    model.tensors.map(async ({ name, dtype, shape, byteLength, read }) => {
      return { name, dtype, shape, data: await read(0, byteLength) };
    }),
  );
}

describe.each(["jax", "native"] as const)("a run on %s that is resumed", (device) => {
  it("is, bit for bit, the run that was never stopped", async () => {
    const options = { device, monitor: true, clipNorm: 0.5 };
    const whole = trainer(options);
    const losses = await stepThrough(whole, 14);

    const first = trainer(options);
    const path = join(folder, `${device}.safetensors`);
    expect(await stepThrough(first, 7)).toEqual(losses.slice(0, 7));
    await first.save(path);

    // Another seed: nothing of how this trainer started may be left in it.
    const second = trainer({ ...options, seed: 99 });
    await second.resume(path);
    expect(second.steps).toBe(7);
    expect(await stepThrough(second, 14)).toEqual(losses.slice(7));
    expect(await second.checkpoint()).toEqual(await whole.checkpoint());
  });
});

describe("a checkpoint file", () => {
  it("is read by any reader of safetensors, with paths as names", async () => {
    const run = trainer();
    await stepThrough(run, 2);
    const model = await openModel(await run.checkpoint());
    const shapes = Object.fromEntries(
      model.tensors.map(({ name, dtype, shape }) => [name, `${dtype} ${shape}`]),
    );
    expect(shapes).toMatchObject({
      "params.0.weight": `float32 8,${FEATURES}`,
      "params.2.bias": `float32 ${CLASSES}`,
      "state.0.weight.u": "float32 1,8",
      "optimizer.step": "int32 ",
      "optimizer.squares.0.weight": `float32 8,${FEATURES}`,
      key: "uint32 2",
    });
  });

  it("is written whole or not at all", async () => {
    const run = trainer();
    const path = join(folder, "kept.safetensors");
    await run.save(path);
    const before = await readFile(path);
    await expect(run.save(join(folder, "missing", "run.safetensors"))).rejects.toThrow(WriteError);
    await stepThrough(run, 1);
    await run.save(path);
    expect(await readFile(path)).not.toEqual(before);
    expect(existsSync(join(folder, "missing"))).toBe(false);
    expect((await readdir(folder)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it("keeps every type to the bit", async () => {
    const arrays = {
      float32: toNative(Float32Array.of(1 / 3, -0, 1e-45), [3]),
      float64: toNative(Float64Array.of(1 / 3, 5e-324), [2, 1]),
      float16: toNative(Uint16Array.of(0x3c01, 0x8001), [2]),
      int32: toNative(Int32Array.of(-7), []),
      uint32: toNative(Uint32Array.of(2 ** 32 - 1), [1]),
      bool: toNative(Uint8Array.of(1, 0, 1), [3], "bool"),
    };
    const tensors = await tensorsOf(await encodeCheckpoint(arrays as unknown as Tree, 0));
    const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => [
      ...new Uint8Array(buffer, byteOffset, byteLength),
    ];
    const expected: Record<string, ArrayBufferView> = {
      float32: Float32Array.of(1 / 3, -0, 1e-45),
      float64: Float64Array.of(1 / 3, 5e-324),
      float16: Uint16Array.of(0x3c01, 0x8001),
      int32: Int32Array.of(-7),
      uint32: Uint32Array.of(2 ** 32 - 1),
      bool: Uint8Array.of(1, 0, 1),
    };
    expect(tensors.map(({ name }) => name).toSorted()).toEqual(Object.keys(expected).toSorted());
    for (const { name, dtype, data } of tensors) {
      expect(dtype).toBe(name);
      expect(bytesOf(data)).toEqual(bytesOf(expected[name]));
    }
    for (const array of Object.values(arrays)) array.dispose();
  });
});

describe("vectors that the file lacks", () => {
  const sigmaInUse = async (run: Trainer) => {
    await stepThrough(run, run.steps + 1);
    return run.history.sigma["0.weight"].at(-1)!;
  };

  it("are estimated from the weights when they are a control's", async () => {
    const trained = trainer({ monitor: true, optimizer: sgd({ learningRate: 1e-9 }) });
    await stepThrough(trained, 3);
    const tensors = await tensorsOf(await trained.checkpoint());
    const bytes = encodeSafetensors(
      tensors.filter(({ name }) => !name.startsWith("state.")),
      { format: "lipschitz.checkpoint/1", steps: "3" },
    );
    const resumed = trainer({ monitor: true, seed: 99, optimizer: sgd({ learningRate: 1e-9 }) });
    await resumed.resume(bytes);
    expect(resumed.steps).toBe(3);
    // The layer divides by its estimate; the monitor's own iteration tells whether that is σ₁ of these weights.
    expect(await sigmaInUse(resumed)).toBeCloseTo(2, 2);
  });

  it("are those it started with when they are the monitor's, which may be switched on or off", async () => {
    const bytes = await trainer().checkpoint();
    const watched = trainer({ monitor: true });
    await watched.resume(bytes);
    await stepThrough(watched, 1);
    await trainer().resume(await watched.checkpoint());
  });
});

/** The toy network's logits with σ₁ of its first weight from a singular value decomposition. */
function byHand(params: Readonly<Record<string, ArrayLike<number>>>): number[] {
  const first = params["0.weight"];
  const hidden = first.length / FEATURES;
  const { s: singularValues } = singularValueDecomposition(Float64Array.from(first), hidden, FEATURES);
  const x = toyData().all.x.data;
  const logits: number[] = [];
  for (let example = 0; example < x.length / FEATURES; example++) {
    const active = Array.from({ length: hidden }, (_, h) => {
      let sum = 0;
      for (let f = 0; f < FEATURES; f++) sum += first[h * FEATURES + f] * x[example * FEATURES + f];
      return Math.max(0, (2 / singularValues[0]) * sum + params["0.bias"][h]);
    });
    for (let c = 0; c < CLASSES; c++) {
      const row = active.map((value, h) => value * params["2.weight"][c * hidden + h]);
      logits.push(row.reduce((sum, value) => sum + value, params["2.bias"][c]));
    }
  }
  return logits;
}

describe("load", () => {
  it("starts a new run from plain weights", async () => {
    const trained = trainer();
    await stepThrough(trained, 20);
    const named = namedLeaves(trained.params).map(async ({ name, leaf }) => {
      const { dtype, shape } = leaf;
      return { name, dtype, shape, data: await leaf.ref.data() };
    });
    const plain = encodeSafetensors(await Promise.all(named), { format: "pt" });
    const started = trainer({ seed: 99 });
    await stepThrough(started, 5);
    await started.load(plain);
    expect(started.steps).toBe(0);

    const { data: logits } = await started.predict(toyData().all.x);
    const expected = byHand(
      Object.fromEntries((await Promise.all(named)).map(({ name, data }) => [name, data])),
    );
    const scale = Math.max(...expected.map(Math.abs));
    expected.forEach((logit, i) => {
      expect(Math.abs(logit - logits[i]) / scale).toBeLessThan(1e-4);
    });
    const optimizer = await tensorsOf(await started.checkpoint());
    const squares = optimizer.find(({ name }) => name === "optimizer.squares.0.weight")!;
    expect([...(squares.data as Uint8Array)].every((byte) => byte === 0)).toBe(true);
  });

  it.each([
    ["projectNorm", projectNorm()],
    ["clipSingularValues", clipSingularValues()],
    ["bjorck", bjorck()],
  ])("moves weights into what %s allows", async (_, control) => {
    const steep = Float32Array.from({ length: 5 * FEATURES }, (_, i) => 2 * Math.sin(i * i));
    const plain = encodeSafetensors([
      { name: "weight", dtype: "float32", shape: [5, FEATURES], data: steep },
    ]);
    const run = trainer({ net: linear(5, { control, bias: false }) });
    await run.load(plain);
    const [{ leaf }] = namedLeaves(run.params);
    const { s } = singularValueDecomposition(Float64Array.from(await leaf.ref.data()), 5, FEATURES);
    expect(s[0]).toBeCloseTo(1, 4);
  });

  it.each([
    ["batch normalisation", [2, 6], () => sequential(conv1d(4, 3), batchNorm(), flatten(), linear(CLASSES))],
    ["an LSTM", [5, 2], () => sequential(lstm(4, { returns: "last" }), linear(CLASSES))],
    ["a GRU", [5, 2], () => sequential(gru(4, { returns: "last" }), linear(CLASSES))],
    ["an Elman network", [5, 2], () => sequential(elman(4, { returns: "last" }), linear(CLASSES))],
  ])("takes the file that exportSafetensors writes of %s", async (_, inputShape, net) => {
    const stream = new RandomStream(4n);
    const size = inputShape.reduce((product, n) => product * n, 8);
    const x = { data: Float32Array.from({ length: size }, () => stream.normal()), shape: [8, ...inputShape] };
    const y = { data: Int32Array.from({ length: 8 }, (_, i) => i % CLASSES), shape: [8] };
    const options = { net: net(), inputShape };
    const trained = trainer(options);
    for (let k = 0; k < 30; k++) await trained.step({ x, y });
    const { bytes } = await exportSafetensors(options.net, trained.params, trained.state, { inputShape });
    const { data: expected } = await trained.predict(x);
    const loaded = trainer({ ...options, seed: 99 });
    const far = (data: ArrayLike<number>) =>
      Math.max(...Array.from(data, (value, i) => Math.abs(value - expected[i])));
    expect(far((await loaded.predict(x)).data)).toBeGreaterThan(0.1);
    await loaded.load(bytes);
    expect(far((await loaded.predict(x)).data)).toBeLessThan(1e-4);
  });

  it("takes exported weights of controlled recurrent layers as they stand in the file", async () => {
    const net = sequential(elman(4, { control: spectralNorm(), returns: "last" }), linear(CLASSES));
    const inputShape = [5, 2];
    const { params, state } = trainer({ net, inputShape });
    const { bytes } = await exportSafetensors(net, params, state, { inputShape });
    const loaded = trainer({ net, inputShape, seed: 99 });
    await loaded.load(bytes);
    const stored = new Map((await tensorsOf(bytes)).map(({ name, data }) => [name, data as Uint8Array]));
    const leaves = new Map(namedLeaves(loaded.params).map(({ name, leaf }) => [name, leaf]));
    for (const [ours, theirs] of [
      ["0.input", "0.weight_ih_l0"],
      ["0.recurrent", "0.weight_hh_l0"],
      ["0.inputBias", "0.bias_ih_l0"],
      ["0.recurrentBias", "0.bias_hh_l0"],
      ["1.weight", "1.weight"],
    ]) {
      const { buffer } = stored.get(theirs)!.slice();
      expect(await leaves.get(ours)!.ref.data(), ours).toEqual(new Float32Array(buffer));
    }
  });

  it("takes the weights of a checkpoint, and refuses arrays that belong to nothing", async () => {
    const trained = trainer();
    await stepThrough(trained, 2);
    const checkpoint = await trained.checkpoint();
    const other = trainer({ optimizer: sgd({ learningRate: 0.1 }) });
    await other.load(checkpoint);
    expect(other.steps).toBe(0);
    const strange = encodeSafetensors([
      { name: "7.weight", dtype: "float32", shape: [1], data: new Float32Array(1) },
    ]);
    await expect(other.load(strange)).rejects.toThrow(
      /params\.0\.weight is missing.*7\.weight is not in this network/,
    );
  });
});

describe("files that do not fit", () => {
  const refused = async (run: Trainer, source: Uint8Array | string) => {
    const before = await run.checkpoint();
    const error = await run.resume(source).catch((reason: unknown) => reason as Error);
    expect(error).toBeInstanceOf(Error);
    expect(await run.checkpoint()).toEqual(before);
    return error as Error;
  };

  it("say every array that differs", async () => {
    const bytes = await trainer().checkpoint();
    const error = await refused(
      trainer({ net: toyNet(5), optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }) }),
      bytes,
    );
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error.message).toContain(
      `params.0.weight is float32 [8,${FEATURES}] in the file, float32 [5,${FEATURES}]`,
    );
    expect(error.message).toContain("optimizer.velocity.0.weight is missing from the file");
    expect(error.message).toMatch(/and \d+ more/);
  });

  it("say which optimiser state is left over", async () => {
    const bytes = await trainer({ optimizer: adam({ learningRate: 0.1 }) }).checkpoint();
    const error = await refused(trainer({ optimizer: sgd({ learningRate: 0.1 }) }), bytes);
    expect(error.message).toContain("optimizer.squares.0.weight is not in this network");
  });

  it("are refused when they are no checkpoints, or of a later version", async () => {
    const run = trainer();
    const tensors = await tensorsOf(await run.checkpoint());
    expect((await refused(run, encodeSafetensors(tensors))).message).toMatch(/not a checkpoint.*load\(\)/);
    const later = encodeSafetensors(tensors, { format: "lipschitz.checkpoint/2", steps: "0" });
    expect((await refused(run, later)).message).toMatch(/lipschitz\.checkpoint\/2.*Update/);
    const damaged = encodeSafetensors(tensors, { format: "lipschitz.checkpoint/1", steps: "many" });
    expect((await refused(run, damaged)).message).toContain("metadata is damaged");
  });

  it("are refused when they are cut off or missing", async () => {
    const run = trainer();
    expect((await refused(run, undefined as never)).message).toMatch(/a path, a Blob or its bytes/);
    const bytes = await run.checkpoint();
    const path = join(folder, "cut.safetensors");
    await writeFile(path, bytes.subarray(0, bytes.length - 5));
    expect(await refused(run, path)).toBeInstanceOf(FormatError);
    expect(await refused(run, join(folder, "nowhere.safetensors"))).toBeInstanceOf(FormatError);
  });
});
