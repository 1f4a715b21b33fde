import { describe, expect, it } from "vitest";
import { CONVOLUTION_FACTOR, fakeEngine } from "../../test/support/fake-engine.ts";
import { chainOf, convolutionUse, denseUse, plan, tensor, withGraph } from "../../test/support/plans.ts";
import { diagonal, noise, safetensorsFile } from "../../test/support/safetensors-file.ts";
import { openModel } from "../formats/open.ts";
import type { GraphPlan } from "../network/use.ts";
import { VERSION } from "../version.ts";
import { auditPlan } from "./run.ts";

const FILE = safetensorsFile({
  a: diagonal([3, 1]),
  b: diagonal([2, 0.5]),
  bias: { shape: [2], values: [1, 1] },
  k: { shape: [2, 1, 3, 3], values: noise(18) },
  bad: diagonal([1, Number.NaN]),
});

const model = await openModel(FILE, { name: "m.safetensors" });
const a = denseUse(model, "a");
const b = denseUse(model, "b");
const k = convolutionUse(model, "k", [5, 5]);
const bad = denseUse(model, "bad");
const bias = { tensor: tensor(model, "bias"), because: "a vector", warn: false };

describe("audit", () => {
  it("reports layers, coverage and settings as documented", async () => {
    const engine = fakeEngine();
    const report = await auditPlan(engine, model, plan([a, k], { skipped: [bias] }), {
      seed: 7n,
      threads: 2,
    });
    expect(report.schema).toBe("lipschitz.audit/1");
    expect(report.model).toEqual({
      files: ["m.safetensors"],
      format: "safetensors",
      bytes: FILE.length,
      parameters: 32,
    });
    expect(report.settings).toMatchObject({
      guarantee: "probable",
      seed: "7",
      threads: 2,
      version: VERSION,
    });
    expect(report.coverage).toEqual({ tensors: [3, 5], parameters: [24, 32], unaudited: [] });
    expect(report.network).toBeNull();
    expect(report.problems).toEqual([]);
    const [dense, conv] = report.layers;
    expect(dense).toMatchObject({
      name: "a",
      weight: "a",
      operator: "dense",
      shape: [2, 2],
      dtype: "float32",
      sigma: { guarantee: "probable", method: "exact", iterations: 7 },
      problems: [],
    });
    expect(dense!.sigma!.lower).toBeLessThanOrEqual(3);
    expect(dense!.sigma!.upper).toBeGreaterThanOrEqual(3);
    expect(dense!.stableRank).toBeCloseTo(10 / 9, 4);
    expect(dense).not.toHaveProperty("geometry");
    expect(conv!.geometry).toEqual({
      inputShape: [1, 5, 5],
      strides: [1, 1],
      padding: [
        [1, 1],
        [1, 1],
      ],
      dilations: [1, 1],
      groups: 1,
      boundary: "zero",
    });
    const { sigma, reshapedSigma, frobenius, stableRank } = conv!;
    expect(sigma!.lower / reshapedSigma!.lower).toBeCloseTo(CONVOLUTION_FACTOR, 6);
    expect(stableRank).toBeCloseTo((frobenius! / reshapedSigma!.lower) ** 2, 6);
  });

  it("adds up the chances of failure: one per matrix, two per convolution, none at proof", async () => {
    const options = { failureProbability: 1e-6 };
    const probable = await auditPlan(fakeEngine(), model, plan([a, b, k]), options);
    expect(probable.settings.failureProbability).toBeGreaterThanOrEqual(4e-6);
    expect(probable.settings.failureProbability).toBeLessThan(4.001e-6);
    const proof = await auditPlan(fakeEngine(), model, plan([a, b, k]), { guarantee: "proof" });
    expect(proof.settings.failureProbability).toBe(0);
    const estimate = await auditPlan(fakeEngine(), model, plan([a]), { guarantee: "estimate" });
    expect(estimate.settings.failureProbability).toBeNull();
    expect(estimate.layers[0]!.sigma).toMatchObject({ upper: null, guarantee: "estimate" });
    expect(estimate.layers[0]!.sigma!.estimate).toBeCloseTo(3, 6);
  });

  it("gives every layer a start of its own, the same for the same seed", async () => {
    const seeds = async (seed: bigint) => {
      const engine = fakeEngine();
      await auditPlan(engine, model, plan([a, b]), { seed });
      return engine.asked.map((question) => question.seed);
    };
    const first = await seeds(1n);
    expect(first).toEqual(await seeds(1n));
    expect(new Set([...first, ...(await seeds(2n))]).size).toBe(4);
  });

  it("records a seed of its own when none is given", async () => {
    const reports = await Promise.all([0, 1].map(() => auditPlan(fakeEngine(), model, plan([a]))));
    const [x, y] = reports.map((report) => report.settings.seed);
    expect(x).toMatch(/^\d+$/);
    expect(x).not.toBe(y);
  });

  it("measures a weight used twice in the same way once, and lists both uses", async () => {
    const engine = fakeEngine();
    const again = { ...denseUse(model, "a"), name: "again" };
    const half = { ...denseUse(model, "a"), name: "half", scale: 0.5 };
    const report = await auditPlan(engine, model, plan([a, again, half]), { failureProbability: 1e-6 });
    expect(engine.asked).toHaveLength(1);
    expect(report.layers.map((layer) => layer.name)).toEqual(["a", "again", "half"]);
    expect(report.settings.failureProbability).toBe(1e-6);
    const [whole, , scaled] = report.layers.map((layer) => layer.sigma!);
    expect(scaled!.lower).toBeLessThanOrEqual(whole!.lower / 2);
    expect(scaled!.upper).toBeGreaterThanOrEqual(whole!.upper! / 2);
    expect(scaled!.upper! / whole!.upper!).toBeCloseTo(0.5, 12);
    expect(report.layers[2]!.stableRank).toBe(report.layers[0]!.stableRank);
  });

  it("takes the largest of several matrices in one tensor", async () => {
    const stacked = await openModel(
      safetensorsFile({ s: { shape: [2, 2, 2], values: [1, 0, 0, 1, 5, 0, 0, 2] } }),
    );
    const layout = { kind: "matrix", count: 2, rows: 2, cols: 2 } as const;
    const use = { ...denseUse(stacked, "s"), layout };
    const engine = fakeEngine();
    const report = await auditPlan(engine, stacked, plan([use]), { failureProbability: 1e-6 });
    expect(engine.asked.map((question) => question.seed)).toHaveLength(2);
    expect(engine.asked[0]!.seed).not.toBe(engine.asked[1]!.seed);
    expect(report.layers[0]!.sigma!.lower).toBeCloseTo(5, 5);
    expect(report.layers[0]!.sigma!.iterations).toBe(14);
    expect(report.layers[0]!.frobenius).toBeCloseTo(Math.sqrt(1 + 1 + 25 + 4), 6);
    expect(report.settings.failureProbability).toBeGreaterThanOrEqual(2e-6);
  });

  it("goes on after a weight that is not finite or cannot be read", async () => {
    const broken = {
      ...a,
      name: "broken",
      weight: { ...a.weight, range: undefined!, read: () => Promise.reject(new Error("disk on fire")) },
    };
    const report = await auditPlan(fakeEngine(), model, plan([bad, broken, b]));
    expect(report.layers.map((layer) => layer.sigma === null)).toEqual([true, true, false]);
    expect(report.layers[0]).toMatchObject({ frobenius: null, stableRank: null });
    expect(report.problems).toEqual([
      {
        severity: "error",
        code: "not-finite",
        where: "bad",
        message: "the weight holds a NaN or an infinity",
      },
      { severity: "error", code: "unreadable", where: "broken", message: "disk on fire" },
    ]);
    expect(report.coverage.unaudited).toEqual(["bad", "a"]);
  });

  it("refuses a layout that does not fit the tensor, and a kernel larger than the memory", async () => {
    const odd = { ...a, layout: { kind: "matrix", count: 1, rows: 3, cols: 2 } as const };
    const report = await auditPlan(fakeEngine(), model, plan([odd, k]), { memory: 50 });
    expect(report.problems[0]!.message).toContain("a needs 6 elements, the tensor holds 4");
    expect(report.problems[1]!.message).toMatch(/72 bytes .* 50 bytes of memory\. Give more with --memory/);
  });

  it("warns of unsupported weights and says which they are", async () => {
    const skipped = [{ tensor: tensor(model, "b"), because: "int4 is not read", warn: true }];
    const report = await auditPlan(fakeEngine(), model, plan([a], { skipped }));
    expect(report.problems).toEqual([
      { severity: "warning", code: "unsupported", where: "b", message: "not audited: int4 is not read" },
    ]);
    expect(report.coverage).toEqual({ tensors: [1, 5], parameters: [4, 32], unaudited: ["b"] });
  });

  it("keeps to --only, and says what there is when nothing matches", async () => {
    const report = await auditPlan(fakeEngine(), model, plan([a, b]), { only: "{b,c}*" });
    expect(report.layers.map((layer) => layer.name)).toEqual(["b"]);
    expect(report.settings.only).toBe("{b,c}*");
    await expect(auditPlan(fakeEngine(), model, plan([a, b]), { only: "z*" })).rejects.toMatchObject({
      name: "UsageError",
      message: "--only 'z*' matches none of the 2 layers",
      hint: "Layers are named a, b",
    });
  });

  it("reports progress in bytes up to the total, a shared weight once", async () => {
    const seen: string[] = [];
    await auditPlan(fakeEngine(), model, plan([a, { ...a, name: "again" }, b]), {
      onProgress: ({ layer, index, count, bytes, totalBytes }) =>
        seen.push(`${layer} ${index}/${count} ${bytes}/${totalBytes}`),
    });
    expect([...new Set(seen)]).toEqual(["a 0/3 0/32", "a 0/3 16/32", "b 2/3 16/32", "b 2/3 32/32"]);
  });

  it("stops when aborted", async () => {
    const controller = new AbortController();
    const stopped = auditPlan(fakeEngine(), model, plan([a, b]), {
      signal: controller.signal,
      onProgress: () => controller.abort(new Error("enough")),
    });
    await expect(stopped).rejects.toThrow("enough");
  });

  it("refuses settings out of range", async () => {
    const refused: [object, RegExp][] = [
      [{ threads: 0 }, /threads/],
      [{ memory: 0 }, /memory/],
      [{ gap: 1 }, /gap/],
      [{ failureProbability: 0 }, /probability/],
      [{ seed: -1n }, /seed/],
      [{ seed: 1n << 64n }, /seed/],
      [{ seed: 0.5 }, /seed/],
    ];
    for (const [options, message] of refused) {
      await expect(auditPlan(fakeEngine(), model, plan([a]), options)).rejects.toThrow(message);
    }
  });
});

