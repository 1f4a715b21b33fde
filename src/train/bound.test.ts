import { defaultDevice, init, numpy as np, random, tree } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { singularValueDecomposition } from "../linalg/svd.ts";
import { bound, layerNorms } from "./bound.ts";
import { residual, sequential } from "./compositions.ts";
import { spectralNorm } from "./controls/spectral-norm.ts";
import { ShapeError, TrainError } from "./errors.ts";
import { ExportError } from "./export/errors.ts";
import { exportOnnx } from "./export/onnx.ts";
import { conv2d } from "./layers/convolution.ts";
import { embedding } from "./layers/embedding.ts";
import { flatten } from "./layers/flatten.ts";
import { linear } from "./layers/linear.ts";
import { relu } from "./layers/relu.ts";
import { maxMin } from "./layers/sorting.ts";
import { expectOnlyLent } from "./testing/async-ownership.ts";
import type { Tensor, Tree } from "./types.ts";

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

const net = sequential(linear(6), maxMin(), residual(linear(6)), relu(), linear(3));

describe("bound", () => {
  it("is the audit's interval of the exported file, where nothing shrinks", async () => {
    const variables = net.init(random.key(1), [4]);
    const { params, state } = variables;
    const now = await expectOnlyLent(variables, () =>
      bound(net, params, state, { inputShape: [4], guarantee: "proof", seed: 1 }),
    );
    const { report } = await exportOnnx(net, params, state, { inputShape: [4] });
    const audited = report.network!.lipschitz;
    expect(now.guarantee).toBe("proof");
    // Norms within a network are found to 1e-3.
    expect(now.upper! / audited.upper!).toBeCloseTo(1, 2);
    expect(now.lower).toBeLessThanOrEqual(audited.upper!);
    expect(now.lower).toBeGreaterThan(0.3 * now.upper!);
    expect(now.around([new Float64Array(4)], 0.1).upper!).toBeLessThanOrEqual(now.upper!);
    tree.dispose([params, state] as never);
  });

  it("is σ₁ of the weight in use, not of the one that was promised", async () => {
    // u and v of a stale state say σ = 1 of diag(3, 1); the layer uses diag(3, 1), whatever it promises.
    const layer = linear(2, { bias: false, control: spectralNorm() });
    const params: Tree = {
      weight: np.array([
        [3, 0],
        [0, 1],
      ]),
    };
    const state: Tree = { weight: { u: np.array([[0, 1]]), v: np.array([[0, 1]]) } };
    const options = { inputShape: [2], guarantee: "proof", seed: 1 } as const;
    const { lower, upper } = await bound(layer, params, state, options);
    expect(lower).toBeGreaterThan(2.99);
    expect(lower).toBeLessThanOrEqual(3);
    expect(upper).toBeGreaterThanOrEqual(3);
    expect(upper).toBeLessThan(3.01);
    const [norm] = await layerNorms(layer, params, state, { inputShape: [2], guarantee: "proof" });
    expect(norm).toMatchObject({ name: "weight", cap: 1, norm: "operator" });
    expect(norm!.sigma.lower).toBeLessThanOrEqual(3);
    expect(norm!.sigma.upper).toBeGreaterThanOrEqual(3);
    expect(norm!.sigma.upper).toBeLessThan(3.00001);
    tree.dispose([params, state] as never);
  });

  it("refuses what has no bound, and bad input", async () => {
    const { params, state } = net.init(random.key(1), [4]);
    await expect(bound(net, params, state, { inputShape: [4, 0] })).rejects.toThrow(ShapeError);
    await expect(bound(net, params, state, { inputShape: [4], gap: 1 } as never)).rejects.toThrow(
      /bound has no option "gap"/,
    );
    await expect(
      layerNorms(net, params, state, { inputShape: [4], guarantee: "sure" as never }),
    ).rejects.toThrow(/guarantee must be "estimate" or "probable" or "proof"; got "sure"/);
    await expect(layerNorms(net, params, {}, { inputShape: [4] })).rejects.toThrow(TrainError);
    const words = sequential(embedding(5, 2), flatten(), linear(1));
    const ofWords = words.init(random.key(1), [3]);
    await expect(bound(words, ofWords.params, ofWords.state, { inputShape: [3] })).rejects.toThrow(
      /takes ids has no Lipschitz constant/,
    );
    const broken = [
      { weight: np.full([6, 4], Number.NaN), bias: np.zeros([6]) },
      ...(params as Tree[]).slice(1),
    ];
    await expect(bound(net, broken, state, { inputShape: [4] })).rejects.toThrow(ExportError);
    await expect(layerNorms(net, broken, state, { inputShape: [4] })).rejects.toThrow(/0\.weight holds NaN/);
    tree.dispose([params, state, ofWords.params, ofWords.state, broken[0]] as never);
  });
});

describe("layerNorms", () => {
  it("encloses the σ₁ of every weight", async () => {
    const dense = net.init(random.key(2), [4]);
    for (const guarantee of ["probable", "proof"] as const) {
      const norms = await expectOnlyLent(dense, () =>
        layerNorms(net, dense.params, dense.state, { inputShape: [4], guarantee }),
      );
      expect(norms.map(({ name, cap }) => [name, cap])).toEqual([
        ["0.weight", null],
        ["2.0.weight", null],
        ["4.weight", null],
      ]);
      const [first, , second, , last] = dense.params as [Weights, Tree, [Weights], Tree, Weights];
      const weights = [first, second[0], last].map(({ weight }) => weight);
      for (const [i, weight] of weights.entries()) {
        const [rows, cols] = weight.shape as [number, number];
        const { s } = singularValueDecomposition(Float64Array.from(await weight.ref.data()), rows, cols);
        const { lower, upper } = norms[i]!.sigma;
        expect(norms[i]!.sigma.guarantee).toBe(guarantee);
        expect(lower).toBeLessThanOrEqual(s[0]! * (1 + 1e-14));
        expect(upper).toBeGreaterThanOrEqual(s[0]! * (1 - 1e-14));
        expect(upper! / lower).toBeLessThan(1.01);
      }
    }
    tree.dispose([dense.params, dense.state] as never);
  });

  it("is the operator's norm of a convolution, or the kernel's where that is promised", async () => {
    const shape = [2, 4, 4];
    const reshaped = conv2d(3, 3, { padding: 1, control: spectralNorm({ norm: "reshaped" }) });
    const { params, state } = reshaped.init(random.key(3), shape);
    const [kernel] = await layerNorms(reshaped, params, state, { inputShape: shape, guarantee: "proof" });
    const free = conv2d(3, 3, { padding: 1 });
    const weight = (params as unknown as Weights).weight;
    const [operator] = await layerNorms(
      free,
      params,
      { weight: {} },
      { inputShape: shape, guarantee: "proof" },
    );
    const { s } = singularValueDecomposition(Float64Array.from(await weight.ref.data()), 3, 18);
    expect(kernel!.norm).toBe("reshaped");
    // σ is divided out; 15 power iterations leave a few per cent.
    expect(kernel!.sigma.lower).toBeGreaterThan(0.99);
    expect(kernel!.sigma.upper).toBeLessThan(1.1);
    expect(operator!.norm).toBe("operator");
    expect(operator!.sigma.upper).toBeGreaterThan(s[0]!);
    expect(operator!.sigma.upper).toBeLessThanOrEqual(3 * s[0]!);
    tree.dispose([params, state] as never);
  });
});

interface Weights {
  readonly weight: Tensor;
}
