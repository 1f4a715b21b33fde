import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { AuditReport } from "../src/audit/schema.ts";
import type { Io } from "../src/cli/io.ts";
import { type RunOptions, run } from "../src/cli/run.ts";
import { VERSION } from "../src/version.ts";
import { fakeEngine } from "./support/fake-engine.ts";
import { diagonal, noise, safetensorsFile, type TestTensor, withHeader } from "./support/safetensors-file.ts";

const folder = await mkdtemp(join(tmpdir(), "lipschitz-cli-"));
afterAll(() => rm(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

async function save(name: string, tensors: Record<string, TestTensor>): Promise<string> {
  await writeFile(at(name), safetensorsFile(tensors));
  return at(name);
}

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface Outside extends RunOptions {
  readonly signal?: AbortSignal;
  readonly color?: boolean;
  readonly debug?: boolean;
}

/** One command line, without a process. */
async function cli(argv: readonly string[], outside: Outside = {}): Promise<Result> {
  let out = "";
  let err = "";
  const terminal = { interactive: false, width: 100, color: outside.color ?? false };
  const io: Io = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    stdout: terminal,
    stderr: terminal,
    signal: outside.signal ?? new AbortController().signal,
    debug: outside.debug ?? false,
  };
  const code = await run(argv, io, outside);
  return { code, out, err };
}

const help = (...argv: string[]) => cli([...argv, "--help"]);

const small = await save("small.safetensors", {
  "fc.weight": diagonal([3, 1]),
  "fc.bias": { shape: [2], values: [1, 2] },
  "conv.weight": { shape: [4, 2, 3, 3], values: noise(72) },
});
const dense = await save("dense.safetensors", { a: diagonal([3, 1]), b: diagonal([0.5, 0.25], "float16") });
const broken = await save("broken.safetensors", { good: diagonal([2, 1]), bad: diagonal([Number.NaN, 1]) });

describe("lipschitz", () => {
  it("states the version that package.json has", async () => {
    const { version } = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
    expect(VERSION).toBe(version);
    expect(await cli(["--version"])).toEqual({ code: 0, out: `${version}\n`, err: "" });
  });

  it.each([[[]], [["audit"]], [["normalize"]], [["diff"]], [["tour"]], [["study"]]])(
    "help of %j",
    async (command) => {
      const { code, out, err } = await help(...command);
      expect(code).toBe(0);
      expect(err).toBe("");
      expect(out).toMatchSnapshot();
    },
  );

  it("offers no command and no option that does not exist yet", async () => {
    const texts = await Promise.all([help(), help("audit"), help("normalize")]);
    for (const { out } of texts) {
      expect(out).not.toMatch(/worker|--journal|--queue/);
    }
  });

  it.each([
    [[], /Usage: lipschitz/],
    [["audit"], /missing required argument 'model'/],
    [["adit", "x"], /unknown command 'adit'\n\(Did you mean audit\?\)/],
    [["audit", "x", "--jsn"], /unknown option '--jsn'\n\(Did you mean --json\?\)/],
    [["audit", "x", "--guarantee", "maybe"], /Allowed choices are estimate, probable, proof/],
    [["audit", "x", "--memory", "lots"], /Give a size such as 2GiB/],
    [["audit", "x", "--fail-above", "many"], /Give a number/],
    [["normalize", "x"], /required option '-o, --output <file>' not specified/],
    [["normalize", "x", "-o", "y", "--to", "0"], /Give a number above 0/],
    [["normalize", "x", "-o", "y", "--guarantee", "estimate"], /Allowed choices are probable, proof/],
    [["diff", "x"], /missing required argument 'b'/],
  ])("%j is wrong usage", async (argv, message) => {
    const { code, out, err } = await cli(argv);
    expect(code).toBe(2);
    expect(out).toBe("");
    expect(err).toMatch(message);
  });

  it("suggests audit where a file stands in place of a command", async () => {
    const { code, err } = await cli([small]);
    expect(code).toBe(2);
    expect(err).toContain(`(Did you mean lipschitz audit ${small}?)`);
  });
});

describe("lipschitz audit", () => {
  it("prints a table", async () => {
    const { code, out, err } = await cli(["audit", small]);
    expect(code).toBe(0);
    expect(err).toBe("");
    expect(out).toContain("fc.weight");
    expect(out).toContain("conv.weight");
    expect(out).not.toContain("\x1b");
    expect((await cli(["audit", small], { color: true })).out).toContain("\x1b[");
  });

  it("prints one JSON document with every documented field", async () => {
    const { code, out, err } = await cli(["audit", small, "--json", "--seed", "0x10", "--threads", "1"]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const report: AuditReport = JSON.parse(out);
    expect(report).toMatchObject({
      schema: "lipschitz.audit/1",
      model: { files: [small], format: "safetensors", bytes: expect.any(Number), parameters: 78 },
      settings: { guarantee: "probable", failureProbability: expect.any(Number), seed: "16", threads: 1 },
      coverage: { tensors: [3, 3], parameters: [78, 78] },
      network: null,
    });
    expect(report.problems).toBeInstanceOf(Array);
    const fc = report.layers.find((layer) => layer.weight === "fc.weight")!;
    expect(fc).toMatchObject({
      name: "fc.weight",
      operator: "dense",
      shape: [2, 2],
      dtype: "float32",
      sigma: {
        lower: expect.any(Number),
        upper: expect.any(Number),
        guarantee: "probable",
        method: expect.any(String),
      },
      frobenius: expect.any(Number),
      stableRank: expect.any(Number),
      problems: [],
    });
    expect(fc.sigma!.lower).toBeLessThanOrEqual(3);
    expect(fc.sigma!.upper).toBeGreaterThanOrEqual(3);
    expect(fc.sigma!.upper! / fc.sigma!.lower).toBeLessThan(1.02);
    expect(fc.frobenius).toBeCloseTo(Math.sqrt(10), 6);
    const conv = report.layers.find((layer) => layer.weight === "conv.weight")!;
    expect(conv).toMatchObject({
      operator: "conv",
      geometry: {
        inputShape: [2, null, null],
        strides: [1, 1],
        padding: expect.any(Array),
        dilations: [1, 1],
        groups: 1,
        boundary: expect.any(String),
      },
      reshapedSigma: { lower: expect.any(Number), upper: expect.any(Number) },
    });
    expect(conv.sigma!.upper).toBeGreaterThanOrEqual(conv.reshapedSigma!.lower);
  });

  it("gives the same document for the same seed", async () => {
    const documents = await Promise.all([1, 2].map(() => cli(["audit", small, "--json", "--seed", "5"])));
    expect(documents[0]).toEqual(documents[1]);
  });

  it.each(["estimate", "proof"] as const)("--guarantee %s", async (guarantee) => {
    const { out } = await cli(["audit", small, "--json", "--guarantee", guarantee]);
    const { settings, layers }: AuditReport = JSON.parse(out);
    expect(settings).toMatchObject({ guarantee, failureProbability: guarantee === "proof" ? 0 : null });
    for (const { sigma } of layers) {
      expect(sigma!.guarantee).toBe(guarantee);
      expect(sigma!.upper === null).toBe(guarantee === "estimate");
      expect(sigma!.estimate === undefined).toBe(guarantee === "proof");
    }
  });

  it("exits with 1 when a limit is exceeded or cannot be shown to hold", async () => {
    expect(await cli(["audit", dense, "--quiet", "--layer-limit", "3.1"])).toEqual({
      code: 0,
      out: "",
      err: "",
    });
    const above = await cli(["audit", dense, "--quiet", "--layer-limit", "1"]);
    expect(above.code).toBe(1);
    expect(above.err).toMatch(/^limit: .*dense\.safetensors: a: upper bound 3\.\d+ is above the limit 1\n$/);
    const only = await cli(["audit", dense, "--quiet", "--layer-limit", "1", "--only", "b"]);
    expect(only).toEqual({ code: 0, out: "", err: "" });
    const network = await cli(["audit", dense, "--quiet", "--fail-above", "100"]);
    expect(network.code).toBe(1);
    expect(network.err).toContain("no finite upper bound (limit 100): a safetensors file has no graph");
  });

  it("exits with 1 for a weight that is not finite, and still audits the others", async () => {
    const { code, out, err } = await cli(["audit", broken, "--json"]);
    expect(code).toBe(1);
    const report: AuditReport = JSON.parse(out);
    expect(report.layers.map(({ name, sigma }) => [name, sigma === null])).toEqual([
      ["good", false],
      ["bad", true],
    ]);
    expect(report.problems).toMatchObject([{ severity: "error", where: "bad", code: "not-finite" }]);
    expect(err).toBe("error: bad: the weight holds a NaN or an infinity\n");
    const two = await cli(["audit", broken, dense, "--quiet"]);
    expect(two.err).toBe(`error: ${broken}: bad: the weight holds a NaN or an infinity\n`);
  });

  it("warns of unsupported types and exits with 0, unless a limit is asked for", async () => {
    const header = {
      w: { dtype: "F32", shape: [1, 1], data_offsets: [0, 4] },
      q: { dtype: "C64", shape: [2, 2], data_offsets: [4, 36] },
    };
    await writeFile(at("complex.safetensors"), withHeader(header, [new Uint8Array(36)]));
    const { code, out } = await cli(["audit", at("complex.safetensors"), "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(out).problems).toMatchObject([
      { severity: "warning", where: "q", code: "unsupported" },
    ]);
    const gated = await cli(["audit", at("complex.safetensors"), "--quiet", "--layer-limit", "9"]);
    expect(gated.code).toBe(1);
    expect(gated.err).toContain("the weight q could not be audited");
  });

  it("audits several models and patterns, the worst exit code winning", async () => {
    const both = await cli(["audit", small, dense, "--json"]);
    expect(both.code).toBe(0);
    const { schema, reports } = JSON.parse(both.out);
    expect(schema).toBe("lipschitz.audits/1");
    expect(reports.map((report: AuditReport) => report.model.files[0])).toEqual([small, dense]);
    const pattern = await cli(["audit", at("{small,dense}.*"), "--json"]);
    expect(JSON.parse(pattern.out).reports).toHaveLength(2);
    const worst = await cli(["audit", broken, at("missing.onnx"), dense, "--json"]);
    expect(worst.code).toBe(3);
    const document = JSON.parse(worst.out);
    expect(document.reports).toHaveLength(2);
    expect(document.failed).toEqual([
      { file: at("missing.onnx"), message: expect.stringContaining("no such file") },
    ]);
    const table = await cli(["audit", small, dense]);
    expect(table.out.indexOf("fc.weight")).toBeLessThan(table.out.indexOf("dense.safetensors"));
  });

  it("writes an HTML report, or a folder of them with an index", async () => {
    const one = await cli(["audit", small, "--html", at("one.html")]);
    expect(one).toMatchObject({ code: 0, err: `wrote ${at("one.html")}\n` });
    expect(await readFile(at("one.html"), "utf8")).toMatch(/^<!doctype html>/i);
    const quiet = await cli(["audit", small, "--html", at("one.html"), "--quiet"]);
    expect(quiet).toEqual({ code: 0, out: "", err: "" });
    const several = await cli(["audit", small, dense, "--html", at("reports"), "--quiet"]);
    expect(several.code).toBe(0);
    expect((await readdir(at("reports"))).sort()).toEqual([
      "dense.safetensors.html",
      "index.html",
      "small.safetensors.html",
    ]);
    expect(await readFile(at("reports/index.html"), "utf8")).toContain('href="./small.safetensors.html"');
    const partly = await cli(["audit", small, at("missing.onnx"), "--html", at("partly"), "--quiet"]);
    expect(partly.code).toBe(3);
    expect(await readFile(at("partly/index.html"), "utf8")).toMatch(/missing\.onnx.*no such file/);
  });

  it("refuses HTML targets that would destroy something, before any work", async () => {
    const engine = fakeEngine();
    const onto = await cli(["audit", small, "--html", small], { engine: async () => engine });
    expect(onto).toMatchObject({ code: 2, err: expect.stringContaining("would overwrite a model") });
    const into = await cli(["audit", small, "--html", folder], { engine: async () => engine });
    expect(into).toMatchObject({ code: 2, err: expect.stringContaining("is a folder") });
    await symlink(small, at("linked.html"));
    const linked = await cli(["audit", small, "--html", at("linked.html")], { engine: async () => engine });
    expect(linked).toMatchObject({ code: 2, err: expect.stringContaining("would overwrite a model") });
    const nowhere = await cli(["audit", small, "--html", at("no/report.html")], {
      engine: async () => engine,
    });
    expect(nowhere).toMatchObject({
      code: 2,
      err: expect.stringContaining(`there is no folder ${at("no")}`),
    });
    await writeFile(at("plain.html"), "");
    const file = await cli(["audit", small, dense, "--html", at("plain.html")], {
      engine: async () => engine,
    });
    expect(file).toMatchObject({ code: 2, err: expect.stringContaining("is a file") });
    expect(engine.asked).toEqual([]);
  });

  it("says in a line or two what is wrong with a file, without a stack trace", async () => {
    await mkdir(at("empty"));
    await writeFile(at("text.safetensors"), "not a model at all, just some text");
    await writeFile(at("cut.safetensors"), safetensorsFile({ w: diagonal([1, 2, 3]) }).subarray(0, 90));
    const cases: [string, RegExp][] = [
      [at("missing.safetensors"), /no such file/],
      [at("empty"), /no model file in this folder/],
      [at("text.safetensors"), /text\.safetensors/],
      [at("cut.safetensors"), /cut\.safetensors.* byte/],
    ];
    for (const [file, message] of cases) {
      const { code, out, err } = await cli(["audit", file]);
      expect(code).toBe(3);
      expect(out).toBe("");
      expect(err).toMatch(message);
      expect(err).toMatch(/^error: /);
      expect(err.trim().split("\n").length).toBeLessThanOrEqual(2);
      expect(err).not.toMatch(/\n\s+at /);
    }
    expect((await cli(["audit", at("missing.safetensors")], { debug: true })).err).toMatch(/\n\s+at /);
  });

  it("explains --input for a file without a graph and --only without a match", async () => {
    const input = await cli(["audit", small, "--input", "1x3x8x8"]);
    expect(input).toMatchObject({ code: 2, err: expect.stringMatching(/no graph.*\nLeave out --input\.\n/) });
    const only = await cli(["audit", small, "--only", "nothing*"]);
    expect(only).toMatchObject({
      code: 2,
      err: expect.stringMatching(/matches none of the 2 layers\nLayers are named/),
    });
  });

  it("stops at an interruption and says what was written", async () => {
    const controller = new AbortController();
    const engine = fakeEngine();
    const interrupting = {
      ...engine,
      analyzeMatrix: (...args: Parameters<typeof engine.analyzeMatrix>) => {
        controller.abort();
        return engine.analyzeMatrix(...args);
      },
    };
    const { code, out, err } = await cli(["audit", dense, dense, "--html", at("stopped")], {
      signal: controller.signal,
      engine: async () => interrupting,
    });
    expect({ code, out, err }).toEqual({ code: 130, out: "", err: "interrupted: nothing was written\n" });
    expect(existsSync(at("stopped"))).toBe(false);
  });

  it("reports an unforeseen error as a defect, without a stack trace", async () => {
    const engine = () => Promise.reject(new RangeError("kernel missing"));
    const { code, err } = await cli(["audit", dense], { engine });
    expect(code).toBe(1);
    expect(err).toBe(
      "error: kernel missing\nThis is a defect in lipschitz; LIPSCHITZ_DEBUG=1 shows where.\n",
    );
  });
});

describe("lipschitz normalize", () => {
  it("writes a model that keeps the promise, and shows before and after", async () => {
    const out = at("unit.safetensors");
    const { code, out: text, err } = await cli(["normalize", dense, "-o", out]);
    expect(code).toBe(0);
    expect(text).toContain(`Written to ${out}, read back and measured again.`);
    expect(err).toMatch(/^warning: b: divide raises it by a factor of 2/);
    const audited = await cli(["audit", out, "--json", "--guarantee", "proof"]);
    for (const layer of (JSON.parse(audited.out) as AuditReport).layers) {
      expect(layer.sigma!.upper).toBeLessThanOrEqual(1 + 1e-6);
      expect(layer.sigma!.lower).toBeGreaterThanOrEqual(0.999);
    }
    expect((await cli(["audit", out, "--quiet", "--layer-limit", "1.01"])).code).toBe(0);
  });

  it("prints one JSON document", async () => {
    const out = at("capped.safetensors");
    const result = await cli([
      "normalize",
      small,
      "-o",
      out,
      "--to",
      "2",
      "--method",
      "cap",
      "--json",
      "--seed",
      "3",
    ]);
    expect(result.code).toBe(0);
    const report = JSON.parse(result.out);
    expect(report).toMatchObject({
      schema: "lipschitz.normalize/1",
      input: small,
      output: out,
      settings: { method: "cap", to: 2, network: null, seed: "3", guarantee: "probable" },
      network: null,
      kept: true,
      problems: [],
    });
    for (const layer of report.layers) {
      expect(layer).toMatchObject({
        name: expect.any(String),
        before: { lower: expect.any(Number), upper: expect.any(Number) },
        after: { lower: expect.any(Number), upper: expect.any(Number) },
        factor: expect.any(Number),
      });
      expect(layer.after.upper).toBeLessThanOrEqual(2);
    }
  });

  it("clips dense layers and refuses convolutions", async () => {
    const clipped = await cli(["normalize", dense, "-o", at("clipped.safetensors"), "--method", "clip"]);
    expect(clipped.code).toBe(0);
    expect(clipped.out).toContain("clipped");
    const refused = await cli(["normalize", small, "-o", at("never.safetensors"), "--method", "clip"]);
    expect(refused.code).toBe(2);
    expect(refused.err).toMatch(/conv\.weight is a convolution.*\nUse --method divide or cap/);
    expect(existsSync(at("never.safetensors"))).toBe(false);
  });

  it("writes nothing and exits with 1 when the promise cannot be kept", async () => {
    const { code, err, out } = await cli(["normalize", broken, "-o", at("never.safetensors")]);
    expect(code).toBe(1);
    expect(err).toContain("error: bad: the weight holds a NaN or an infinity\n");
    expect(err).toContain("error: the promise cannot be kept, so nothing was written\n");
    expect(out).not.toContain("Written to");
    expect(existsSync(at("never.safetensors"))).toBe(false);
  });

  it("never writes under the name of another format", async () => {
    const { code, out, err } = await cli(["normalize", dense, "-o", at("never.onnx")]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toBe(`error: ${at("never.onnx")}: the output stays safetensors; name it .safetensors\n`);
    expect(existsSync(at("never.onnx"))).toBe(false);
  });

  it("never writes onto its input, and needs a finite bound for --network", async () => {
    const bytes = await readFile(dense);
    const onto = await cli(["normalize", dense, "-o", dense]);
    expect(onto).toMatchObject({ code: 2, err: expect.stringContaining("is the input file") });
    const network = await cli(["normalize", dense, "-o", at("never.safetensors"), "--network", "2"]);
    expect(network).toMatchObject({ code: 2, err: expect.stringContaining("needs a finite bound") });
    const both = await cli([
      "normalize",
      dense,
      "-o",
      at("never.safetensors"),
      "--network",
      "2",
      "--to",
      "1",
    ]);
    expect(both).toMatchObject({ code: 2, err: expect.stringContaining("give one of them") });
    expect(await readFile(dense)).toEqual(bytes);
    expect(existsSync(at("never.safetensors"))).toBe(false);
  });
});

describe("lipschitz diff", () => {
  it("shows what moved, as a table and as JSON", async () => {
    const other = await save("other.safetensors", { a: diagonal([1, 4]), c: diagonal([1, 1]) });
    const table = await cli(["diff", dense, other]);
    expect(table.code).toBe(0);
    expect(table.out).toMatch(/^a .*\+33\.3 %.* 90\.0°$/m);
    expect(table.out).toContain("Only in a: b\nOnly in b: c\n");
    const { code, out } = await cli(["diff", dense, other, "--json"]);
    expect(code).toBe(0);
    const report = JSON.parse(out);
    expect(report).toMatchObject({
      schema: "lipschitz.diff/1",
      a: dense,
      b: other,
      onlyA: ["b"],
      onlyB: ["c"],
    });
    const [layer] = report.layers;
    expect(layer).toMatchObject({ name: "a", sigma: [{ guarantee: "probable" }, { guarantee: "probable" }] });
    expect(layer.frobenius[1]).toBeCloseTo(Math.sqrt(17), 6);
    expect(layer.angle).toBeCloseTo(Math.PI / 2, 3);
  });

  it("of a model with itself shows no change", async () => {
    const { out } = await cli(["diff", small, small, "--json", "--seed", "1"]);
    for (const layer of JSON.parse(out).layers) {
      expect(layer.sigma[0]).toEqual(layer.sigma[1]);
      if (layer.angle !== null) expect(layer.angle).toBeLessThan(1e-3);
    }
  });

  it("exits with 3 when a file cannot be read", async () => {
    const foreign = await save("foreign.safetensors", { x: diagonal([1, 2]), y: diagonal([1, 2]) });
    const apart = await cli(["diff", dense, foreign]);
    expect(apart).toMatchObject({ code: 0, err: "" });
    expect(apart.out).toContain("\nno layer has the same name in both\n\nOnly in a: a, b\nOnly in b: x, y\n");
    const zeros = await save("zeros.safetensors", { a: diagonal([0, 0]), b: diagonal([0, 0]) });
    expect((await cli(["diff", dense, zeros])).out).toContain(
      "2 layers (a, b), each: b has no top singular vector to compare: it is zero\n",
    );
    expect(await cli(["diff", dense, at("missing.onnx")])).toMatchObject({ code: 3, out: "" });
  });
});
