import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Model } from "../formats/model.ts";
import { openModel } from "../formats/open.ts";
import { singularValuesSmall } from "../linalg/svd.ts";
import { codes, model as graph, type Node, node, numbers, scales } from "../network/testing/quantized.ts";
import { encodeTestModel, float32, int, type TestModel } from "../network/testing/run-onnx.ts";
import { diff } from "./diff.ts";
import { type Engine, loadEngine } from "./engine.ts";
import { normalize } from "./normalize.ts";
import { planModel } from "./plan.ts";
import { auditPlan } from "./run.ts";

const folder = await mkdtemp(join(tmpdir(), "lipschitz-quantized-"));
const opened: Model[] = [];
afterAll(async () => {
  await Promise.all(opened.map((model) => model.close()));
  await rm(folder, { recursive: true });
});

let files = 0;

async function open(tested: TestModel): Promise<Model> {
  const path = join(folder, `model-${files++}.onnx`);
  await writeFile(path, encodeTestModel(tested));
  const model = await openModel(path);
  opened.push(model);
  return model;
}

const [K, N] = [8, 6];

const named = (name: string, made: Node, output: string): Node => ({ ...made, name, outputs: [output] });

/** x [8] → int8 matrix with a scale per column → ReLU → float32 matrix → 4-bit matrix in blocks of 16. */
function network(seed = 1): TestModel {
  const nBits = { N: int(5), K: int(N), bits: int(4), block_size: int(16) };
  const w = Float32Array.from({ length: N * N }, (_, i) => Math.sin(i + seed));
  return graph(
    [
      named("dequantise", node("DequantizeLinear", ["q", "s", "z"]), "w1"),
      named("first", node("MatMul", ["x", "w1"]), "h1"),
      named("relu", node("Relu", ["h1"]), "h2"),
      named("second", node("MatMul", ["h2", "w2"]), "h3"),
      named("third", node("MatMulNBits", ["h3", "b", "bs"], nBits, "com.microsoft"), "y"),
    ],
    [1, K],
    [
      codes("q", "int8", [K, N], seed),
      scales("s", [N]),
      codes("z", "int8", [N], 2),
      float32("w2", w, [N, N]),
      codes("b", "uint8", [5, 1, 8], seed),
      scales("bs", [5, 1]),
    ],
  );
}

/** The two quantised matrices of `network`, computed here one element after another. */
function matrices(tested: TestModel) {
  const [q, s, z, b, bs] = ["q", "s", "z", "b", "bs"].map((name) => numbers(tested, name));
  const first = Float64Array.from({ length: K * N }, (_, i) => (q[i] - z[i % N]) * s[i % N]);
  const third = Float64Array.from({ length: 5 * N }, (_, i) => {
    const [row, col] = [Math.floor(i / N), i % N];
    const nibble = (b[8 * row + Math.floor(col / 2)] >> (4 * (col % 2))) & 15;
    return (nibble - 8) * bs[row];
  });
  return { first: singularValuesSmall(first, K, N)[0], third: singularValuesSmall(third, 5, N)[0] };
}

/** The real engine, with a count of the matrices it was given. */
async function countingEngine() {
  const engine = await loadEngine();
  const counted = { matrices: 0, engine: engine as Engine };
  counted.engine = {
    ...engine,
    analyzeMatrix: (source, options) => {
      counted.matrices++;
      return engine.analyzeMatrix(source, options);
    },
  };
  return counted;
}

async function audited(tested: TestModel, memory?: number) {
  const model = await open(tested);
  const counted = await countingEngine();
  const report = await auditPlan(counted.engine, model, await planModel(model), {
    guarantee: "proof",
    threads: 1,
    ...(memory === undefined ? {} : { memory }),
  });
  return { report, matrices: counted.matrices };
}

