import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { fakeEngine } from "../../test/support/fake-engine.ts";
import { chainOf, convolutionUse, denseUse, plan, withGraph } from "../../test/support/plans.ts";
import { diagonal, noise, safetensorsFile, type TestTensor } from "../../test/support/safetensors-file.ts";
import { toFloat64 } from "../formats/decode.ts";
import type { FloatType } from "../formats/dtype.ts";
import type { Model } from "../formats/model.ts";
import { openModel } from "../formats/open.ts";
import { singularValuesSmall } from "../linalg/svd.ts";
import { type Engine, loadEngine } from "./engine.ts";
import { type NormalizeOptions, normalizePlan } from "./normalize.ts";
import { auditPlan } from "./run.ts";

const folder = await mkdtemp(join(tmpdir(), "lipschitz-normalize-"));
const opened: Model[] = [];
afterAll(async () => {
  await Promise.all(opened.map((model) => model.close()));
  await rm(folder, { recursive: true });
});

async function open(path: string): Promise<Model> {
  const model = await openModel(path);
  opened.push(model);
  return model;
}

let files = 0;

async function modelOf(tensors: Record<string, TestTensor>): Promise<Model> {
  const path = join(folder, `model-${files++}.safetensors`);
  await writeFile(path, safetensorsFile(tensors));
  return open(path);
}

/** Every tensor of two or more dimensions, as the plan of a file without a graph has it. */
function usesOf(model: Model) {
  const tensors = model.tensors.filter((entry) => entry.shape.length > 1);
  return tensors.map((entry) =>
    entry.shape.length === 2 ? denseUse(model, entry.name) : convolutionUse(model, entry.name, [5, 5]),
  );
}

const run = (model: Model, options: NormalizeOptions = {}, engine: Engine = fakeEngine()) =>
  normalizePlan(engine, model, plan(usesOf(model)), { seed: 1n, threads: 1, ...options });

async function valuesOf(model: Model, name: string): Promise<number[]> {
  const entry = model.tensors.find((tensor) => tensor.name === name)!;
  return [...toFloat64(entry.dtype as FloatType, await entry.read(0, entry.byteLength))];
}

