import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { numpy as np, random, tree } from "@jax-js/jax";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { liveArrays } from "../../compile/native-array.ts";
import { singularValueDecomposition } from "../../linalg/svd.ts";
import { sequential } from "../compositions.ts";
import { differentiate } from "../differentiate.ts";
import { ShapeError, TrainError } from "../errors.ts";
import { batchNorm } from "../layers/batch-norm.ts";
import { linear } from "../layers/linear.ts";
import { crossEntropy } from "../losses/cross-entropy.ts";
import { adam } from "../optimizers/adam.ts";
import { globalNorm } from "../optimizers/global-norm.ts";
import { sgd } from "../optimizers/sgd.ts";
import { frobenius } from "../penalties/frobenius.ts";
import { spectralPenalty } from "../penalties/spectral-penalty.ts";
import { liveBuffers } from "../testing/ownership.ts";
import { CLASSES, FEATURES, toyData, toyNet, toyOptions } from "../testing/toy-run.ts";
import type { Tensor, Tree } from "../types.ts";
import { DivergenceError } from "./divergence-error.ts";
import { namedLeaves } from "./names.ts";
import type { TrainerOptions } from "./options.ts";
import { createTrainer, type Trainer } from "./trainer.ts";

const DEVICES = ["jax", "native"] as const;

const data = toyData();
const batches = data.batches({ size: 16, seed: 5 });
const made: Trainer[] = [];
const trainer = (changed: Partial<TrainerOptions> = {}) => {
  const created = createTrainer(toyOptions(changed));
  made.push(created);
  return created;
};

afterEach(async () => {
  await Promise.all(made.splice(0).map((each) => each.dispose()));
});

/** The numbers of a tree on any device, by path. */
async function numbersOf(given: Tree): Promise<Record<string, number[]>> {
  const read = namedLeaves(given).map(async ({ name, leaf }) => [
    name,
    [...(await leaf.ref.data())].map(Number),
  ]);
  return Object.fromEntries(await Promise.all(read));
}

function expectClose(a: Record<string, number[]>, b: Record<string, number[]>, tolerance: number): void {
  expect(Object.keys(a)).toEqual(Object.keys(b));
  for (const [name, values] of Object.entries(a)) {
    const scale = Math.max(...b[name].map(Math.abs));
    values.forEach((value, i) => {
      expect(Math.abs(value - b[name][i]) / scale, name).toBeLessThan(tolerance);
    });
  }
}

/** The parts a trainer is made from, put together by hand without compiling anything. */
function byHand(optimizer = adam({ learningRate: 0.01 })) {
  const net = toyNet();
  const [weightKey, ...others] = random.split(random.key(3), 4);
  for (const key of others) key.dispose();
  let { params, state } = net.init(weightKey, [FEATURES]);
  let optimizerState = optimizer.init(params);
  return {
    step(k: number): number {
      const { x, y } = batches.at(k);
      const inputs = np.array(x.data as Float32Array<ArrayBuffer>, { shape: [...x.shape] });
      const labels = np.array(y.data as Int32Array<ArrayBuffer>);
      const advanced = net.advance(params, state);
      const { loss, aux, gradient } = differentiate((lent: Tree) => {
        const applied = net.apply(lent, advanced, inputs.ref, { training: true });
        return { loss: crossEntropy(applied.y, labels.ref), aux: applied.state };
      }, params);
      const stepped = optimizer.update(gradient, optimizerState, params);
      const projected = net.project(stepped.params, aux);
      tree.dispose([inputs, labels, params, state, advanced, aux, optimizerState, stepped.params] as never);
      ({ params, state } = projected);
      optimizerState = stepped.state;
      return Number(loss.dataSync()[0]);
    },
    params: () => params,
    dispose: () => tree.dispose([params, state, optimizerState] as never),
  };
}

