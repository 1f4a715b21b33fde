import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultDevice, init, numpy as np, random, tree } from "@jax-js/jax";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { sequential } from "../compositions.ts";
import { spectralNorm } from "../controls/spectral-norm.ts";
import { ShapeError, TrainError } from "../errors.ts";
import type { PlainArray } from "../graph-builder.ts";
import { linear } from "../layers/linear.ts";
import { relu } from "../layers/relu.ts";
import type { Module } from "../module.ts";
import type { Tensor, Tree } from "../types.ts";
import { layerValues } from "../values.ts";
import { ExportError } from "./errors.ts";
import { exportOnnx } from "./onnx.ts";
import { exportSafetensors } from "./safetensors.ts";

const control = spectralNorm();
const folder = mkdtempSync(join(tmpdir(), "lipschitz-export-"));
afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

/** A network and its variables at the start. */
function started(net: Module, inputShape: readonly number[]) {
  const { params, state } = net.init(random.key(3), inputShape);
  return { net, params, state, inputShape };
}

type Started = ReturnType<typeof started>;

async function refusal({ net, params, state, inputShape }: Started, options: object = {}): Promise<Error> {
  const path = join(folder, "refused.onnx");
  const error = await exportOnnx(net, params, state, { inputShape, path, ...options }).then(
    () => expect.fail("it was exported"),
    (reason: unknown) => reason as Error,
  );
  expect(readdirSync(folder).filter((name) => name.includes("refused"))).toEqual([]);
  return error;
}

/** The module with another emit. */
function emitting(net: Module, emit: Module["emit"]): Module {
  return { ...net, emit };
}

/** What `change` makes of the bias of a layer's values. */
function withBias(net: Module, change: (bias: PlainArray) => PlainArray): Module {
  return emitting(net, (graph, input, values) => {
    const own = layerValues(values).params;
    return net.emit(graph, input, { ...values, params: { ...own, bias: change(own.bias as PlainArray) } });
  });
}

