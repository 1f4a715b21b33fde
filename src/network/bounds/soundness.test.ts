import { describe, expect, it } from "vitest";
import { norm } from "../../linalg/basis.ts";
import { RandomStream } from "../../linalg/random.ts";
import { bound } from "../bound.ts";
import { enclose, pointBox, readBox } from "../enclose.ts";
import { forward, jvp, outputsOf, vjp } from "../evaluate.ts";
import { importOnnx } from "../import-onnx.ts";
import type { Network } from "../network.ts";
import { planFromOnnx } from "../plan-from-onnx.ts";
import { propagate } from "../propagate.ts";
import { normOfUse } from "../testing/linear.ts";
import { randomNetwork } from "../testing/random-network.ts";
import { openTestModel } from "../testing/run-onnx.ts";
import type { WeightUse } from "../use.ts";
import { LocalBounds } from "./local.ts";
import { Norms } from "./norms.ts";
import { outputTotal, UpperBound } from "./upper.ts";

/** Networks tried; half of them at each guarantee. */
const NETWORKS = 5000;

/** Every so many networks, balls are tried too. */
const WITH_BALLS = 4;

/** What float64 runs may add to a measured slope. */
const SLACK = 1e-9;

function flat(vectors: readonly Float64Array[]): Float64Array {
  return Float64Array.from(vectors.flatMap((v) => [...v]));
}

function run(network: Network, x: Float64Array): Float64Array {
  return flat(outputsOf(network, forward(network, [x])));
}

function distance(a: Float64Array, b: Float64Array): number {
  return norm(a.map((v, i) => v - b[i]));
}

/** The steepest slope found: Jacobians by power iteration, and secants near and far. */
function steepest(
  network: Network,
  random: RandomStream,
  around?: { x: Float64Array; radius: number },
): number {
  const [{ size }] = network.inputs;
  const draw = (): Float64Array => {
    const v = Float64Array.from({ length: size }, () => 2 * random.normal());
    if (around === undefined) return v;
    const reach = (0.999 * around.radius * random.uniform() ** (1 / size)) / (norm(v) || 1);
    return v.map((a, i) => around.x[i] + reach * a);
  };
  let most = 0;
  for (let k = 0; k < 6; k++) {
    const x = draw();
    let direction = random.direction(size);
    const tape = forward(network, [x]);
    for (let step = 0; step < 6; step++) {
      const image = jvp(network, tape, [direction]);
      const length = norm(flat(image));
      if (length === 0) break;
      if (around === undefined) most = Math.max(most, length);
      const [back] = vjp(network, tape, image);
      const n = norm(back);
      if (n === 0) break;
      direction = back.map((v) => v / n);
    }
    const y = run(network, x);
    const others =
      around === undefined
        ? [draw(), x.map((v, i) => v + 0.1 * direction[i]), x.map((v, i) => v + 5 * direction[i])]
        : [draw(), draw()];
    for (const other of others) {
      const apart = distance(x, other);
      // A value's own rounding, 1e-15 of its size, must not count as a rise.
      const rise = distance(y, run(network, other)) - 1e-13 * (1 + norm(y));
      if (apart > 1e-6) most = Math.max(most, rise / apart);
    }
  }
  return most;
}

async function importRandom(seed: number) {
  const model = await openTestModel(randomNetwork(seed));
  return { model, network: await importOnnx(model) };
}

describe(`${NETWORKS} random networks`, () => {
  const kinds = new Map<string, number>();

  it("never move more than their bound allows, over all inputs and over balls", async () => {
    for (let seed = 1; seed <= NETWORKS; seed++) {
      const { model, network } = await importRandom(seed);
      for (const { op } of network.nodes) kinds.set(op, (kinds.get(op) ?? 0) + 1);
      const random = new RandomStream(BigInt(seed));
      const guarantee = seed % 2 === 0 ? "proof" : "probable";
      const norms = new Norms({ guarantee, seed: BigInt(seed), failureProbability: 1e-9, gap: 1e-3 });
      const global = new UpperBound(network, norms);
      const upper = outputTotal(global);
      const seen = steepest(network, random);
      if (upper !== null && !(seen <= upper * (1 + SLACK))) {
        expect.fail(`network ${seed} moves by ${seen} per unit, its bound is ${upper} (${global.method})`);
      }
      await checkProduct(model, seen, seed);
      if (seed % WITH_BALLS === 0) checkBalls(network, global, norms, random, seed);
    }
  }, 600_000);

  it("cover the families of operators", () => {
    const names =
      "Conv Gemm MatMul Add Sub Concat MaxMin Max Min MaxPool AveragePool BatchNormalization Softmax Pad Slice";
    for (const name of names.split(" ")) expect(kinds.get(name) ?? 0, name).toBeGreaterThan(20);
  });
});