describe.each(DEVICES)("a trainer on %s", (device) => {
  it("does what the parts do by hand", async () => {
    const hand = byHand();
    const compiled = trainer({ device });
    for (let k = 0; k < 5; k++) {
      const { loss } = await compiled.step(batches.at(k));
      expect(Math.abs(loss - hand.step(k)) / loss).toBeLessThan(1e-5);
    }
    expectClose(await numbersOf(compiled.params), await numbersOf(hand.params()), 1e-5);
    hand.dispose();
  });

  it("learns, and predicts what it learnt", async () => {
    const learner = trainer({ device });
    for (let k = 0; k < 100; k++) await learner.step(batches.at(k));
    const { data: logits, shape } = await learner.predict(data.all.x);
    expect(shape).toEqual([data.size, CLASSES]);
    const right = Array.from(data.all.y.data).filter((label, i) => {
      const row = [...logits.subarray(i * CLASSES, (i + 1) * CLASSES)];
      return row.indexOf(Math.max(...row)) === label;
    });
    expect(right.length / data.size).toBeGreaterThan(0.95);
    expect(learner.steps).toBe(100);
  });

  it("leaves nothing alive when it is disposed", async () => {
    await trainer({ device }).step(batches.at(0));
    await made.pop()!.dispose();
    const before = [liveBuffers(), liveArrays()];
    const short = trainer({
      device,
      monitor: true,
      penalty: ({ params }) => frobenius(toyNet().weights([FEATURES]), params, 0.1),
    });
    await short.step(batches.at(0));
    await short.predict(data.all.x);
    await short.checkpoint();
    await short.dispose();
    expect([liveBuffers(), liveArrays()]).toEqual(before);
    await expect(short.step(batches.at(1))).rejects.toThrow(/disposed/);
  });

  it("traces the loss once for batches of one size", async () => {
    let calls = 0;
    const counted = trainer({
      device,
      loss: ({ outputs, batch }) => {
        calls++;
        return crossEntropy(outputs, batch.y);
      },
    });
    for (let k = 0; k < 4; k++) await counted.step(batches.at(k));
    expect(calls).toBe(1);
  });

  it("carries out overlapping calls in order", async () => {
    const [overlapping, waiting] = [trainer({ device }), trainer({ device })];
    const results = await Promise.all([0, 1, 2].map((k) => overlapping.step(batches.at(k))));
    for (let k = 0; k < 3; k++) expect(await waiting.step(batches.at(k))).toEqual(results[k]);
  });

  it("predicts any number of examples as the network does", async () => {
    const single = trainer({ device });
    const { data: logits } = await single.predict(toyData(300).all.x);
    for (const examples of [1, 3, 7]) {
      const x = toyData(300).all.x;
      const some = { data: x.data.subarray(0, examples * FEATURES), shape: [examples, FEATURES] };
      const part = await single.predict(some);
      expect(part.shape).toEqual([examples, CLASSES]);
      part.data.forEach((logit, i) => {
        expect(logit).toBeCloseTo(logits[i], 5);
      });
    }
  });
});

describe("the loss", () => {
  it("may read outputs and batch several times, and use params", async () => {
    const twice = trainer({
      loss: (context) =>
        crossEntropy(context.outputs, context.batch.y)
          .add(crossEntropy(context.outputs, context.batch.y))
          .add(globalNorm(context.params)),
    });
    const once = trainer();
    const norm = Math.hypot(...Object.values(await numbersOf(once.params)).flat());
    const { loss } = await once.step(batches.at(0));
    expect((await twice.step(batches.at(0))).loss).toBeCloseTo(2 * loss + norm, 4);
  });

  it.each(DEVICES)(
    "gets a new random key in each step on %s, the same ones for the same seed",
    async (device) => {
      const noisy = () =>
        trainer({
          device,
          loss: ({ outputs, batch, key }) => crossEntropy(outputs, batch.y).mul(0).add(random.uniform(key)),
        });
      const [a, b] = [noisy(), noisy()];
      const losses = [];
      for (let k = 0; k < 3; k++) {
        const { loss } = await a.step(batches.at(k));
        expect((await b.step(batches.at(k))).loss).toBe(loss);
        losses.push(loss);
      }
      expect(new Set(losses).size).toBe(3);
    },
  );

  it("must be a scalar", async () => {
    await expect(trainer({ loss: ({ outputs }) => outputs }).step(batches.at(0))).rejects.toThrow(
      /The loss must be a scalar.*\[16,3\]/,
    );
    const whole = trainer({ loss: ({ outputs }) => np.sum(outputs).astype(np.int32) });
    await expect(whole.step(batches.at(0))).rejects.toThrow(/The loss must be a real number.*int32/);
  });

  it("that fails leaves the trainer as it was", async () => {
    let fails = true;
    const recovering = trainer({
      loss: ({ outputs, batch }) => {
        if (fails) throw new Error("no loss today");
        return crossEntropy(outputs, batch.y);
      },
    });
    await expect(recovering.step(batches.at(0))).rejects.toThrow("no loss today");
    fails = false;
    const { step, loss } = await recovering.step(batches.at(0));
    expect({ step, loss }).toEqual({ step: 0, loss: (await trainer().step(batches.at(0))).loss });
  });
});

