import { describe, expect, it } from "vitest";
import { RandomStream } from "../linalg/random.ts";
import { type CertifierOptions, makeCertifier } from "./certifier.ts";
import { forward, outputsOf } from "./evaluate.ts";
import { importOnnx } from "./import-onnx.ts";
import type { Network } from "./network.ts";
import { float32, int, openTestModel, randomNumbers, type TestModel } from "./testing/run-onnx.ts";

const y = [{ name: "y" }];

function numbers(seed: number, count: number): number[] {
  const random = randomNumbers(seed);
  return Array.from({ length: count }, () => Math.fround(random()));
}

/** f(x) = Wx + b with 4 classes over 6 numbers, a softmax behind it where asked. */
function linear(softmax: boolean): TestModel {
  const gemm = {
    opType: "Gemm",
    inputs: ["x", "w", "b"],
    outputs: [softmax ? "z" : "y"],
    attributes: { transB: int(1) },
  };
  return {
    opset: 13,
    inputs: [{ name: "x", shape: [1, 6] }],
    initializers: [float32("w", numbers(1, 24), [4, 6]), float32("b", numbers(2, 4), [4])],
    nodes: softmax
      ? [gemm, { opType: "Softmax", inputs: ["z"], outputs: ["y"], attributes: { axis: int(1) } }]
      : [gemm],
    outputs: y,
  };
}

/** The distance of x from the nearest decision boundary of the linear classifier. */
function exactRadius(x: Float64Array, label: number): number {
  const [w, b] = [numbers(1, 24), numbers(2, 4)];
  const score = (j: number) => b[j] + x.reduce((s, v, i) => s + w[6 * j + i] * v, 0);
  const radii = [0, 1, 2, 3].map((j) => {
    const apart = Math.hypot(...x.map((_, i) => w[6 * label + i] - w[6 * j + i]));
    return j === label ? Infinity : (score(label) - score(j)) / apart;
  });
  return Math.max(0, Math.min(...radii));
}

function options(bound: "global" | "local", guarantee: "probable" | "proof" = "proof"): CertifierOptions {
  return { bound, guarantee, epsilons: [0.05, 0.4], seed: 7n };
}

async function importModel(model: TestModel): Promise<Network> {
  return importOnnx(await openTestModel(model));
}

function scores(network: Network, x: Float64Array): Float64Array {
  return outputsOf(network, forward(network, [x]))[0];
}

function points(size: number, count: number): readonly Float64Array[] {
  const random = new RandomStream(3n);
  return Array.from({ length: count }, () => Float64Array.from({ length: size }, () => random.normal()));
}

describe("a linear classifier's radius is its distance from the boundary", () => {
  for (const softmax of [false, true]) {
    it(softmax ? "with a softmax, which keeps the order, left out" : "by the rows of its layer", async () => {
      const network = await importModel(linear(softmax));
      const certifier = await makeCertifier(network, options("global"));
      for (const x of points(6, 40)) {
        const logits = scores(network, x);
        const label = logits.indexOf(Math.max(...logits));
        const exact = exactRadius(x, label);
        const { predicted, radius } = certifier.certify(x, label);
        expect(predicted).toBe(label);
        expect(radius).toBeLessThanOrEqual(exact * (1 + 1e-14));
        expect(radius).toBeGreaterThanOrEqual(exact * (1 - 1e-9));
        expect(certifier.certify(x, (label + 1) % 4)).toEqual({ predicted: label, radius: 0 });
      }
    });
  }

  it("and is cut at the ball's radius where a ball certifies it", async () => {
    const network = await importModel(linear(false));
    const local = await makeCertifier(network, options("local"));
    for (const x of points(6, 20)) {
      const logits = scores(network, x);
      const label = logits.indexOf(Math.max(...logits));
      expect(local.certify(x, label).radius).toBeLessThanOrEqual(exactRadius(x, label) * (1 + 1e-14));
    }
  });
});