describe("exportOnnx refuses", () => {
  let good: Started;
  beforeEach(() => {
    good = started(sequential(linear(6, { control }), relu(), linear(2)), [4]);
  });
  afterEach(() => tree.dispose([good.params, good.state] as never));

  it("a file with a wrong bias", async () => {
    const wrong = withBias(linear(2), ({ data, shape }) => ({
      data: data.map((b, i) => b + (i === 1 ? 0.01 : 0)),
      shape,
    }));
    const error = await refusal(started(sequential(linear(6, { control }), relu(), wrong), [4]), {
      tolerance: 0.5,
    });
    expect(error).toBeInstanceOf(ExportError);
    expect(error.message).toMatch(/computes something else than the network: outputs differ by .* %.*emit/s);
  });

  it("a file that fits one batch size only", async () => {
    const flattened = emitting(relu(), (graph, input) => ({
      name: graph.node("Reshape", [graph.node("Relu", [input.name]), graph.integers([1, 6])]),
      shape: input.shape,
    }));
    const error = await refusal(started(sequential(linear(6), flattened, linear(2)), [4]));
    expect(error).toBeInstanceOf(ExportError);
    expect(error.message).toMatch(/onnxruntime-node cannot run the exported file on a batch of 3/);
  });

  it("a graph that onnxruntime does not load", async () => {
    const unknown = emitting(relu(), (graph, input) => ({
      ...input,
      name: graph.node("Reluu", [input.name]),
    }));
    const error = await refusal(started(sequential(linear(3), unknown), [4]));
    expect(error).toBeInstanceOf(ExportError);
    expect(error.message).toMatch(/onnxruntime refuses the exported file.*Reluu/s);
  });

  it("weights whose power iteration has not converged, until it has", async () => {
    const net = sequential(linear(32, { control }), relu(), linear(2));
    const { params, state } = net.init(random.key(5), [64]);
    // One step from an arbitrary vector says little of σ, as after a jump of the optimiser.
    const vectors = { u: np.ones([1, 32]).div(Math.sqrt(32)), v: np.ones([1, 64]).div(8) };
    const arbitrary = [{ weight: vectors }, {}, { weight: {} }] as unknown as Tree;
    const stale = net.advance(params, arbitrary);
    const error = await refusal({ net, params, state: stale, inputShape: [64] });
    expect(error).toBeInstanceOf(ExportError);
    expect(error.message).toMatch(/differ from the trained one by .* %.*at most 2 % is allowed/);
    expect(error.message).toMatch(
      /0\.weight is .* % above what its control promises: its power iteration has not converged\. Call advance\(params, state\) a few more times/,
    );
    await expect(exportSafetensors(net, params, stale, { inputShape: [64] })).rejects.toThrow(
      /has not converged/,
    );
    let settled = net.advance(params, stale);
    for (let k = 0; k < 60; k++) {
      const next = net.advance(params, settled);
      tree.dispose(settled as never);
      settled = next;
    }
    const { layers } = await exportOnnx(net, params, settled, { inputShape: [64] });
    expect(layers[0]!.sigma!.upper).toBeLessThanOrEqual(1);
    tree.dispose([params, state, arbitrary, stale, settled] as never);
  });

  it("weights that are not finite, naming them", async () => {
    const [first, ...rest] = good.params as [{ weight: Tensor; bias: Tensor }, ...Tree[]];
    for (const [bad, text] of [
      [Number.NaN, /2\.bias holds NaN \(element 1 of 2\): training diverged/],
      [Number.POSITIVE_INFINITY, /2\.bias holds Infinity/],
    ] as const) {
      const last = { ...(rest[1] as object), bias: np.array([0, bad]) } as Tree;
      const error = await refusal({ ...good, params: [first, rest[0], last] as Tree[] });
      expect(error).toBeInstanceOf(ExportError);
      expect(error.message).toMatch(text);
    }
    const weight = np.full([6, 4], Number.NaN);
    const error = await refusal({ ...good, params: [{ ...first, weight }, ...rest] as Tree[] });
    expect(error.message).toMatch(/0\.weight holds NaN/);
  });

  it("what does not fit together", async () => {
    expect(await refusal(good, { inputShape: [5] })).toBeInstanceOf(ShapeError);
    const error = await refusal({ ...good, params: [{}, {}, {}] });
    expect(error).toBeInstanceOf(TrainError);
    expect(error.message).toMatch(/no array "weight"/);
    expect(await refusal({ ...good, params: {} })).toBeInstanceOf(TrainError);
  });

  it("options that make no sense", async () => {
    const cases: [object, RegExp][] = [
      [{ inputShape: undefined }, /exportOnnx needs the option inputShape.*got none/],
      [{ inputShape: 4 }, /got 4/],
      [{ inputShape: [4, 0] }, /got \[4,0\]/],
      [{ tolerance: 0 }, /tolerance must be a positive number; got 0/],
      [{ tolerence: 0.1 }, /exportOnnx has no option "tolerence"/],
      [{ path: "" }, /path must be a file's name/],
    ];
    for (const [options, text] of cases) {
      const error = await refusal(good, options);
      expect(error).toBeInstanceOf(TrainError);
      expect(error.message).toMatch(text);
    }
    const error = await refusal({ ...good, net: linear as unknown as Module });
    expect(error.message).toMatch(/is not a module/);
  });

  it("a folder that does not exist", async () => {
    const error = await refusal(good, { path: join(folder, "none", "network.onnx"), tolerance: 0.5 });
    expect(error.message).toMatch(/cannot write in this folder/);
  });
});

describe("a path", () => {
  it("gets the whole file, in the place of one that was there", async () => {
    const { net, params, state, inputShape } = started(linear(2, { control }), [3]);
    const path = join(folder, "network.onnx");
    writeFileSync(path, "an older file");
    const { bytes } = await exportOnnx(net, params, state, { inputShape, path, tolerance: 0.5 });
    expect(new Uint8Array(readFileSync(path))).toEqual(bytes);
    expect(readdirSync(folder)).toEqual(["network.onnx"]);
    tree.dispose([params, state] as never);
  });
});