describe("normalize", () => {
  it("divide brings every layer to the target, and warns where it raises one", async () => {
    const model = await modelOf({ steep: diagonal([4, 1]), flat: diagonal([0.5, 0.25]) });
    const { report } = await run(model, { to: 2 });
    expect(report).toMatchObject({
      schema: "lipschitz.normalize/1",
      output: null,
      network: null,
      kept: true,
    });
    for (const layer of report.layers) {
      expect(layer.after!.upper).toBeLessThanOrEqual(2);
      expect(layer.after!.lower).toBeGreaterThanOrEqual(2 * 0.999);
    }
    expect(report.layers[0]!.factor).toBeCloseTo(0.5, 3);
    expect(report.problems).toEqual([
      {
        severity: "warning",
        where: "flat",
        message: expect.stringMatching(/^divide raises it by a factor of 4/),
      },
    ]);
  });

  it("cap leaves what is below the target as it is, bit for bit", async () => {
    const model = await modelOf({ steep: diagonal([4, 1]), flat: diagonal([0.5, 0.25]) });
    const { report, content } = await run(model, { method: "cap" });
    expect(report.layers.map((layer) => layer.factor === 1)).toEqual([false, true]);
    expect(content(model.tensors[0]!)).not.toBeNull();
    expect(content(model.tensors[1]!)).toBeNull();
    expect(report.problems).toEqual([]);
  });

  it("clip lowers only the singular values above the target", async () => {
    const model = await modelOf({ w: diagonal([4, 0.5]), flat: diagonal([0.5, 0.25]) });
    const { report, content } = await run(model, { method: "clip" });
    expect(report.layers.map((layer) => layer.factor)).toEqual([null, 1]);
    const clipped = toFloat64("float32", await content(model.tensors[0]!)!.read(0, 16));
    expect(clipped[0]).toBeCloseTo(1, 3);
    expect(clipped[3]).toBeCloseTo(0.5, 6);
    expect(report.layers[0]!.after!.upper).toBeLessThanOrEqual(1);
  });

  it("clip refuses convolutions, unless they are left out", async () => {
    const model = await modelOf({ fc: diagonal([2, 1]), k: { shape: [1, 1, 3, 3], values: noise(9) } });
    await expect(run(model, { method: "clip" })).rejects.toMatchObject({
      name: "UsageError",
      message: expect.stringContaining("k is a convolution"),
    });
    expect((await run(model, { method: "clip", only: "fc" })).report.kept).toBe(true);
  });

  it("leaves a zero weight as it is, with a warning", async () => {
    const { report } = await run(await modelOf({ zero: diagonal([0, 0]) }));
    expect(report.kept).toBe(true);
    expect(report.problems[0]!.message).toBe("the weight is zero and stays zero");
  });

  it("states the chance of failure of every run of every attempt that could be made", async () => {
    const model = await modelOf({
      stack: { shape: [3, 2, 2], values: noise(12) },
      dense: diagonal([2, 1]),
      k: { shape: [1, 1, 3, 3], values: noise(9) },
    });
    const layout = { kind: "matrix", count: 3, rows: 2, cols: 2 } as const;
    const stack = { ...denseUse(model, "stack"), layout };
    const uses = { stack, dense: denseUse(model, "dense"), k: convolutionUse(model, "k", [5, 5]) };
    const chanceOf = async (of: (keyof typeof uses)[], guarantee: "probable" | "proof" = "probable") => {
      const engine = fakeEngine();
      const options = { failureProbability: 1e-6, guarantee, seed: 1n };
      const chosen = plan(of.map((name) => uses[name]));
      const { report } = await normalizePlan(engine, model, chosen, options);
      expect(report.kept).toBe(true);
      // Each run takes a twelfth of the chance of one, so eleven more attempts fit.
      const spent = engine.asked.reduce((sum, { kind, options: asked }) => {
        return sum + (kind === "convolution" ? 2 : 1) * asked.failureProbability!;
      }, 0);
      if (guarantee === "probable") expect(report.settings.failureProbability).toBeGreaterThanOrEqual(spent);
      return report.settings.failureProbability / 1e-6;
    };
    expect(await chanceOf(["dense"])).toBeCloseTo(1, 12);
    expect(await chanceOf(["stack"])).toBeCloseTo(3, 12);
    expect(await chanceOf(["k"])).toBeCloseTo(2, 12);
    expect(await chanceOf(["stack", "dense", "k"])).toBeCloseTo(6, 12);
    expect(await chanceOf(["stack", "dense", "k"], "proof")).toBe(0);
  });

  it("a weight used twice takes its largest σ", async () => {
    const model = await modelOf({ w: diagonal([4, 1]) });
    const [use] = usesOf(model);
    const uses = [use!, { ...use!, name: "double", scale: 2 }];
    const { report } = await normalizePlan(fakeEngine(), model, plan(uses), { only: "w" });
    expect(report.layers.map((layer) => layer.name)).toEqual(["w", "double"]);
    expect(report.layers[1]!.after!.upper).toBeLessThanOrEqual(1);
    expect(report.layers[1]!.after!.lower).toBeGreaterThanOrEqual(0.999);
    expect(report.layers[0]!.after!.upper).toBeLessThan(0.501);
  });

  it.each(["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"] as const)(
    "keeps the promise after rounding to %s",
    async (dtype) => {
      const random = { shape: [48, 64], values: noise(48 * 64), dtype };
      const constant = { shape: [48, 64], values: Array(48 * 64).fill(0.7), dtype };
      const { report } = await run(await modelOf({ random, constant }));
      expect(report.kept, JSON.stringify(report.problems)).toBe(true);
      for (const layer of report.layers) {
        expect(layer.after!.upper).toBeLessThanOrEqual(1);
        expect(layer.after!.lower).toBeGreaterThanOrEqual(0.999);
      }
    },
  );

  it("says when the type has no numbers close enough, and writes nothing", async () => {
    const model = await modelOf({ w: { shape: [1, 1], values: [1], dtype: "bfloat16" } });
    const { report, write } = await run(model, { to: 0.3 });
    expect(report.kept).toBe(false);
    expect(report.problems[0]).toMatchObject({ severity: "error", where: "w" });
    expect(report.problems[0]!.message).toMatch(
      /^it cannot be brought into 0\.2996–0\.3000 after rounding to bfloat16/,
    );
    await expect(write(join(folder, "never.safetensors"))).rejects.toMatchObject({ name: "PromiseError" });
    expect(await readdir(folder)).not.toContain("never.safetensors");
  });

  it.each([["divide"], ["cap"], ["clip"]] as const)(
    "%s never writes a weight that rounds to zero",
    async (method) => {
      const weights =
        method === "clip"
          ? { w: diagonal([2, 1], "float16") }
          : { k: { shape: [1, 1, 3, 3], values: noise(9), dtype: "float16" as const } };
      const { report } = await run(await modelOf(weights), { to: 1e-9, method });
      expect(report.kept).toBe(false);
      expect(report.problems[0]).toMatchObject({
        severity: "error",
        message: expect.stringMatching(/^it rounds to zero in float16: /),
      });
      expect(report.layers[0]!.after).toEqual(report.layers[0]!.before);
    },
  );

  it("breaks the promise for a weight that is not finite, and still reports the others", async () => {
    const { report } = await run(await modelOf({ bad: diagonal([1, Number.NaN]), good: diagonal([2, 1]) }));
    expect(report.kept).toBe(false);
    expect(report.layers.map((layer) => layer.after === null)).toEqual([true, false]);
  });

  it("promises a convolution's lower bound at proof only", async () => {
    const model = await modelOf({ k: { shape: [2, 2, 3, 3], values: noise(36) } });
    const loose: Engine = {
      ...fakeEngine(),
      async analyzeConvolution(source, options) {
        const known = await fakeEngine().analyzeConvolution(source, options);
        return { ...known, sigma: { ...known.sigma!, lower: 0.9 * known.sigma!.upper! } };
      },
    };
    expect((await run(model, {}, loose)).report.kept).toBe(true);
    expect((await run(model, { guarantee: "proof" }, loose)).report.kept).toBe(false);
    expect((await run(model, { guarantee: "proof" })).report.kept).toBe(true);
  });

  it("names the memory budget where it, and not rounding, breaks the promise", async () => {
    const model = await modelOf({ w: { shape: [300, 300], values: noise(90_000) } });
    const options = { guarantee: "proof", memory: 2 ** 20 } as const;
    const reason =
      "the Gram matrix of a tight proof (300 × 300 float64) does not fit the memory budget, so the proved bound is the Frobenius norm: raise --memory";
    const { report } = await run(model, options, await loadEngine());
    expect(report.kept).toBe(false);
    expect(report.problems).toEqual([{ severity: "error", where: "w", message: reason }]);
    const audited = await auditPlan(await loadEngine(), model, plan(usesOf(model)), options);
    expect(audited.layers[0]!.problems).toEqual([reason]);
    expect((await run(model, { guarantee: "proof" }, await loadEngine())).report.kept).toBe(true);
  });

  it("warns of raising a layer only where it is worth saying", async () => {
    const { report } = await run(await modelOf({ near: diagonal([0.995, 0.5]), far: diagonal([0.9, 0.5]) }));
    expect(report.problems.map(({ where }) => where)).toEqual(["far"]);
  });

  it("refuses options that exclude each other", async () => {
    const model = await modelOf({ w: diagonal([2, 1]) });
    const refused: [NormalizeOptions, RegExp][] = [
      [{ guarantee: "estimate" }, /no upper bound/],
      [{ to: 0 }, /--to must be a positive number/],
      [{ network: Number.POSITIVE_INFINITY }, /--network must be a positive number/],
      [{ to: 1, network: 2 }, /give one of them/],
      [{ method: "clip", network: 2 }, /which clipping does not/],
      [{ network: 2 }, /needs a finite bound/],
    ];
    for (const [options, message] of refused) {
      const failed = run(model, options);
      await expect(failed).rejects.toThrow(message);
      await expect(failed).rejects.toMatchObject({ name: "UsageError" });
    }
  });

  it("refuses tensors that share part of their numbers", async () => {
    const model = await modelOf({ w: diagonal([2, 1]) });
    const [use] = usesOf(model);
    const { range } = use!.weight;
    const view = { ...use!.weight, name: "view", range: { ...range!, end: range!.end - 4 } };
    const overlapping: Model = { ...model, tensors: [...model.tensors, view] };
    const refused = normalizePlan(fakeEngine(), overlapping, plan([use!]));
    await expect(refused).rejects.toThrow("w and view share part of their stored numbers");
  });
});

