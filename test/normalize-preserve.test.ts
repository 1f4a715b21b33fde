import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, describe, expect, it } from "vitest";
import type { NormalizeReport } from "../src/audit/normalize.ts";
import { run } from "../src/cli/run.ts";
import { RandomStream } from "../src/linalg/random.ts";
import { pointsFile } from "./support/data-files.ts";

const models = fileURLToPath(new URL("../../shared/models/", import.meta.url));
const present = existsSync(models);
if (!present) console.log(`normalize-preserve.test.ts: skipped, no reference models at ${models}`);

const folder = await mkdtemp(join(tmpdir(), "lipschitz-preserve-"));
afterAll(() => rm(folder, { recursive: true }));

/** Layers of resnet_2b outside the block with an identity skip. */
const OUTSIDE = "{Conv_0,Conv_2,Conv_4,Conv_5,Gemm_*}";

async function cli(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const terminal = { interactive: false, width: 100, color: false };
  const code = await run([...argv, "--seed", "1"], {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    stdout: terminal,
    stderr: terminal,
    signal: new AbortController().signal,
    debug: false,
  });
  return { code, out, err };
}

const digest = async (path: string) =>
  createHash("sha256")
    .update(await readFile(path))
    .digest("hex");

async function session(path: string): Promise<InferenceSession> {
  return InferenceSession.create(path, { intraOpNumThreads: 1, logSeverityLevel: 4 });
}

function argmax(x: Float32Array): number {
  return x.reduce((best, value, i) => (value > x[best]! ? i : best), 0);
}

/**
 * Both files in onnxruntime on random inputs: new outputs are the old ones times `scale` to float32 accuracy, and the
 * largest score is the same wherever the two largest differ by more than that.
 */
async function expectSameUpTo(scale: number, before: string, after: string, inputs: readonly Float32Array[]) {
  const [old, renewed] = [await session(before), await session(after)];
  const [input] = old.inputMetadata;
  const dims = input!.isTensor ? input!.shape.map(Number) : [];
  const outputOf = async (each: InferenceSession, x: Float32Array) => {
    const results = await each.run({ [input!.name]: new Tensor("float32", x, dims) });
    return results[each.outputNames[0]!]!.data as Float32Array;
  };
  for (const x of inputs) {
    const [was, is] = [await outputOf(old, x), await outputOf(renewed, x)];
    const size = was.reduce((most, y) => Math.max(most, Math.abs(y)), 0);
    expect(size).toBeGreaterThan(0);
    is.forEach((y, i) => {
      expect(Math.abs(y - scale * was[i]!), `output ${i}`).toBeLessThanOrEqual(2e-5 * scale * size);
    });
    const sorted = was.toSorted();
    if (sorted.at(-1)! - sorted.at(-2)! > 1e-4 * size) expect(argmax(is)).toBe(argmax(was));
  }
  await old.release();
  await renewed.release();
}

function randomInputs(size: number): readonly Float32Array[] {
  const random = new RandomStream(9n);
  return [0.1, 1, 1, 1, 10].map((scale) =>
    Float32Array.from({ length: size }, () => scale * random.normal()),
  );
}

const SIZES: Readonly<Record<string, number>> = {
  cifar_base_kw: 3072,
  "mnist-net_256x2": 784,
  Convnet_maxpool: 784,
  ACASXU_run2a_1_1_batch_2000: 5,
  resnet_2b: 3072,
};