/** A ReLU network with 5 classes. */
const RELU: TestModel = {
  opset: 13,
  inputs: [{ name: "x", shape: [1, 8] }],
  initializers: [
    float32("a", numbers(3, 8 * 12), [8, 12]),
    float32("p", numbers(4, 12), [12]),
    float32("b", numbers(5, 12 * 12), [12, 12]),
    float32("c", numbers(6, 12 * 5), [12, 5]),
  ],
  nodes: [
    { opType: "MatMul", inputs: ["x", "a"], outputs: ["u"] },
    { opType: "Add", inputs: ["u", "p"], outputs: ["v"] },
    { opType: "Relu", inputs: ["v"], outputs: ["w"] },
    { opType: "MatMul", inputs: ["w", "b"], outputs: ["s"] },
    { opType: "Relu", inputs: ["s"], outputs: ["t"] },
    { opType: "MatMul", inputs: ["t", "c"], outputs: ["y"] },
  ],
  outputs: y,
};

describe.each(["probable", "proof"] as const)("a ReLU network at %s", (guarantee) => {
  it("has larger radii by balls, and no sampled change within a radius alters the prediction", async () => {
    const network = await importModel(RELU);
    const global = await makeCertifier(network, options("global", guarantee));
    const local = await makeCertifier(network, options("local", guarantee));
    const random = new RandomStream(11n);
    let larger = 0;
    for (const x of points(8, 60)) {
      const logits = scores(network, x);
      const label = logits.indexOf(Math.max(...logits));
      const [far, near] = [global.certify(x, label), local.certify(x, label)];
      expect(near.radius).toBeGreaterThanOrEqual(far.radius);
      if (near.radius > far.radius) larger++;
      for (let k = 0; k < 50; k++) {
        const direction = random.direction(8);
        const changed = scores(
          network,
          x.map((v, i) => v + 0.999999 * near.radius * direction[i]),
        );
        expect(changed.indexOf(Math.max(...changed))).toBe(label);
      }
    }
    expect(larger).toBeGreaterThan(20);
  });
});

it("ties have radius 0", async () => {
  const network = await importModel({
    opset: 13,
    inputs: [{ name: "x", shape: [1, 2] }],
    nodes: [{ opType: "Relu", inputs: ["x"], outputs: ["y"] }],
    outputs: y,
  });
  const certifier = await makeCertifier(network, options("global"));
  expect(certifier.certify(Float64Array.of(1, 1), 0).radius).toBe(0);
  expect(certifier.certify(Float64Array.of(-1, -2), 0).radius).toBe(0);
});

it("a network with a weight that is no number has no bound", async () => {
  const { initializers = [], ...rest } = linear(false);
  const broken = await importModel({
    ...rest,
    initializers: [{ ...initializers[0], data: new Float32Array(24).fill(NaN) }, initializers[1]],
  });
  await expect(makeCertifier(broken, options("global"))).rejects.toThrow("no finite Lipschitz bound");
});

it("what cannot be certified says why", async () => {
  const product: TestModel = {
    opset: 13,
    inputs: [{ name: "x", shape: [1, 3] }],
    nodes: [{ opType: "Mul", inputs: ["x", "x"], outputs: ["y"] }],
    outputs: y,
  };
  const network = await importModel(product);
  await expect(makeCertifier(network, options("global"))).rejects.toThrow(
    "network: it has no finite Lipschitz bound over all inputs; try --bound local",
  );
  const local = await makeCertifier(network, options("local"));
  const { radius } = local.certify(Float64Array.of(1, 0.1, 0.2), 0);
  expect(radius).toBeGreaterThan(0.1);
  const two = await importModel({
    ...product,
    nodes: [],
    outputs: [{ name: "x" }],
    inputs: [{ name: "x", shape: [2, 3] }],
  });
  await expect(makeCertifier(two, options("global"))).rejects.toThrow(
    "x: a certificate needs one vector of class scores, got the shape [2,3]",
  );
});
