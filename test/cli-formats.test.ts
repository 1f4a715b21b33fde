import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { AuditReport } from "../src/audit/schema.ts";
import { run } from "../src/cli/run.ts";
import { fromFloat64 } from "../src/formats/decode.ts";
import { noise, safetensorsFile } from "./support/safetensors-file.ts";

const folder = await mkdtemp(join(tmpdir(), "lipschitz-cli-formats-"));
afterAll(() => rm(folder, { recursive: true }));

async function cli(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const text = { out: "", err: "" };
  const terminal = { interactive: false, width: 100, color: false };
  const code = await run(argv, {
    out: (more) => {
      text.out += more;
    },
    err: (more) => {
      text.err += more;
    },
    stdout: terminal,
    stderr: terminal,
    signal: new AbortController().signal,
    debug: false,
  });
  return { code, ...text };
}

async function uppers(file: string): Promise<number[]> {
  const { code, out, err } = await cli("audit", file, "--json", "--guarantee", "proof");
  expect(code, err).toBe(0);
  return (JSON.parse(out) as AuditReport).layers.map((layer) => layer.sigma!.upper!);
}

/** A NumPy file of float32 in column-major order. */
function fortranFile(rows: number, cols: number, values: readonly number[]): Uint8Array {
  const description = `{'descr': '<f4', 'fortran_order': True, 'shape': (${rows}, ${cols}), }`;
  const header = `${description.padEnd(117)}\n`;
  const bytes = fromFloat64("float32", Float64Array.from(values));
  const magic = [0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, header.length, 0];
  return Uint8Array.from([...magic, ...new TextEncoder().encode(header), ...bytes]);
}

describe("formats from the command line", () => {
  it("normalizes a sharded model into another folder, all files or none", async () => {
    const [from, to] = [join(folder, "from"), join(folder, "to")];
    await mkdir(from);
    await mkdir(to);
    const shards = ["m-1.safetensors", "m-2.safetensors"];
    const weights: Record<string, string> = {};
    for (const [i, shard] of shards.entries()) {
      const tensor = { shape: [24, 16], values: noise(384, i + 1), dtype: "bfloat16" as const };
      await writeFile(join(from, shard), safetensorsFile({ [`layer${i}`]: tensor }));
      weights[`layer${i}`] = shard;
    }
    const index = "model.safetensors.index.json";
    await writeFile(join(from, index), JSON.stringify({ metadata: {}, weight_map: weights }));
    const done = await cli("normalize", join(from, index), "-o", join(to, index));
    expect(done.code, done.err).toBe(0);
    expect((await readdir(to)).sort()).toEqual([...shards, index].sort());
    for (const upper of await uppers(join(to, index))) expect(upper).toBeLessThanOrEqual(1 + 1e-6);
    const onto = await cli("normalize", join(from, index), "-o", join(from, "other.safetensors.index.json"));
    expect(onto).toMatchObject({ code: 2, err: expect.stringContaining("is the input file") });
    expect((await readdir(from)).sort()).toEqual([...shards, index].sort());
  });

  it.each(["divide", "cap", "clip"])("%s of a column-major NumPy file keeps its order", async (method) => {
    const input = join(folder, `${method}.npy`);
    await writeFile(input, fortranFile(12, 20, noise(240)));
    const output = join(folder, `${method}-out.npy`);
    const done = await cli("normalize", input, "-o", output, "--method", method, "--to", "2");
    expect(done.code, done.err).toBe(0);
    const [upper] = await uppers(output);
    expect(upper).toBeLessThanOrEqual(2 + 2e-6);
    expect(upper).toBeGreaterThan(1.99);
    const compared = JSON.parse((await cli("diff", input, output, "--json")).out);
    expect(compared.layers, JSON.stringify(compared)).toHaveLength(1);
    if (method !== "clip") expect(compared.layers[0].angle).toBeLessThan(1e-3);
  });
});
