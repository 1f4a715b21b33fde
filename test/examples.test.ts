import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";

const examples = fileURLToPath(new URL("../examples/", import.meta.url));
const folder = await mkdtemp(join(tmpdir(), "lipschitz-examples-"));
afterAll(() => rm(folder, { recursive: true }));

const MOST_LINES = 120;

/** Runs an example on the built package for a few steps. */
async function run(name: string, ...argv: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(examples, name), ...argv], {
    cwd: folder,
  });
  expect(stderr).toBe("");
  return stdout;
}

describe("the examples", () => {
  it("are flat files of fewer than 120 lines", async () => {
    const files = await readdir(examples);
    expect(files.sort()).toEqual(["copy-memory.mjs", "gan-ring.mjs", "robust-digits.mjs"]);
    for (const file of files) {
      const lines = (await readFile(join(examples, file), "utf8")).split("\n").length;
      expect(lines, file).toBeLessThan(MOST_LINES);
    }
  });

  it("robust-digits trains, exports and certifies", async () => {
    const out = await run("robust-digits.mjs", "1");
    expect(out).toMatch(/epoch 0: loss \d/);
    expect(out).toMatch(
      /robust-digits\.onnx: Lipschitz constant at least [\d.]+ and at most (?:0\.9|1\.00000)/,
    );
    const [, clean, certified] = /clean ([\d.]+) %, certified at 0\.3: ([\d.]+) %/.exec(out)!;
    expect(Number(clean)).toBeGreaterThan(85);
    expect(Number(certified)).toBeGreaterThan(70);
    expect(Number(certified)).toBeLessThanOrEqual(Number(clean));
  });

  it("gan-ring moves towards the ring with a bounded critic", async () => {
    const out = await run("gan-ring.mjs", "40");
    expect(out).toMatch(/modes found: \d of 8/);
    const [, lower, upper] = /at least ([\d.]+) and at most ([\d.]+)/.exec(out)!;
    expect(Number(lower)).toBeGreaterThan(0);
    // Three layers of norm 2, and power iteration that may lag a little behind.
    expect(Number(upper)).toBeLessThan(1.1 * 8);
  });

  it("copy-memory trains both networks", async () => {
    const out = await run("copy-memory.mjs", "10");
    expect(out).toContain("cross-entropy without memory: 0.4159");
    for (const name of ["plain", "orthonormal"]) {
      expect(out).toMatch(new RegExp(`${name}: loss \\d+\\.\\d+ after 10 steps`));
    }
  });
});
