import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NormalizeReport } from "../src/audit/normalize.ts";
import type { AuditReport } from "../src/audit/schema.ts";
import { run } from "../src/cli/run.ts";

interface Oracle {
  readonly layers: readonly {
    readonly weight: string;
    readonly sigma: number;
    readonly frobenius: number;
    readonly reshaped?: number;
  }[];
  readonly product: number;
  readonly sampled_lower: number;
}

const models = fileURLToPath(new URL("../../shared/models/", import.meta.url));
const present = existsSync(models);
if (!present) console.log(`skipped: the reference models are not at ${models}`);

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lipschitz-models-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function json<T>(...argv: string[]): Promise<{ code: number; document: T }> {
  let out = "";
  let err = "";
  const terminal = { interactive: false, width: 100, color: false };
  const code = await run([...argv, "--json"], {
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
  expect(out, err).not.toBe("");
  return { code, document: JSON.parse(out) };
}

const NETWORKS = [
  "mnist-net_256x2.onnx",
  "Convnet_maxpool.onnx",
  "cifar_base_kw.onnx",
  "ACASXU_run2a_1_1_batch_2000.onnx",
  "resnet_2b.onnx",
];

/** How much tighter than the product a run of dense layers must be bounded as a whole. */
const TIGHTER: Readonly<Record<string, number>> = {
  "ACASXU_run2a_1_1_batch_2000.onnx": 100,
  "mnist-net_256x2.onnx": 2,
};

describe.skipIf(!present)("real networks from the command line", () => {
  it.each(NETWORKS)("audit of %s agrees with the oracles", async (file) => {
    const oracle: Oracle = JSON.parse(await readFile(join(models, "oracles.json"), "utf8"))[file];
    const { code, document } = await json<AuditReport>("audit", join(models, file));
    expect(code).toBe(0);
    expect(document.layers.map((layer) => layer.weight).sort()).toEqual(
      oracle.layers.map((layer) => layer.weight).sort(),
    );
    for (const known of oracle.layers) {
      const layer = document.layers.find(({ weight }) => weight === known.weight)!;
      expect(layer.sigma!.lower).toBeLessThanOrEqual(known.sigma * (1 + 1e-9));
      expect(layer.sigma!.upper).toBeGreaterThanOrEqual(known.sigma * (1 - 1e-9));
      expect(layer.sigma!.upper! / layer.sigma!.lower).toBeLessThan(1.02);
      expect(layer.frobenius! / known.frobenius).toBeCloseTo(1, 6);
    }
    const { network } = document;
    expect(document.coverage.unaudited).toEqual([]);
    const { lower, upper } = network!.lipschitz;
    expect(upper).toBeGreaterThanOrEqual(oracle.sampled_lower);
    expect(upper).toBeLessThanOrEqual(network!.product!);
    expect(lower).toBeGreaterThanOrEqual(0.8 * oracle.sampled_lower);
    expect(lower).toBeLessThanOrEqual(upper!);
    const tighter = TIGHTER[file];
    if (tighter !== undefined) expect(network!.product! / upper!).toBeGreaterThan(tighter);
  });

  it("normalize --network brings a real chain to the limit, and the file still runs", async () => {
    const output = join(folder, "ten.onnx");
    const input = join(models, "mnist-net_256x2.onnx");
    const { code, document } = await json<NormalizeReport>(
      "normalize",
      input,
      "--network",
      "10",
      "-o",
      output,
    );
    expect(code).toBe(0);
    expect(document.network!.after.upper).toBeLessThanOrEqual(10);
    expect(document.network!.after.upper).toBeGreaterThan(9.99);
    expect(new Set(document.layers.map((layer) => layer.factor)).size).toBe(1);
    const { InferenceSession } = await import("onnxruntime-node");
    const session = await InferenceSession.create(output);
    expect(session.inputNames).toHaveLength(1);
    expect((await json("audit", output, "--fail-above", "10.2")).code).toBe(0);
    expect((await json("audit", output, "--fail-above", "3")).code).toBe(1);
  });

  it("normalize at proof keeps its promise for convolutions", async () => {
    const output = join(folder, "unit.onnx");
    const args = ["normalize", join(models, "cifar_base_kw.onnx"), "-o", output, "--guarantee", "proof"];
    const { code, document } = await json<NormalizeReport>(...args);
    expect(code).toBe(0);
    for (const { name, after } of document.layers) {
      expect(after!.upper).toBeLessThanOrEqual(1);
      expect(after!.lower).toBeGreaterThanOrEqual(name.startsWith("Conv") ? 0.95 : 0.999);
    }
  });
});
