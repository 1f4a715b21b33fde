import { describe, expect, it } from "vitest";
import { fakeEngine } from "../../test/support/fake-engine.ts";
import { convolutionUse, denseUse, plan } from "../../test/support/plans.ts";
import { diagonal, safetensorsFile, type TestTensor } from "../../test/support/safetensors-file.ts";
import { openModel } from "../formats/open.ts";
import { angleBetween, diffPlans } from "./diff.ts";
import type { Engine } from "./engine.ts";

async function side(name: string, tensors: Record<string, TestTensor>) {
  const model = await openModel(safetensorsFile(tensors), { name });
  return { model, plan: plan(model.tensors.map((entry) => denseUse(model, entry.name))) };
}

async function compare(a: Record<string, TestTensor>, b: Record<string, TestTensor>, only?: string) {
  const [x, y] = [await side("a", a), await side("b", b)];
  return diffPlans(fakeEngine(), [x.model, y.model], [x.plan, y.plan], { seed: 3n, only });
}

describe("diff", () => {
  it("pairs layers by name and lists those that only one has", async () => {
    const report = await compare(
      { w: diagonal([2, 1]), old: diagonal([1, 1]) },
      { fresh: diagonal([1, 1]), w: diagonal([1, 3]) },
    );
    expect(report).toMatchObject({
      schema: "lipschitz.diff/1",
      a: "a",
      b: "b",
      onlyA: ["old"],
      onlyB: ["fresh"],
    });
    const [w] = report.layers;
    expect(report.layers).toHaveLength(1);
    expect(w!.sigma[0]!.lower).toBeCloseTo(2, 5);
    expect(w!.sigma[1]!.lower).toBeCloseTo(3, 5);
    expect(w!.frobenius[1]).toBeCloseTo(Math.sqrt(10), 6);
    expect(w!.angle).toBeCloseTo(Math.PI / 2, 6);
  });

  it("has no angle where shapes differ, a weight is zero or one is not finite", async () => {
    const report = await compare(
      { shape: diagonal([2, 1]), zero: diagonal([0, 0]), bad: diagonal([1, 2]) },
      { shape: diagonal([2, 1, 1]), zero: diagonal([1, 2]), bad: diagonal([Number.NaN, 2]) },
    );
    expect(report.layers.map((layer) => layer.angle)).toEqual([null, null, null]);
    expect(report.layers[0]!.problems[0]).toContain("the shapes differ");
    expect(report.layers[1]!.problems[0]).toBe("a has no top singular vector to compare: it is zero");
    expect(report.layers[2]!.sigma[1]).toBeNull();
    expect(report.problems).toEqual([
      {
        severity: "error",
        code: "not-finite",
        where: "b, bad",
        message: "the weight holds a NaN or an infinity",
      },
    ]);
  });

  it("pairs the only layers of two models whatever their names", async () => {
    const report = await compare({ before: diagonal([2, 1]) }, { after: diagonal([3, 1]) });
    expect(report.layers.map((layer) => layer.name)).toEqual(["before"]);
    expect(report).toMatchObject({ onlyA: [], onlyB: [] });
  });

  it("pairs what is left over by the tensor's name, where it is unique", async () => {
    const tensors = { w: diagonal([2, 1]), v: diagonal([1, 1]), t: diagonal([1, 3]) };
    const [x, y] = [await side("a", tensors), await side("b", tensors)];
    const renamed = ["Gemm_0", "Gemm_1", "Gemm_2"].map((name, i) => ({ ...x.plan.uses[i]!, name }));
    const again = { ...x.plan.uses[2]!, name: "Gemm_3" };
    const graph = plan([...renamed, again]);
    const report = await diffPlans(fakeEngine(), [x.model, y.model], [graph, y.plan], { seed: 3n });
    expect(report.layers.map(({ name, angle }) => [name, angle === null])).toEqual([
      ["Gemm_0", false],
      ["Gemm_1", false],
    ]);
    expect(report).toMatchObject({ onlyA: ["Gemm_2", "Gemm_3"], onlyB: ["t"] });
  });

  it("says why a convolution has no angle", async () => {
    const kernel = { shape: [2, 2, 3, 3], values: Array.from({ length: 36 }, (_, i) => i - 9) };
    const model = await openModel(safetensorsFile({ k: kernel }), { name: "a" });
    const use = convolutionUse(model, "k");
    const vectorless = {
      ...fakeEngine(),
      analyzeConvolution: (...[source, options]: Parameters<Engine["analyzeConvolution"]>) =>
        fakeEngine().analyzeConvolution(source, { ...options, vectors: false }),
    };
    const report = await diffPlans(vectorless, [model, model], [plan([use]), plan([use])], { seed: 3n });
    expect(report.layers[0]!.problems).toEqual([
      "a has no top singular vector to compare: the convolution's input size is unknown",
      "b has no top singular vector to compare: the convolution's input size is unknown",
    ]);
  });

  it("keeps to --only", async () => {
    const report = await compare({ w: diagonal([2, 1]), v: diagonal([1, 1]) }, { w: diagonal([2, 1]) }, "w");
    expect(report).toMatchObject({ onlyA: [], onlyB: [] });
    await expect(compare({ w: diagonal([2, 1]) }, { w: diagonal([2, 1]) }, "z")).rejects.toThrow(/no layer/);
  });
});

describe("angleBetween", () => {
  it("is accurate for small angles, blind to sign and length", () => {
    const x = Float64Array.of(1, 0, 0);
    for (const angle of [0, 1e-9, 0.3, 1.5]) {
      const y = Float64Array.of(-5 * Math.cos(angle), -5 * Math.sin(angle), 0);
      expect(angleBetween(x, y)).toBeCloseTo(angle, 14);
    }
    expect(angleBetween(x, Float64Array.of(0, 2, 0))).toBeCloseTo(Math.PI / 2, 14);
  });
});
