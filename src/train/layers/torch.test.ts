import { defaultDevice, init, tree } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { OnnxGraph } from "../export/graph.ts";
import { loadRuntime, runnerOf } from "../export/runner.ts";
import {
  expectClose,
  expectNumbers,
  gradientsOf,
  inputOf,
  layerCases,
  moduleOf,
  plainOf,
  stateOf,
  treeOf,
} from "../testing/layer-cases.ts";
import { expectNothingKept } from "../testing/ownership.ts";
import type { LayerTree, Tensor } from "../types.ts";

/** Relative to the largest entry, or to 1: what float32 leaves of a few hundred additions, and of jax-js's exp. */
const FLOAT32 = 2e-6;

const named = layerCases.map((given) => [given.name, given] as const);

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

describe("PyTorch's numbers", () => {
  it("cover every layer", () => {
    expect(layerCases.length).toBeGreaterThan(60);
    expect(new Set(layerCases.map(({ layer }) => layer)).size).toBe(23);
  });

  it.each(named)("%s: output", (_, given) => {
    const module = moduleOf(given);
    const [params, state] = [treeOf(given.params), stateOf(given)];
    const applied = module.apply(params, state, inputOf(given), { training: given.training ?? false });
    expect(module.outputShape(given.input.shape.slice(1))).toEqual(applied.y.shape.slice(1));
    expectClose(applied.y, given.output, FLOAT32);
    for (const [name, expected] of Object.entries(given.stateAfter ?? {})) {
      expectClose((applied.state as LayerTree)[name] as Tensor, expected, FLOAT32);
    }
  });

  it.each(named)("%s: gradients", (_, given) => {
    const { x, ...gradients } = gradientsOf(given, false);
    expect(Object.keys(gradients)).toEqual(Object.keys(given.gradients));
    for (const [name, expected] of Object.entries(given.gradients)) {
      expectClose(gradients[name], expected, FLOAT32);
    }
    if (given.inputGradient) expectClose(x, given.inputGradient, FLOAT32);
  });

  it.each(named)("%s: leaves what it is lent, keeps nothing", (_, given) => {
    const module = moduleOf(given);
    const lent = [treeOf(given.params), stateOf(given)];
    const call = () => {
      const { y, state } = module.apply(lent[0], lent[1], inputOf(given), {
        training: given.training ?? false,
      });
      // jax-js keeps what a gather that nobody reads waits for.
      y.ref.dataSync();
      const advanced = module.advance(lent[0], lent[1]);
      const projected = module.project(lent[0], lent[1]);
      return [y, state, advanced, projected.params, projected.state];
    };
    // The first call compiles jax-js's own functions and keeps their constants.
    tree.dispose(call());
    expectNothingKept(lent, call);
    tree.dispose(lent);
  });
});

describe("the ONNX nodes of a layer", () => {
  const inEvaluation = named.filter(([, given]) => !given.training);

  it.each(inEvaluation)("%s: onnxruntime and the audit's evaluator agree with PyTorch", async (_, given) => {
    const inputShape = given.input.shape.slice(1);
    const graph = new OnnxGraph(inputShape);
    const values = { params: plainOf(given.params), state: plainOf(given.state), path: "0." };
    const output = moduleOf(given).emit(graph, graph.input, values);
    expect(output.shape).toEqual(given.output.shape.slice(1));
    const bytes = graph.encode(output);
    const data = given.inputGradient
      ? Float32Array.from(given.input.data)
      : Int32Array.from(given.input.data);
    // Without a derivative there is nothing to audit: the evaluator takes no ids.
    const runtimes = [await loadRuntime(), ...(given.inputGradient ? [null] : [])];
    for (const runtime of runtimes) {
      const runner = await runnerOf(bytes, runtime);
      try {
        expectNumbers(await runner.run({ data, shape: given.input.shape }), given.output, FLOAT32);
      } finally {
        await runner.close();
      }
    }
  });
});