describe("audit of a quantised graph", () => {
  it("bounds the dequantised weights, and reports types, shapes and counts of what is stored", async () => {
    const tested = network();
    const { report } = await audited(tested);
    expect(report.layers.map(({ name, weight, dtype, shape }) => [name, weight, dtype, shape])).toEqual([
      ["first", "q", "int8", [K, N]],
      ["second", "w2", "float32", [N, N]],
      ["third", "b", "uint4", [5, N]],
    ]);
    const { first, third } = matrices(tested);
    for (const [layer, sigma] of [
      [report.layers[0]!, first],
      [report.layers[2]!, third],
    ] as const) {
      expect(layer.sigma!.lower).toBeLessThanOrEqual(sigma * (1 + 1e-12));
      expect(layer.sigma!.upper).toBeGreaterThanOrEqual(sigma * (1 - 1e-12));
      expect(layer.sigma!.upper! / layer.sigma!.lower).toBeLessThan(1 + 1e-5);
      expect(layer.problems).toEqual([]);
    }
    // q, s, z, w2, b (30 elements in its 40 bytes, two to a byte, a row padded) and bs.
    const parameters = K * N + N + N + N * N + 5 * N + 5;
    expect(report.model.parameters).toBe(parameters);
    expect(report.coverage).toEqual({ tensors: [6, 6], parameters: [parameters, parameters], unaudited: [] });
    expect(report.network!.lipschitz.upper).toBeGreaterThan(0);
    expect(report.problems).toEqual([]);
  });

  it("gives the same bounds for a weight that is read in blocks of rows", async () => {
    const tested = network();
    const { report } = await audited(tested, 256);
    const { first } = matrices(tested);
    expect(report.layers[0]!.sigma!.lower).toBeLessThanOrEqual(first * (1 + 1e-12));
    expect(report.layers[0]!.sigma!.upper).toBeGreaterThanOrEqual(first * (1 - 1e-12));
  });

  it("measures one stored weight once, however many nodes dequantise it alike", async () => {
    const twice = (scale: string) =>
      graph(
        [
          named("da", node("DequantizeLinear", ["q", "s"]), "wa"),
          named("db", node("DequantizeLinear", ["q", scale]), "wb"),
          named("a", node("MatMul", ["x", "wa"]), "h"),
          named("b", node("MatMul", ["h", "wb"]), "y"),
        ],
        [1, N],
        [codes("q", "int8", [N, N]), scales("s", []), scales("t", [], 3)],
      );
    const alike = await audited(twice("s"));
    expect(alike.matrices).toBe(1);
    const [a, b] = alike.report.layers;
    expect(a!.sigma).toEqual(b!.sigma);
    const apart = await audited(twice("t"));
    expect(apart.matrices).toBe(2);
    expect(apart.report.layers[0]!.sigma).not.toEqual(apart.report.layers[1]!.sigma);
  });

  it("leaves a weight it cannot dequantise out of the coverage, and says so", async () => {
    const tested = network();
    const nodes = tested.nodes.map((n) =>
      n.name === "third" ? { ...n, inputs: [...n.inputs, "", "order"] } : n,
    );
    const order = { name: "order", dtype: "int32", shape: [N], data: new Int32Array(N) };
    const { report } = await audited({ ...tested, nodes, initializers: [...tested.initializers!, order] });
    expect(report.coverage.unaudited).toEqual(["b"]);
    expect(report.problems[0]).toMatchObject({
      severity: "warning",
      code: "unsupported",
      where: "b",
      message: expect.stringMatching(/^not audited: the weight of MatMulNBits "third": .* g_idx/),
    });
  });

  it("a scale that is no number makes the weight not finite", async () => {
    const tested = network();
    const initializers = tested.initializers!.map((t) =>
      t.name === "bs" ? float32("bs", [1, 1, Number.NaN, 1, 1], [5, 1]) : t,
    );
    const { report } = await audited({ ...tested, initializers });
    expect(report.layers[2]!.sigma).toBeNull();
    expect(report.problems[0]).toMatchObject({ code: "not-finite", where: "third" });
    expect(report.coverage.unaudited).toEqual(["b"]);
  });
});

