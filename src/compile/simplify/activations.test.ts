import { grad, nn, numpy as np } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import { ArrayType } from "../array-type.ts";
import { type ArrayFunction, expectSame, Seeded, sampleOf } from "../testing/reference.ts";
import { operatorsOf } from "../testing/structure.ts";

const random = new Seeded(21);
const VECTOR = new ArrayType([4], "float32");

/** Each activation, the operators it is to become, and those of its derivative. */
const ACTIVATIONS: Record<string, [ArrayFunction, Record<string, number>, Record<string, number>]> = {
  relu: [nn.relu, { Relu: 1 }, { Less: 1, Where: 1 }],
  "max(0, x)": [(x) => np.maximum(0, x), { Relu: 1 }, { Less: 1, Where: 1 }],
  tanh: [np.tanh, { Tanh: 1 }, { Tanh: 1, Mul: 1, Sub: 1 }],
  sigmoid: [nn.sigmoid, { Sigmoid: 1 }, { Sigmoid: 1, Sub: 1, Mul: 1 }],
  softplus: [nn.softplus, { Softplus: 1 }, { Sigmoid: 1 }],
  leakyRelu: [(x) => nn.leakyRelu(x, 0.2), { LeakyRelu: 1 }, { Less: 1, Where: 1 }],
  "leaky, the other way round": [
    (x) => np.where(np.less(0, x.ref), x.ref, x.mul(0.2)),
    { LeakyRelu: 1 },
    { Less: 1, Where: 1 },
  ],
  absolute: [np.absolute, { Abs: 1 }, { Less: 1, Where: 1 }],
  relu6: [nn.relu6, { Clip: 1 }, { Min: 1, Less: 2, Where: 2 }],
};

describe.each(Object.entries(ACTIVATIONS))("%s", (_, [activation, forward, backward]) => {
  const derivative = grad((x: np.Array) => (activation(x) as np.Array).sum());

  it("is the operator it is, and so is its derivative", async () => {
    expect(await operatorsOf(activation, [VECTOR])).toEqual(forward);
    expect(await operatorsOf(derivative, [VECTOR])).toEqual(backward);
  });

  it("has jax-js's values and derivatives", async () => {
    const x = {
      ...random.sample([40]),
      data: Float32Array.from({ length: 40 }, (_, i) => (i - 20) / 4 + 0.1),
    };
    await expectSame(activation, [x]);
    await expectSame(derivative, [x]);
    await expectSame((a) => derivative(a.reshape([8, 5])), [x]);
    await expectSame(
      grad((a: np.Array) => np.square(derivative(a)).sum()),
      [x],
    );
  });

  it("treats 0 and NaN as jax-js does", async () => {
    const x = sampleOf([0, -0, Number.NaN, 1, -1]);
    await expectSame(activation, [x]);
    await expectSame(derivative, [x]);
  });
});

describe("other activations have jax-js's values and derivatives", () => {
  it.each([
    "silu",
    "gelu",
    "elu",
    "selu",
    "mish",
    "softSign",
    "hardSilu",
    "squareplus",
    "logSigmoid",
  ] as const)("%s", async (name) => {
    const activation = nn[name] as ArrayFunction;
    const x = random.sample([30]);
    await expectSame(activation, [x]);
    await expectSame(
      grad((a: np.Array) => (activation(a) as np.Array).sum()),
      [x],
    );
  });

  it("softmax and log-sum-exp", async () => {
    const x = random.sample([3, 5]);
    await expectSame((a) => [nn.softmax(a.ref), nn.logSoftmax(a.ref), nn.logsumexp(a, -1)], [x]);
    await expectSame(
      grad((a: np.Array) => np.square(nn.softmax(a)).sum()),
      [x],
    );
  });
});

it("saturated, the logistic function's derivative is 0 where jax-js's is NaN", async () => {
  const { lowered } = await import("../testing/reference.ts");
  const [{ data }] = await lowered(
    grad((x: np.Array) => nn.sigmoid(x).sum()),
    [sampleOf([-100, 100])],
  );
  expect([...data]).toEqual([0, 0]);
});
