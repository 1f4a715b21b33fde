import { defaultDevice, init, random, tree } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { compile, toNative } from "../src/compile.ts";
import { singularValuesSmall } from "../src/linalg/svd.ts";
import { layerGradients } from "../src/study/depth/gradients.ts";
import { layerGrowth } from "../src/study/depth/growth.ts";
import { deepNetwork } from "../src/study/depth/network.ts";
import { ripples } from "../src/study/depth/tasks.ts";
import type { RunRecord, StudyResults, Task } from "../src/study/study.ts";
import { emptyResults, resultsOf, wellFormed } from "../src/study/testing/results.ts";
import { meanSquaredError, type Tensor } from "../src/train.ts";
import { depth } from "./depth.ts";

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

const SIZES = { depth: 3, width: 8, outputs: 1, factor: 1.5 };
const ARMS = ["none", "spectral", "spectralMaxMin", "orthonormal", "batchNorm"] as const;

describe("layers of a deep network", () => {
  it.each(ARMS)("%s: a change never grows by more than the product of spectral norms", async (arm) => {
    const task = ripples(1);
    const deep = deepNetwork(arm, SIZES);
    const variables = deep.network.init(random.key(1), task.inputShape);
    const { growth, bound } = await layerGrowth(deep, variables, task.probe.x, task.inputShape);
    expect(growth).toHaveLength(3);
    growth.forEach((value, l) => {
      expect(value).toBeGreaterThan(0);
      expect(value).toBeLessThanOrEqual(bound[l] * (1 + 1e-6));
    });
    if (arm === "spectral" || arm === "orthonormal") expect(bound[2]).toBeLessThan(1.5);
    tree.dispose([variables.params, variables.state]);
  });

  it("starts from He's scale times the factor: σ of a wide layer is that of its entries", async () => {
    const deep = deepNetwork("none", { ...SIZES, width: 64 });
    const { params, state } = deep.network.init(random.key(2), [64]);
    const first = (params as never as { weight: Tensor }[][])[0][0].weight;
    const [largest] = singularValuesSmall(Float64Array.from(await first.ref.data()), 64, 64);
    // A square matrix with independent entries of variance v has σ₁ near 2√(n·v); He's variance is 2/n.
    expect(largest / (1.5 * 2 * Math.SQRT2)).toBeGreaterThan(0.85);
    expect(largest / (1.5 * 2 * Math.SQRT2)).toBeLessThan(1.15);
    tree.dispose([params, state]);
  });

  it("has the gradients of finite differences", async () => {
    const task = ripples(3);
    const deep = deepNetwork("none", SIZES);
    const variables = deep.network.init(random.key(3), task.inputShape);
    const norms = await layerGradients(deep, variables, task.probe, meanSquaredError);
    // The last hidden layer's: ∂L/∂h = 2(f − y)/N · W for the linear last layer.
    const outputs = await forward(deep.network.apply, variables, task.probe.x);
    const last = (variables.params as never as { weight: Tensor }[])[3].weight;
    const weight = Array.from((await last.ref.data()) as Float32Array);
    const length = Math.hypot(...weight);
    const residuals = outputs.map((f, i): number => (2 * (f - task.probe.y.data[i])) / outputs.length);
    expect(norms[2]).toBeCloseTo(length * Math.hypot(...residuals), 5);
    tree.dispose([variables.params, variables.state]);
  });
});

async function forward(
  apply: (params: never, state: never, x: Tensor) => { y: Tensor; state: unknown },
  variables: { params: unknown; state: unknown },
  x: { data: Float32Array | Int32Array; shape: readonly number[] },
): Promise<number[]> {
  const run = compile((params: never, state: never, inputs: Tensor) => apply(params, state, inputs).y);
  const [params, state] = tree.ref([variables.params, variables.state] as never) as unknown as [never, never];
  const y = await run(params, state, toNative(x.data as Float32Array<ArrayBuffer>, [...x.shape]));
  const values = Array.from((await y.data()) as Float32Array);
  run.dispose();
  return values;
}

describe("study depth", () => {
  it("has a plan that fits together", () => {
    wellFormed(depth);
  });

  it.each(["start", "digits", "regression", "rates"])(
    "%s: the same seed gives the same numbers",
    async (experiment) => {
      const cell = depth
        .plan("quick")
        .cells.find((each) => each.experiment === experiment && each.arm === "spectral")!;
      const task: Task = {
        study: "depth",
        kind: "run",
        experiment,
        arm: cell.arm,
        variant: cell.variant ?? "",
        setting: { ...cell.setting, depth: 3, steps: 4 },
        learningRate: 1e-3,
        seed: 1,
      };
      const first = await depth.run(task, { progress() {} });
      expect(await depth.run(task, { progress() {} })).toEqual(first);
      expect((await depth.run({ ...task, seed: 2 }, { progress() {} })).detail).not.toEqual(
        experiment === "rates" ? undefined : first.detail,
      );
      for (const value of Object.values(first.metrics)) expect(Number.isFinite(value)).toBe(true);
    },
  );

  it("says what was not measured", () => {
    expect(depth.findings(emptyResults()).map(({ verdict }) => verdict)).toEqual(
      Array(5).fill("not measured"),
    );
    expect(() => depth.sections(emptyResults())).not.toThrow();
  });

  it("judges by the numbers, either way", () => {
    const tamed = verdicts({ none: 1e6, spectral: 1e-3 });
    expect(tamed[0]).toBe("holds");
    expect(tamed[1]).toBe("holds");
    const wild = verdicts({ none: 1e6, spectral: 5 });
    expect(wild[0]).toBe("does not hold");
    expect(wild[1]).toBe("does not hold");
    expect(verdicts({ none: 2, spectral: 1 })[0]).toBe("holds in part");
  });
});

/** Verdicts on 20 layers before training whose changes grew this much, beside a bound of 1 (and 1e9 without control). */
function verdicts(growth: { none: number; spectral: number }): string[] {
  const record = (arm: "none" | "spectral"): RunRecord => ({
    task: {
      study: "depth",
      kind: "run",
      experiment: "start",
      arm,
      variant: arm === "none" ? "20 layers, start ×1.5" : "20 layers, usual start",
      setting: { depth: 20, start: arm === "none" ? "steep" : "he" },
      learningRate: null,
      seed: 1,
    },
    seconds: 1,
    metrics: { gradientRatio: 1e-9, growth: growth[arm], bound: arm === "none" ? 1e9 : 1 },
    detail: { gradient: [1e-9, 1], growth: [growth[arm]], bound: [arm === "none" ? 1e9 : 1] },
  });
  const results: StudyResults = resultsOf([record("none"), record("spectral")]);
  return depth.findings(results).map(({ verdict }) => verdict);
}