describe("the network's bound", () => {
  const graph = withGraph(model);

  it("is the product of a chain, rounded up, with its cascade", async () => {
    const report = await auditPlan(fakeEngine(), graph, plan([a, b], { graph: chainOf([a, b]) }));
    const uppers = report.layers.map((layer) => layer.sigma!.upper!);
    const { lipschitz, product, cascade } = report.network!;
    expect(product).toBeGreaterThanOrEqual(uppers[0]! * uppers[1]!);
    expect(product! / (uppers[0]! * uppers[1]!)).toBeCloseTo(1, 14);
    expect(lipschitz).toEqual({ lower: 0, upper: product, guarantee: "probable", method: "product" });
    expect(cascade.map(({ node, op, factor }) => [node, op, factor])).toEqual([
      ["a", "Gemm", uppers[0]],
      ["a/relu", "Relu", 1],
      ["b", "Gemm", uppers[1]],
      ["b/relu", "Relu", 1],
    ]);
    expect(cascade.at(-1)!.cumulative).toBe(product);
  });

  it("of twenty layers of 1.5 is 1.5²⁰", async () => {
    const { network } = await auditPlan(
      fakeEngine(),
      graph,
      plan([], { graph: constants(new Array(20).fill(1.5)) }),
    );
    expect(network!.product).toBeCloseTo(3325.26, 2);
    expect(network!.product).toBeGreaterThanOrEqual(1.5 ** 20);
  });

  it("is null when a factor is missing, unbounded or an estimate, and says why", async () => {
    const broken = await auditPlan(fakeEngine(), graph, plan([a, bad], { graph: chainOf([a, bad]) }));
    expect(broken.network).toMatchObject({ product: null, lipschitz: { upper: null } });
    expect(broken.network!.cascade.map((step) => step.node)).toEqual(["a", "a/relu"]);
    expect(broken.problems.at(-1)).toEqual({
      severity: "warning",
      where: "network",
      message: "no finite bound of bad, so none of the whole network",
    });
    const chain = chainOf([a, a]);
    const [first, bend, second, last] = chain.nodes;
    const exp = { ...bend!, node: "exp", op: "Exp", unbounded: "its slope grows without bound" };
    const cut = { ...chain, nodes: [first!, exp, second!, last!] };
    const open = await auditPlan(fakeEngine(), graph, plan([a], { graph: cut }));
    expect(open.network).toMatchObject({
      product: null,
      unbounded: [{ node: "exp", op: "Exp", because: "its slope grows without bound" }],
      lipschitz: { upper: null },
      stretches: [
        { from: "x", to: "exp", layers: 1 },
        { from: "exp", to: "output", layers: 1 },
      ],
    });
    expect(open.network!.cascade.map((step) => step.node)).toEqual(["a"]);
    const guess = await auditPlan(fakeEngine(), graph, plan([a], { graph: chainOf([a]) }), {
      guarantee: "estimate",
    });
    expect(guess.network).toMatchObject({
      product: null,
      lipschitz: { upper: null, guarantee: "estimate" },
    });
    expect(guess.network!.cascade[0]!.because).toBe("σ of its weight (an estimate, not a bound)");
  });

  it("adds where branches meet, and names the layer to normalise first", async () => {
    const [first, bend] = chainOf([a]).nodes;
    const skip = {
      ...bend!,
      node: "skip",
      op: "Add",
      takes: ["v0", "x"],
      gives: ["y"],
      weights: [1, 1],
      steps: [],
    };
    const joined = { inputs: ["x"], outputs: ["y"], nodes: [first!, bend!, skip] };
    const { network } = await auditPlan(fakeEngine(), graph, plan([a], { graph: joined }));
    expect(network!.product).toBeCloseTo(4, 4);
    expect(network!.steepest).toMatchObject({ layer: "a" });
    expect(network!.steepest!.upper).toBeCloseTo(2, 9);
  });

  it("is null, not infinite, when the product overflows", async () => {
    const { network } = await auditPlan(fakeEngine(), graph, plan([], { graph: constants([1e200, 1e200]) }));
    expect(network).toMatchObject({ product: null, lipschitz: { upper: null } });
    expect(network!.cascade).toHaveLength(1);
  });
});

/** A chain of nodes with these Lipschitz constants. */
function constants(values: readonly number[]): GraphPlan {
  const source = { name: "", opType: "Mul", domain: "", inputs: [], outputs: [], attributes: new Map() };
  const nodes = values.map((constant, i) => ({
    node: `n${i}`,
    op: "Mul",
    source,
    takes: [`v${i}`],
    gives: [`v${i + 1}`],
    join: "sum" as const,
    weights: [1],
    steps: [{ factor: { constant }, because: "constant" }],
  }));
  return { inputs: ["v0"], outputs: [`v${values.length}`], nodes };
}