describe.skipIf(!present)("normalize --preserve on real networks", () => {
  it.each<[string, string[], number]>([
    ["cifar_base_kw", [], 1],
    ["cifar_base_kw", ["--guarantee", "proof", "--to", "0.5"], 0.5],
    ["mnist-net_256x2", [], 1],
    ["Convnet_maxpool", ["--to", "3"], 3],
    ["ACASXU_run2a_1_1_batch_2000", [], 1],
    ["resnet_2b", ["--only", OUTSIDE], 1],
    ["resnet_2b", ["--to", "3"], 3],
  ])("%s %j: every layer at its norm, outputs times a constant", async (name, options, to) => {
    const input = join(models, `${name}.onnx`);
    const output = join(folder, `${name}-${options.join("")}.onnx`.replaceAll(/[{},*]/g, ""));
    const before = await digest(input);
    const { code, out, err } = await cli(
      "normalize",
      input,
      "-o",
      output,
      "--preserve",
      "--json",
      ...options,
    );
    expect(code, err).toBe(0);
    const report: NormalizeReport = JSON.parse(out);
    const lowered = report.problems.flatMap(({ where, message }) =>
      / instead of /.test(message) ? [where] : [],
    );
    expect(lowered.length).toBe(name !== "resnet_2b" ? 0 : options[0] === "--only" ? 1 : 2);
    for (const layer of report.layers) {
      expect(layer.after!.upper).toBeLessThanOrEqual(to);
      if (lowered.includes(layer.name)) continue;
      expect(layer.after!.lower).toBeGreaterThanOrEqual(to * (layer.name.startsWith("Conv") ? 0.95 : 0.999));
    }
    const { preserve } = report;
    expect(preserve!.constants.length).toBeGreaterThan(0);
    expect(preserve!.checked!.difference).toBeLessThan(1e-6);
    await expectSameUpTo(preserve!.scale!, input, output, randomInputs(SIZES[name]!));
    expect(await digest(input)).toBe(before);
  });

  it("--network: one factor, its powers on the biases", async () => {
    const input = join(models, "cifar_base_kw.onnx");
    const output = join(folder, "ten.onnx");
    const { out } = await cli("normalize", input, "-o", output, "--preserve", "--json", "--network", "10");
    const { layers, preserve, network }: NormalizeReport = JSON.parse(out);
    const factor = layers[0]!.factor!;
    preserve!.constants.forEach((each, i) => void expect(each.factor).toBeCloseTo(factor ** (i + 1), 12));
    expect(network!.after.upper).toBeLessThanOrEqual(10);
    await expectSameUpTo(factor ** 4, input, output, randomInputs(3072));
  });

  it("--network works on a graph with joins, and reaches its limit", async () => {
    const input = join(models, "resnet_2b.onnx");
    const { code, out } = await cli(
      "normalize",
      input,
      "-o",
      join(folder, "r.onnx"),
      "--json",
      "--network",
      "100",
    );
    expect(code).toBe(0);
    const { network, layers }: NormalizeReport = JSON.parse(out);
    expect(network!.after.upper).toBeLessThanOrEqual(100);
    expect(network!.after.upper).toBeGreaterThan(99.9);
    expect(new Set(layers.map(({ factor }) => factor)).size).toBe(1);
  });

  it.each([
    [[], "or try --method cap, which leaves layers below --to alone."],
    [["--method", "cap"], "or raise --to above their norms."],
  ])("resnet_2b with its identity skip stops %j, and writes nothing", async (options, advice) => {
    const output = join(folder, "never.onnx");
    const { code, err } = await cli(
      "normalize",
      join(models, "resnet_2b.onnx"),
      "-o",
      output,
      "--preserve",
      ...options,
    );
    expect(code).toBe(2);
    expect(err).toContain(
      'error: --preserve stops at Add "Add_11": it joins "27" (from Conv "Conv_10"), multiplied by',
    );
    expect(err).toContain('"24" is read by Conv "Conv_8" and Add "Add_11", which would be lowered with it\n');
    expect(err).toContain(
      `Leave Conv_8 and Conv_10 as they are: name the other layers with --only, ${advice}\n`,
    );
    expect(existsSync(output)).toBe(false);
  });

  it("cap above the norms within the skip lets the others follow", async () => {
    const input = join(models, "resnet_2b.onnx");
    const output = join(folder, "cap.onnx");
    const options = ["--preserve", "--method", "cap", "--to", "3"];
    const { code, out, err } = await cli("normalize", input, "-o", output, ...options);
    expect(code).toBe(0);
    expect(err).toBe(
      'warning: Conv_5: multiplied by 0.9960 instead of staying as it is, so that the branches of Add "Add_6" are ' +
        "multiplied alike: its σ ends at 1.426020–1.426021\n",
    );
    expect(out).toContain(
      "Outputs are the old ones times 0.9295, up to rounding (relative, on 3 random inputs: ",
    );
    expect(out).toMatch(/^Rescaled with the weights: conv1\.bias × 0\.9332, .*, \d more\.$/m);
    await expectSameUpTo(0.9295007491330345, input, output, randomInputs(3072));
  });

  it("--data reports how the outputs change, with and without --preserve", async () => {
    const input = join(models, "mnist-net_256x2.onnx");
    const random = new RandomStream(4n);
    const points = Array.from({ length: 20 }, () => Array.from({ length: 784 }, () => random.uniform()));
    const data = join(folder, "points.npy");
    await writeFile(data, pointsFile(points));
    const with_ = async (...options: string[]) => {
      const { code, out, err } = await cli(
        "normalize",
        input,
        "-o",
        join(folder, "d.onnx"),
        "--data",
        data,
        ...options,
      );
      expect(code, err).toBe(0);
      return out;
    };
    const kept = JSON.parse(await with_("--preserve", "--json")) as NormalizeReport;
    expect(kept.outputs).toMatchObject({ points: 20, total: 20, argmaxKept: 1 });
    expect(kept.outputs!.change.max).toBeLessThan(1e-5);
    const moved = JSON.parse(await with_("--json")) as NormalizeReport;
    expect(moved.preserve).toBeUndefined();
    expect(moved.outputs!.scales).toEqual([{ name: "12", scale: 1 }]);
    expect(moved.outputs!.change.median).toBeGreaterThan(0.1);
    const text = await with_("--preserve");
    expect(text).toMatch(
      /^‖new − s·old‖\/‖s·old‖ of the outputs on 20 points of \S*points\.npy: median \S+, at most \S+\.$/m,
    );
    expect(text).toContain("The largest score stays the same on 100 % of them.\n");
    expect(await with_("--method", "cap", "--to", "1e9")).toMatch(
      /^‖new − old‖\/‖old‖ .*: median 0, at most 0\.$/m,
    );
  });

  it("--data that does not fit is refused before anything is measured", async () => {
    const data = join(folder, "short.npy");
    await writeFile(data, pointsFile([[1, 2, 3]]));
    const output = join(folder, "never.onnx");
    const { code, err } = await cli(
      "normalize",
      join(models, "mnist-net_256x2.onnx"),
      "-o",
      output,
      "--data",
      data,
    );
    expect(code).toBe(3);
    expect(err).toContain("the network takes [784, 1], 784 numbers");
    expect(existsSync(output)).toBe(false);
  });
});
