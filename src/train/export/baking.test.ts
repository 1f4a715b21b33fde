import { defaultDevice, init, numpy as np, random, tree } from "@jax-js/jax";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { loaders } from "../../compile/onnxruntime.ts";
import { toNative } from "../../compile/to-native.ts";
import { toFloat64 } from "../../formats/decode.ts";
import { openModel } from "../../formats/open.ts";
import { singularValueDecomposition } from "../../linalg/svd.ts";
import { sequential } from "../compositions.ts";
import type { Control } from "../controls/control.ts";
import { projectNorm } from "../controls/project-norm.ts";
import { spectralNorm } from "../controls/spectral-norm.ts";
import { embedding } from "../layers/embedding.ts";
import { flatten } from "../layers/flatten.ts";
import { linear } from "../layers/linear.ts";
import { maxMin } from "../layers/sorting.ts";
import type { Module } from "../module.ts";
import { expectOnlyLent } from "../testing/async-ownership.ts";
import type { Tensor, Tree } from "../types.ts";
import { exportOnnx } from "./onnx.ts";
import { exportSafetensors } from "./safetensors.ts";

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

/** A network's variables after some advances with the weights as they are. */
function settled(net: Module, inputShape: readonly number[], advances = 60) {
  let { params, state } = net.init(random.key(11), inputShape);
  for (let k = 0; k < advances; k++) {
    const next = net.advance(params, state);
    tree.dispose(state as never);
    state = next;
  }
  return { params, state };
}

async function tensorOf(bytes: Uint8Array, name: string): Promise<Float64Array> {
  const model = await openModel(bytes);
  const entry = model.tensors.find((tensor) => tensor.name === name)!;
  return toFloat64("float32", await entry.read(0, entry.byteLength));
}

describe("a baked weight", () => {
  const cases: readonly (readonly [string, Control, (sigma: number) => number])[] = [
    ["spectralNorm", spectralNorm(), (sigma) => 1 / sigma],
    ["spectralNorm with a cap", spectralNorm({ cap: 0.25 }), (sigma) => 0.25 / sigma],
    ["spectralNorm only above, below its cap", spectralNorm({ cap: 9, onlyAbove: true }), () => 1],
    ["projectNorm, not yet projected", projectNorm({ cap: 0.1 }), (sigma) => 0.1 / sigma],
  ];
  it.each(cases)("is W·cap/σ₁ with the σ₁ of a float64 SVD, for %s", async (_name, control, factor) => {
    const net = linear(12, { control });
    const { params, state } = settled(net, [20]);
    const weight = (params as { weight: Tensor }).weight;
    const own = Float64Array.from(await weight.ref.data());
    const { s } = singularValueDecomposition(own, 12, 20);
    const { bytes, layers } = await exportOnnx(net, params, state, { inputShape: [20], tolerance: 100 });
    const baked = await tensorOf(bytes, "weight");
    baked.forEach((value, i) => {
      expect(Math.abs(value - own[i]! * factor(s[0]!))).toBeLessThanOrEqual(1e-6 * Math.abs(value) + 1e-9);
    });
    const after = singularValueDecomposition(baked, 12, 20).s[0]!;
    expect(after).toBeLessThanOrEqual(layers[0]!.sigma!.upper!);
    expect(after).toBeGreaterThanOrEqual(layers[0]!.sigma!.lower * (1 - 1e-12));
    tree.dispose([params, state] as never);
  });

  it("carries the trained factor of its control", async () => {
    const net = linear(4, { control: spectralNorm({ learnableScale: true }) });
    const { params, state } = settled(net, [3]);
    const own = params as { weight: Tensor; weightScale: Tensor };
    own.weightScale.dispose();
    own.weightScale = np.array(-0.5);
    const { bytes, layers } = await exportOnnx(net, params, state, { inputShape: [3] });
    const weight = Float64Array.from(await own.weight.ref.data());
    const { s } = singularValueDecomposition(weight, 4, 3);
    const baked = await tensorOf(bytes, "weight");
    baked.forEach((value, i) => {
      expect(value).toBeCloseTo((-0.5 * weight[i]!) / s[0]!, 5);
    });
    expect(layers[0]).toMatchObject({ cap: 1, shrunkBy: 0 });
    expect(layers[0]!.sigma!.upper).toBeCloseTo(0.5, 5);
    tree.dispose([params, state] as never);
  });

  it("of zeros stays zero", async () => {
    const net = linear(4, { control: spectralNorm() });
    const { params, state } = settled(net, [3], 0);
    const zero = { ...(params as { bias: Tensor }), weight: np.zeros([4, 3]) } as Tree;
    const { layers } = await exportOnnx(net, zero, state, { inputShape: [3] });
    expect(layers[0]).toMatchObject({ sigma: { lower: 0, upper: 0 }, shrunkBy: 0 });
  });

  it("is the same in every export", async () => {
    const net = sequential(linear(6, { control: spectralNorm() }), maxMin(), linear(2));
    const { params, state } = settled(net, [5]);
    const [a, b] = [
      await exportOnnx(net, params, state, { inputShape: [5] }),
      await exportOnnx(net, params, state, { inputShape: [5] }),
    ];
    expect(a.bytes).toEqual(b.bytes);
    expect(a.report).toEqual(b.report);
    tree.dispose([params, state] as never);
  });
});