describe("penalty, clipping, monitor", () => {
  const weights = toyNet().weights([FEATURES]);

  it("adds a penalty to the loss", async () => {
    const plain = await trainer().step(batches.at(0));
    const penalised = trainer({ penalty: ({ params }) => frobenius(weights, params, 0.5) });
    const { "0.weight": first, "2.weight": last } = await numbersOf(penalised.params);
    const squares = [...first, ...last].reduce((sum, w) => sum + w * w, 0);
    expect((await penalised.step(batches.at(0))).loss).toBeCloseTo(plain.loss + squares / 4, 5);
  });

  it("carries the vectors of a penalty that has them", async () => {
    const penalised = trainer({ penalty: spectralPenalty(weights, 5), monitor: true });
    for (let k = 0; k < 60; k++) await penalised.step(batches.at(k));
    const { "2.weight": sigma } = penalised.history.sigma;
    expect(sigma.at(-1)!).toBeLessThan(0.5 * sigma[0]);
  });

  it("clips the gradient to a norm, and reports the norm before", async () => {
    const optimizer = sgd({ learningRate: 1 });
    const clipped = trainer({ optimizer, clipNorm: 1e-3 });
    const before = Object.values(await numbersOf(clipped.params)).flat();
    const { gradientNorm } = await clipped.step(batches.at(0));
    expect(gradientNorm).toBeGreaterThan(0.1);
    const after = Object.values(await numbersOf(clipped.params)).flat();
    expect(Math.hypot(...after.map((w, i) => w - before[i]))).toBeCloseTo(1e-3, 5);
  });

  it("records σ of the weights in use every n steps, near the cap of a control", async () => {
    const watched = trainer({ monitor: { every: 25 } });
    for (let k = 0; k < 100; k++) await watched.step(batches.at(k));
    const { steps, loss, gradientNorm, sigma } = watched.history;
    expect(steps).toEqual([0, 25, 50, 75]);
    expect([loss.length, gradientNorm.length]).toEqual([4, 4]);
    expect(Object.keys(sigma)).toEqual(["0.weight", "2.weight"]);
    for (const value of sigma["0.weight"]) expect(value / 2).toBeCloseTo(1, 1);
  });

  it("finds σ₁ of a weight that nothing controls", async () => {
    const watched = trainer({ monitor: true, optimizer: sgd({ learningRate: 1e-6 }) });
    for (let k = 0; k < 50; k++) await watched.step(batches.at(k));
    const { "2.weight": weight } = await numbersOf(watched.params);
    const { s } = singularValueDecomposition(Float64Array.from(weight), CLASSES, weight.length / CLASSES);
    expect(watched.history.sigma["2.weight"].at(-1)! / s[0]).toBeCloseTo(1, 3);
  });

  it("moves the averages of normalisation in steps, and leaves them alone in predictions", async () => {
    const normalised = trainer({ net: sequential(linear(4), batchNorm(), linear(CLASSES)) });
    const start = await numbersOf(normalised.state);
    await normalised.step(batches.at(0));
    const after = await numbersOf(normalised.state);
    expect(Object.keys(after)).toEqual(Object.keys(start));
    expect(after).not.toEqual(start);
    await normalised.predict(data.all.x);
    expect(await numbersOf(normalised.state)).toEqual(after);
  });

  it("records nothing without being asked", async () => {
    const silent = trainer();
    await silent.step(batches.at(0));
    expect(silent.history.steps).toEqual([]);
  });
});

describe("divergence", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "lipschitz-trainer-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const caught = async (run: Promise<unknown>): Promise<DivergenceError> => {
    const error = await run.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DivergenceError);
    return error as DivergenceError;
  };

  it("stops with the step, the layer and the checkpoint, and keeps the parameters from before", async () => {
    const net = linear(CLASSES);
    const optimizer = sgd({ learningRate: 1e25 });
    const loss: TrainerOptions["loss"] = ({ outputs }) => np.mean(np.square(outputs));
    const wild = trainer({ net, optimizer, loss });
    const path = join(folder, "run.safetensors");
    await wild.save(path);
    let error: DivergenceError | undefined;
    let before: Record<string, number[]> = {};
    for (let k = 0; k < 10 && !error; k++) {
      before = await numbersOf(wild.params);
      error = await wild.step(batches.at(k)).then(
        () => undefined,
        (reason) => reason,
      );
    }
    expect(error).toBeInstanceOf(DivergenceError);
    expect(error!.step).toBe(wild.steps);
    expect(["weight", "bias"]).toContain(error!.layer);
    expect(error!.checkpoint).toBe(path);
    expect(error!.message).toContain(`The last checkpoint is ${path}`);
    expect(await numbersOf(wild.params)).toEqual(before);
    expect(Object.values(before).flat().every(Number.isFinite)).toBe(true);
    await wild.resume(path);
    expect(wild.steps).toBe(0);
  });

  it("names the layer whose parameters broke while the loss was finite", async () => {
    // The square root of the last bias's distance from itself has a finite value and an infinite derivative.
    const loss: TrainerOptions["loss"] = ({ outputs, batch, params }) => {
      const { bias } = (params as { bias: Tensor }[])[2];
      const nothing = np.sum(bias.ref.mul(0));
      return crossEntropy(outputs, batch.y).add(np.sqrt(nothing));
    };
    const error = await caught(trainer({ loss }).step(batches.at(0)));
    expect(error.layer).toBe("2.bias");
    expect(error.message).toMatch(/step 0: 2\.bias is no longer finite/);
    expect(error.message).toContain("No checkpoint was saved");
  });

  it("says when the batch itself is the cause", async () => {
    const { x, y } = batches.at(0);
    x.data[7] = Number.NaN;
    const error = await caught(trainer().step({ x, y }));
    expect(error.message).toContain("x holds NaN (element 7)");
  });
});