const options = { guarantee: "proof", seed: 1n, threads: 1 } as const;

describe("normalize of a quantised graph", () => {
  const left = (where: string, type: string) => ({
    severity: "warning",
    code: "unsupported",
    where,
    message: expect.stringContaining(`quantised (${type}): its integers cannot carry the factor`),
  });

  it("changes the other weights only, with a warning for each that stays", async () => {
    const model = await open(network());
    const normalization = await normalize(model, { ...options, to: 0.5 });
    const { report } = normalization;
    expect(report.kept).toBe(true);
    expect(report.layers.map((layer) => layer.weight)).toEqual(["w2"]);
    expect(report.problems).toEqual([left("first", "int8"), left("third", "uint4")]);
    const path = join(folder, "normalized.onnx");
    await normalization.write(path);
    const written = await openModel(path);
    opened.push(written);
    for (const [i, before] of model.tensors.entries()) {
      const after = written.tensors[i]!;
      const same = Buffer.compare(
        await before.read(0, before.byteLength),
        await after.read(0, after.byteLength),
      );
      expect(same === 0, before.name).toBe(before.name !== "w2");
    }
  });

  it("says nothing of quantised weights that are left out, and clips what is not quantised", async () => {
    const model = await open(network());
    const { report } = await normalize(model, { ...options, method: "clip", only: "second" });
    expect(report.kept).toBe(true);
    expect(report.problems).toEqual([]);
  });

  it("writes a copy when every weight is quantised", async () => {
    const model = await open(network());
    const normalization = await normalize(model, { ...options, only: "first" });
    expect(normalization.report).toMatchObject({ kept: true, layers: [], problems: [left("first", "int8")] });
    const path = join(folder, "copy.onnx");
    await normalization.write(path);
    expect(await readFile(path)).toEqual(await readFile(model.sources[0]!.name));
  });

  it("keeps a promise for the network with the weights that can change", async () => {
    const model = await open(network());
    const normalization = await normalize(model, { ...options, network: 3 });
    const { report } = normalization;
    expect(report.kept).toBe(true);
    expect(report.network!.before.upper).toBeGreaterThan(3);
    expect(report.network!.after.upper).toBeLessThanOrEqual(3);
    const factors = new Map(report.layers.map((layer) => [layer.name, layer.factor]));
    expect([factors.get("first"), factors.get("third")]).toEqual([1, 1]);
    expect(factors.get("second")).toBeLessThan(1);
    const path = join(folder, "three.onnx");
    await normalization.write(path);
    const written = await openModel(path);
    opened.push(written);
    const again = await auditPlan(await loadEngine(), written, await planModel(written), options);
    expect(again.network!.lipschitz.upper).toBeLessThanOrEqual(3);
  });

  it("refuses a promise for the network when only quantised weights are selected", async () => {
    const model = await open(network());
    await expect(normalize(model, { ...options, network: 3, only: "first" })).rejects.toMatchObject({
      name: "UsageError",
      message: expect.stringContaining("every selected weight is quantised or computed"),
    });
  });
});

describe("diff of quantised graphs", () => {
  it("compares the dequantised weights", async () => {
    const [a, b] = [network(), network(7)];
    const report = await diff(await open(a), await open(b), options);
    expect(report.problems).toEqual([]);
    const first = report.layers.find((layer) => layer.name === "first")!;
    for (const [i, tested] of [a, b].entries()) {
      const sigma = matrices(tested).first;
      expect(Math.abs(first.sigma[i]!.lower - sigma)).toBeLessThan(1e-4 * sigma);
    }
    expect(first.shape).toEqual([
      [K, N],
      [K, N],
    ]);
    expect(first.angle).toBeGreaterThan(0);
  });
});