describe("arrays of a compiled function", () => {
  /** The same tree in the runtime of compiled functions. */
  async function native(given: Tree): Promise<Tree> {
    const [leaves, treedef] = tree.flatten<Tensor>(given as never);
    const arrays = [];
    for (const leaf of leaves) {
      arrays.push(toNative((await leaf.ref.data()) as Float32Array<ArrayBuffer>, leaf.shape));
    }
    return tree.unflatten(treedef, arrays as never) as unknown as Tree;
  }

  it("are exported like jax-js's own, and stay", async () => {
    const net = sequential(linear(6, { control: spectralNorm() }), maxMin(), linear(2));
    const { params, state } = settled(net, [5]);
    const own = { params: await native(params), state: await native(state) };
    const expected = await exportOnnx(net, params, state, { inputShape: [5] });
    const got = await exportOnnx(net, own.params, own.state, { inputShape: [5] });
    expect(got.bytes).toEqual(expected.bytes);
    for (const array of tree.leaves([own.params, own.state] as never) as unknown as Tensor[]) {
      expect(array.refCount).toBe(1);
    }
    tree.dispose([own.params, own.state, params, state] as never);
  });

  it("of float16 become float32", async () => {
    const net = linear(2, { bias: false });
    // 1, −2, 0.5, 1024, the largest number and the smallest of float16.
    const bits = Uint16Array.of(0x3c00, 0xc000, 0x3800, 0x6400, 0x7bff, 0x0001);
    const params = { weight: toNative(bits, [2, 3]) } as unknown as Tree;
    const { bytes } = await exportOnnx(net, params, { weight: {} }, { inputShape: [3] });
    expect([...(await tensorOf(bytes, "weight"))]).toEqual([1, -2, 0.5, 1024, 65504, 2 ** -24]);
    tree.dispose(params as never);
  });
});

describe("without onnxruntime", () => {
  it("our own evaluator runs the file", async () => {
    const native = vi.spyOn(loaders, "native").mockRejectedValue(new Error("not installed"));
    try {
      const net = sequential(linear(6, { control: spectralNorm() }), maxMin(), linear(2));
      const variables = settled(net, [5]);
      const { params, state } = variables;
      const { comparedWith, difference } = await expectOnlyLent(variables, () =>
        exportOnnx(net, params, state, { inputShape: [5] }),
      );
      expect(comparedWith).toBe("lipschitz");
      expect(difference).toBeLessThan(0.02);
      tree.dispose([params, state] as never);
    } finally {
      native.mockRestore();
    }
  });

  it("a network of ids is refused, with what to install", async () => {
    const native = vi.spyOn(loaders, "native").mockRejectedValue(new Error("not installed"));
    try {
      const net = sequential(embedding(5, 3), flatten(), linear(2));
      const { params, state } = settled(net, [4], 0);
      await expect(exportOnnx(net, params, state, { inputShape: [4] })).rejects.toThrow(/onnxruntime-node/);
      await expectOnlyLent({ params, state }, () =>
        exportSafetensors(net, params, state, { inputShape: [4] }),
      );
      tree.dispose([params, state] as never);
    } finally {
      native.mockRestore();
    }
  });
});