describe("normalize with the real engine", () => {
  const TYPES = ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"] as const;
  const weight = fc.record({
    rows: fc.integer({ min: 1, max: 16 }),
    cols: fc.integer({ min: 1, max: 16 }),
    seed: fc.nat(),
    size: fc.constantFrom(1e-2, 0.3, 1, 40),
    dtype: fc.constantFrom(...TYPES),
    to: fc.constantFrom(0.3, 1, 1.7),
    method: fc.constantFrom("divide", "cap", "clip"),
    guarantee: fc.constantFrom("probable", "proof"),
  });

  it("keeps what it promises, by the exact singular values of the rounded numbers", async () => {
    const engine = await loadEngine();
    await fc.assert(
      fc.asyncProperty(weight, async ({ rows, cols, seed, size, dtype, to, method, guarantee }) => {
        const values = noise(rows * cols, seed).map((x) => x * size);
        const bytes = safetensorsFile({ w: { shape: [rows, cols], values, dtype } });
        const model = await openModel(bytes);
        const { report, content } = await run(model, { to, method, guarantee }, engine);
        const [entry] = model.tensors;
        const zero = report.layers[0]!.before!.upper === 0;
        if (method !== "divide" || dtype === "float32" || dtype === "float64") expect(report.kept).toBe(true);
        if (!report.kept || zero) return;
        const written = await (content(entry!) ?? entry!).read(0, entry!.byteLength);
        const [largest] = singularValuesSmall(toFloat64(dtype, written), rows, cols);
        expect(largest).toBeLessThanOrEqual(to * (1 + 1e-12));
        if (method === "divide") expect(largest).toBeGreaterThanOrEqual(to * 0.999);
      }),
      { numRuns: 150 },
    );
  });
});

