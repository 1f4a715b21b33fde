import { defaultDevice, grad, init, jit, numpy as np, random, tree } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { RandomStream } from "../../linalg/random.ts";
import { sequential } from "../compositions.ts";
import { float64 } from "../testing/float64.ts";
import {
  expectClose,
  gradientsOf,
  idsOf,
  type LayerCase,
  layerCases,
  outputOf,
} from "../testing/layer-cases.ts";
import type { LayerTree, Tensor, Tree } from "../types.ts";
import { elman } from "./elman.ts";
import { embedding } from "./embedding.ts";

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

/** jax-js computes exp, erf and what is made of them to float32's precision, whatever the type: no differences of 1e-5. */
const INEXACT = new Set(["tanh", "sigmoid", "softplus", "gelu", "silu", "gru", "lstm"]);

const exact = layerCases
  .filter(({ layer, inputGradient }) => inputGradient !== undefined && !INEXACT.has(layer))
  .filter(({ name, layer }) => layer !== "elman" || name.includes("relu"))
  .map((given) => [given.name, given] as const);

const STEP = 1e-5;

type Arrays = Record<string, Tensor>;
type GradientOf = (f: (arrays: Arrays) => Tensor) => (arrays: Arrays) => Arrays;
const gradientOf = grad as unknown as GradientOf;

/** A sum of squares, as a plain sum of normalised outputs does not move; of all arrays of a case in one tree. */
function squares(given: LayerCase, { x, ...params }: Arrays): Tensor {
  const y = outputOf(given, params, x, "float64");
  tree.dispose(params);
  return np.sum(np.square(y.add(float64(given.cotangent.data, given.cotangent.shape))));
}

/** ‖∂ squares/∂x‖², what a gradient penalty is made of. */
function squaredGradient(given: LayerCase, { x, ...params }: Arrays): Tensor {
  const ofInput = ({ x: input }: Arrays) => squares(given, { ...tree.ref(params), x: input });
  const { x: gradient } = gradientOf(ofInput)({ x });
  tree.dispose(params);
  return np.sum(np.square(gradient));
}

/** Along a random direction of all arrays together, the derivative and what central differences find. */
function expectDerivative(given: LayerCase, loss: (given: LayerCase, arrays: Arrays) => Tensor): void {
  const stream = new RandomStream(11n);
  // Numbers far out would drown the others in the loss; functions with kinks stay on their side.
  const x = { ...given.input, data: given.input.data.map((v) => (Math.abs(v) > 10 ? v / 50 : v)) };
  const all = Object.entries({ ...given.params, x });
  const direction = new Map(all.map(([name, { data }]) => [name, data.map(() => stream.normal())]));
  const at = (step: number): Arrays =>
    Object.fromEntries(
      all.map(([name, { data, shape }]) => [
        name,
        float64(
          data.map((v, i) => v + step * direction.get(name)![i]),
          shape,
        ),
      ]),
    );
  const valueAt = (step: number) => loss(given, at(step)).dataSync()[0];
  const numeric = (valueAt(STEP) - valueAt(-STEP)) / (2 * STEP);
  const gradients = gradientOf((arrays) => loss(given, arrays))(at(0));
  const analytic = all.reduce((sum, [name]) => {
    const entries = gradients[name].dataSync();
    return sum + direction.get(name)!.reduce((part, d, i) => part + d * entries[i], 0);
  }, 0);
  expect(Math.abs(analytic - numeric) / Math.max(1, Math.abs(numeric))).toBeLessThan(1e-7);
}

describe("along random directions, gradients are what central differences in float64 find", () => {
  it.each(exact)("%s", (_, given) => expectDerivative(given, squares));
});

describe("gradients of gradients are what central differences in float64 find", () => {
  const oneOfEach = new Map(exact.map(([, given]) => [given.layer, given] as const));

  it.each([...oneOfEach])("%s", (_, given) => expectDerivative(given, squaredGradient));
});

describe("compiled by jax-js", () => {
  const oneOfEach = new Map(layerCases.map((given) => [given.layer, given] as const));

  it.each([...oneOfEach])("the gradients of %s are PyTorch's", (_, given) => {
    const { x, ...gradients } = gradientsOf(given, true);
    for (const [name, expected] of Object.entries(given.gradients)) {
      expectClose(gradients[name], expected, 2e-6);
    }
    if (given.inputGradient) expectClose(x, given.inputGradient, 2e-6);
  });

  it("an embedding whose gradient arrives transposed is differentiated", () => {
    const net = sequential(embedding(7, 3), elman(4, { returns: "last" }));
    const { params, state } = net.init(random.key(2), [5]);
    const loss = (own: Tree) => {
      const ids = idsOf({ data: [1, 2, 2, 6, 0, 3, 3, 1, 0, 5], shape: [2, 5] });
      const applied = net.apply(own, state, ids);
      tree.dispose([own, applied.state]);
      return np.sum(np.square(applied.y));
    };
    const gradient = (grad as unknown as (f: typeof loss) => (own: Tree) => Tree)(loss);
    const eager = gradient(tree.ref(params)) as LayerTree[];
    const compiled = (jit as unknown as <F>(f: F) => F)(gradient)(tree.ref(params)) as LayerTree[];
    const [expected, got] = [eager[0].weight as Tensor, compiled[0].weight as Tensor];
    const { shape } = expected;
    expectClose(got, { data: [...expected.dataSync()], shape }, 1e-6);
  });
});