/** The product of the rules alone, with σ by singular value decomposition. */
async function checkProduct(
  model: Awaited<ReturnType<typeof openTestModel>>,
  seen: number,
  seed: number,
): Promise<void> {
  const { graph, uses } = await planFromOnnx(model);
  const norms = new Map<WeightUse, number>();
  for (const use of uses) norms.set(use, (await normOfUse(use)) * (1 + 1e-12));
  const { upper } = propagate(graph!, (use) => norms.get(use));
  if (upper !== null && !(seen <= upper * (1 + SLACK))) {
    expect.fail(`network ${seed} moves by ${seen} per unit, the product of its rules is ${upper}`);
  }
}

function checkBalls(
  network: Network,
  global: UpperBound,
  norms: Norms,
  random: RandomStream,
  seed: number,
): void {
  const local = new LocalBounds(global, norms);
  for (const radius of [0.01, 0.3, 2]) {
    const x = Float64Array.from({ length: network.inputs[0].size }, () => random.normal());
    const view = local.around([x], radius);
    const { upper } = view.bound();
    const around = { x, radius };
    const seen = steepest(network, random, around);
    if (upper !== null && !(seen <= upper * (1 + SLACK) + 1e-9)) {
      expect.fail(`network ${seed} moves by ${seen} per unit within ${radius}, its local bound is ${upper}`);
    }
    checkValues(network, view, around, random, seed);
  }
}

/** Every value at sampled points lies in its box; pairs of outputs rise and fall no more than allowed. */
function checkValues(
  network: Network,
  view: ReturnType<LocalBounds["around"]>,
  { x, radius }: { x: Float64Array; radius: number },
  random: RandomStream,
  seed: number,
): void {
  const [{ ref }] = network.outputs;
  const label = Number(seed % ref.size);
  const wanted = ref.node >= 0 && ref.size > 1;
  const [pairs, falls] = wanted ? [view.pairs(label), view.falls(label)] : [null, null];
  const before = run(network, x);
  for (let k = 0; k < 4; k++) {
    const direction = random.direction(x.length);
    const point = x.map((v, i) => v + 0.999 * radius * direction[i]);
    const tape = forward(network, [point]);
    tape.values.forEach((values, n) => {
      const { lo, hi } = view.ball.values[n].box;
      values.forEach((v, i) => {
        const slack = 1e-12 * (1 + Math.abs(v));
        if (!(v >= lo[i] - slack && v <= hi[i] + slack)) {
          expect.fail(`network ${seed}, ${network.nodes[n].op} [${i}]: ${v} outside [${lo[i]}, ${hi[i]}]`);
        }
      });
    });
    const y = flat(outputsOf(network, tape));
    const apart = distance(x, point);
    pairs?.forEach((steep, j) => {
      const fall = before[label] - before[j] - (y[label] - y[j]);
      const slack = 1e-11 * (1 + Math.abs(before[label]) + Math.abs(before[j]));
      if (!(fall <= steep * apart * (1 + SLACK) + slack)) {
        expect.fail(`network ${seed}: output ${label} minus ${j} falls by ${fall}, allowed ${steep * apart}`);
      }
      if (!(fall <= falls![j] + slack)) {
        expect.fail(
          `network ${seed}: output ${label} minus ${j} falls by ${fall}, at most ${falls![j]} by boxes`,
        );
      }
    });
  }
}

it("a bound 2 % too small is found out on networks whose bound is met", async () => {
  let caught = 0;
  for (let seed = 1; seed <= 400; seed++) {
    const { network } = await importRandom(seed);
    const norms = new Norms({ guarantee: "proof", seed: 1n, failureProbability: 1e-9, gap: 1e-3 });
    const upper = outputTotal(new UpperBound(network, norms));
    if (upper !== null && steepest(network, new RandomStream(BigInt(seed))) > upper * 0.98) caught++;
  }
  expect(caught).toBeGreaterThan(20);
}, 120_000);

it("lower ends are below upper ends, and secants reach what Jacobians show", async () => {
  for (let seed = 1; seed <= 150; seed++) {
    const { network } = await importRandom(seed);
    const found = bound(network, { seed: BigInt(seed), guarantee: "proof" });
    expect(found.guarantee).toBe("proof");
    if (found.upper !== null) expect(found.lower).toBeLessThanOrEqual(found.upper);
    expect(found.lower).toBeGreaterThanOrEqual(0.9 * found.sampled.seen);
  }
}, 240_000);

it("a run at a point lies in the box of that point, and the box is narrow", async () => {
  for (let seed = 1; seed <= 300; seed++) {
    const { network } = await importRandom(seed);
    const random = new RandomStream(BigInt(seed));
    const x = Float64Array.from({ length: network.inputs[0].size }, () => random.normal());
    const inputs = [pointBox(x)];
    const values = enclose(network, inputs);
    const y = run(network, x);
    const { lo, hi } = readBox(network.outputs[0].ref, inputs, values);
    y.forEach((v, i) => {
      expect(v).toBeGreaterThanOrEqual(lo[i]);
      expect(v).toBeLessThanOrEqual(hi[i]);
      expect(hi[i] - lo[i]).toBeLessThan(1e-9 * (1 + Math.abs(v)));
    });
  }
});