describe("normalize --network", () => {
  it("scales all layers by one factor to the limit", async () => {
    const model = withGraph(await modelOf({ a: diagonal([4, 1]), b: diagonal([9, 2]) }));
    const uses = usesOf(model);
    const chained = plan(uses, { graph: chainOf(uses) });
    const { report } = await normalizePlan(fakeEngine(), model, chained, { network: 1 });
    expect(report.kept).toBe(true);
    expect(report.network!.before.upper).toBeCloseTo(36, 3);
    expect(report.network!.after.upper).toBeLessThanOrEqual(1);
    expect(report.network!.after.upper).toBeGreaterThan(0.999);
    expect(report.layers.map((layer) => layer.factor)).toEqual(Array(2).fill(report.layers[0]!.factor));
    expect(report.layers[0]!.factor).toBeCloseTo(1 / 6, 4);
    expect(report.settings).toMatchObject({ to: null, network: 1 });
  });

  it("never leaves a layer that rounds to zero", async () => {
    const model = withGraph(await modelOf({ a: diagonal([4, 1], "float16"), b: diagonal([9, 2]) }));
    const uses = usesOf(model);
    const chained = plan(uses, { graph: chainOf(uses) });
    const { report } = await normalizePlan(fakeEngine(), model, chained, { network: 1e-18 });
    expect(report.kept).toBe(false);
    expect(report.problems).toMatchObject([
      { where: "a", message: expect.stringMatching(/^it rounds to zero in float16/) },
    ]);
  });

  it("changes only the selected layers, and with cap nothing that is under the limit", async () => {
    const model = withGraph(await modelOf({ a: diagonal([4, 1]), b: diagonal([9, 2]) }));
    const uses = usesOf(model);
    const chained = plan(uses, { graph: chainOf(uses) });
    const some = await normalizePlan(fakeEngine(), model, chained, { network: 18, only: "b" });
    expect(some.report.layers.map(({ name, factor }) => [name, factor === 1])).toEqual([
      ["b", false],
      ["a", true],
    ]);
    expect(some.report.network!.after.upper).toBeLessThanOrEqual(18);
    expect(some.report.network!.after.upper).toBeGreaterThan(17.9);
    const under = await normalizePlan(fakeEngine(), model, chained, { network: 50, method: "cap" });
    expect(under.report.layers.every((layer) => layer.factor === 1)).toBe(true);
    const raised = await normalizePlan(fakeEngine(), model, chained, { network: 50 });
    expect(raised.report.problems[0]!.message).toContain("its layers are raised");
  });
});