describe("arguments that do not fit", () => {
  it("are refused before anything is compiled", () => {
    const refused = (changed: object, message: RegExp) =>
      expect(() => createTrainer(toyOptions(changed as never))).toThrow(message);
    refused({ lossFunction: 1 }, /no option "lossFunction"/);
    refused({ net: linear }, /not a module/);
    refused({ inputShape: 6 }, /inputShape must be a list/);
    refused({ loss: "crossEntropy" }, /loss must be a function/);
    refused({ optimizer: "adam" }, /optimizer must be one, such as adam/);
    refused({ clipNorm: 0 }, /clipNorm must be a positive number/);
    refused({ seed: -1 }, /seed/);
    refused({ monitor: { every: 0 } }, /every/);
    refused({ penalty: {} }, /init, advance and value/);
    refused({ device: "gpu" }, /device must be one of/);
    refused({ inputShape: [] }, /scalar/);
    refused({ inputShape: [-6] }, /inputShape must be a list of whole numbers.*got \[-6\]/);
    refused({ inputShape: [0] }, /got \[0\]/);
    expect(() => createTrainer(undefined as never)).toThrow(/createTrainer: options must be an object/);
  });

  it("name what predictions are made from", async () => {
    const x = np.zeros([2, FEATURES]);
    await expect(trainer().predict(x as never)).rejects.toThrow(/predict: x must be \{ data, shape \}/);
    x.dispose();
  });

  it("in a later batch leave the trainer as it was", async () => {
    const learner = trainer();
    await learner.step(batches.at(0));
    const { x, y } = batches.at(1);
    const wrong = { data: y.data.with(0, 3) as Int32Array, shape: y.shape };
    await expect(learner.step({ x, y: wrong })).rejects.toThrow(/label 0 of y is 3/);
    expect((await learner.step({ x, y: { data: y.data, shape: y.shape } })).step).toBe(1);
  });

  it("name what a batch lacks or has too much of", async () => {
    const { x, y } = batches.at(0);
    const refused = async (batch: object, kind: typeof TrainError, message: RegExp) => {
      const error = await trainer()
        .step(batch as never)
        .catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(kind);
      expect((error as Error).message).toMatch(message);
    };
    await refused({ y }, TrainError, /x, the inputs of the network, is not among them/);
    await refused({ x: { ...x, shape: [8, 12] }, y }, ShapeError, /takes \[batch, 6\]/);
    await refused({ x: { ...x, shape: [4, FEATURES] }, y }, ShapeError, /needs 24/);
    await refused({ x: [1, 2, 3], y }, TrainError, /must be \{ data, shape \}/);
    await refused({ x, y: { data: y.data.slice(1), shape: [15] } }, ShapeError, /holds 16 examples, but y/);
    await refused({ x, y: { ...y, classes: 5 } }, ShapeError, /5 classes apart, but the network has 3/);
    await refused({ x, y: { ...y, shape: [15.5] } }, TrainError, /shape a list of whole numbers/);
    const labelled = (label: number, shape = y.shape) => ({
      data: y.data.with(3, label) as Int32Array,
      shape,
    });
    for (const label of [-1, 3]) {
      await refused(
        { x, y: labelled(label) },
        TrainError,
        /step: label 3 of y is .*; with 3 classes labels are 0 to 2/,
      );
    }
    await refused({ x, y: { ...labelled(2), classes: 2 } }, TrainError, /with 2 classes labels are 0 to 1/);
    await refused({ x, y: labelled(0, [16, 1]) }, ShapeError, /one label for each/);
    await expect(trainer().predict({ ...x, shape: [16, 2, 3] })).rejects.toThrow(ShapeError);
  });
});