describe("writing", () => {
  async function fileToWrite(): Promise<{ own: string; path: string; bytes: Uint8Array; model: Model }> {
    const own = await mkdtemp(join(folder, "own-"));
    const path = join(own, "in.safetensors");
    const bytes = safetensorsFile({
      w: { shape: [40, 30], values: noise(1200), dtype: "bfloat16" },
      v: { shape: [30, 40], values: noise(1200, 9) },
      bias: { shape: [3], values: [1, 2, 3] },
    });
    await writeFile(path, bytes);
    return { own, path, bytes, model: await open(path) };
  }

  it("certifies the written file with the real engine and leaves no other file behind", async () => {
    const { own, path, bytes, model } = await fileToWrite();
    const phases = new Set<string>();
    const onProgress = ({ phase }: { phase: string }) => void phases.add(phase);
    const { write } = await run(model, { onProgress }, await loadEngine());
    const out = join(own, "out.safetensors");
    const report = await write(out);
    expect(report.output).toBe(out);
    expect([...phases]).toEqual(["measuring", "writing", "certifying"]);
    expect((await readdir(own)).sort()).toEqual(["in.safetensors", "out.safetensors"]);
    expect(new Uint8Array(await readFile(path))).toEqual(bytes);
    const written = await open(out);
    expect(await valuesOf(written, "bias")).toEqual([1, 2, 3]);
    const again = await auditPlan(await loadEngine(), written, plan(usesOf(written)), { guarantee: "proof" });
    for (const layer of again.layers) {
      expect(layer.sigma!.upper).toBeLessThanOrEqual(1 + 1e-6);
      expect(layer.sigma!.lower).toBeGreaterThanOrEqual(0.999);
    }
  });

  it("never writes onto an input, and nothing when interrupted", async () => {
    const { own, path, bytes, model } = await fileToWrite();
    await expect((await run(model)).write(path)).rejects.toThrow("is the input file");
    const controller = new AbortController();
    const { write } = await run(model, {
      signal: controller.signal,
      onProgress: ({ phase }) => {
        if (phase === "writing") controller.abort(new Error("stop"));
      },
    });
    await expect(write(join(own, "out.safetensors"))).rejects.toThrow("stop");
    await expect((await run(model)).write(join(own, "no/such/out"))).rejects.toThrow(
      "cannot write in this folder",
    );
    expect(await readdir(own)).toEqual(["in.safetensors"]);
    expect(new Uint8Array(await readFile(path))).toEqual(bytes);
  });

  it("refuses a written file whose weights measure differently", async () => {
    const { own, model } = await fileToWrite();
    let lie = 1;
    const engine = fakeEngine();
    const lying: Engine = {
      ...engine,
      async analyzeMatrix(source, options) {
        const known = await engine.analyzeMatrix(source, options);
        return { ...known, sigma: { ...known.sigma!, upper: known.sigma!.upper! * lie } };
      },
    };
    const { write } = await run(model, {}, lying);
    lie = 1.01;
    await expect(write(join(own, "out.safetensors"))).rejects.toMatchObject({ name: "PromiseError" });
    expect(await readdir(own)).toEqual(["in.safetensors"]);
  });
});
