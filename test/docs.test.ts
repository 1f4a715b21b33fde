import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { copyFile, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../src/cli/run.ts";
import { encodeModel } from "../src/formats/onnx/encode.ts";
import { int, ramp } from "./fixtures/onnx/models.ts";
import { diagonal, safetensorsFile } from "./support/safetensors-file.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist/index.js");
const cli = join(root, "dist/cli.js");
const models = join(root, "../shared/models");
const hasModels = existsSync(models);
if (!hasModels)
  console.log(`docs.test.ts: examples of the command line skipped, no reference models at ${models}`);
const execute = promisify(execFile);

/** Every page a reader may land on; the generated API reference is not ours to check. */
const pages = [
  ...["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "NON-GOALS.md"],
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];
const textOf = (page: string) => readFileSync(join(root, page), "utf8");

interface Snippet {
  readonly page: string;
  readonly line: number;
  readonly code: string;
}

/** Fenced blocks whose info string is "ts run". */
function snippetsOf(page: string): Snippet[] {
  const text = textOf(page);
  return [...text.matchAll(/^```ts run\n(.*?)^```$/gms)].map((match) => ({
    page,
    line: text.slice(0, match.index).split("\n").length,
    code: match[1]!,
  }));
}

const snippets = pages.flatMap(snippetsOf);

/** What a snippet says it prints: the text behind "// →". */
function promised(code: string): string[] {
  return [...code.matchAll(/\/\/ → (.*)$/gm)].map((match) => match[1]!);
}

describe("snippets in the documentation", () => {
  let folder: string;

  beforeAll(async () => {
    if (!existsSync(dist)) throw new Error("dist/index.js is missing; run: npm run bundle");
    folder = await mkdtemp(join(tmpdir(), "lipschitz-docs-"));
    // Snippets also import the peers.
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    await writeFile(join(folder, "model.onnx"), chain());
    const tensors = { "fc1.weight": diagonal([3, 1]), "fc2.weight": diagonal([1, 0.5]) };
    await writeFile(join(folder, "model.safetensors"), safetensorsFile(tensors));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("are found in the README and the library tour", () => {
    const counts = (page: string) => snippets.filter((snippet) => snippet.page === page).length;
    expect(counts("README.md")).toBe(2);
    expect(counts("docs/library.md")).toBeGreaterThan(4);
  });

  it.each(snippets)("$page:$line runs and prints what it says", async ({ page, line, code }) => {
    const { outputText } = ts.transpileModule(code, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    });
    const file = join(folder, `${page.replaceAll("/", "-")}-${line}.mjs`);
    await writeFile(file, withBuiltPackage(outputText));
    const { stdout } = await execute(process.execPath, [file], { cwd: folder });
    const lines = stdout.trimEnd().split("\n");
    const said = promised(code);
    if (said.length > 0) expect(lines.slice(0, said.length)).toEqual(said);
  });
});

/** The same module importing the built package: `lipschitz`, `lipschitz/compile`, … */
function withBuiltPackage(module: string): string {
  return module.replaceAll(/from "lipschitz(?:\/([a-z]+))?"/g, (_, entry = "index") => {
    return `from ${JSON.stringify(join(root, "dist", `${entry}.js`))}`;
  });
}

interface Example {
  readonly page: string;
  readonly command: string;
  readonly shown: string;
}

/** Blocks that begin with a command line, and what it printed. */
function sessionsOf(page: string): Example[] {
  return [...textOf(page).matchAll(/^```\n\$ lipschitz ([^\n]*)\n(.*?)^```$/gms)].map((match) => ({
    page,
    command: match[1]!,
    shown: match[2]!,
  }));
}

/** JSON blocks that follow the command line which printed them. */
function documentsOf(page: string): Example[] {
  return [...textOf(page).matchAll(/`lipschitz ([^`]*--json)`[^`]*```json\n(.*?)^```$/gms)].map((match) => ({
    page,
    command: match[1]!,
    shown: match[2]!,
  }));
}

describe.skipIf(!hasModels)("examples of the command line", () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "lipschitz-docs-"));
    await copyFile(join(models, "cifar_base_kw.onnx"), join(folder, "cifar_base_kw.onnx"));
    const whole = safetensorsFile({ "fc1.weight": { shape: [3, 4], values: [...ramp(12)] } });
    await writeFile(join(folder, "truncated.safetensors"), whole.subarray(0, -20));
    await lipschitz("normalize cifar_base_kw.onnx --to 2 --method cap -o capped.onnx");
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function lipschitz(command: string): Promise<string> {
    const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2]!);
    const seed = words.includes("--seed") ? [] : ["--seed", "1"];
    const options = { cwd: folder, env: { ...process.env, COLUMNS: "100", NO_COLOR: "1" } };
    try {
      const { stdout, stderr } = await execute(process.execPath, [cli, ...words, ...seed], options);
      return words.includes("--json") ? stdout : stdout + stderr;
    } catch (error) {
      // Exit codes other than 0: limits and errors are examples too.
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      return stdout + stderr;
    }
  }

  it.each(pages.flatMap(sessionsOf))("$page: lipschitz $command", async ({ command, shown }) => {
    const lines = shown.trimEnd().split("\n");
    const printed = (await lipschitz(command)).split("\n").slice(0, lines.length);
    expect(printed).toEqual(lines);
  });

  it.each(pages.flatMap(documentsOf))("$page: lipschitz $command", async ({ command, shown }) => {
    const document = JSON.parse(await lipschitz(command));
    expect(withoutNumbers(JSON.parse(shown))).toEqual(withoutNumbers(document));
  });
});

/** A document with every number replaced: digits and thread counts differ between machines. */
function withoutNumbers(document: unknown): unknown {
  return JSON.parse(JSON.stringify(document), (_, value) => (typeof value === "number" ? "number" : value));
}

describe("links in the documentation", () => {
  it.each(pages)("%s", (page) => {
    const links = [...textOf(page).matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)]
      .map((match) => match[1] ?? match[2]!)
      .filter((link) => !/^[a-z]+:/.test(link));
    expect(links.filter((link) => !resolves(page, link))).toEqual([]);
  });
});

describe("docs/cli.md", () => {
  it.each(["audit", "normalize", "certify", "diff", "tour", "study"])(
    "mentions every option of %s",
    async (command) => {
      const options = (await help(command)).match(/(?<=[ ,])--?[a-zA-Z][a-z-]*(?=[ ,\n])/g) ?? [];
      expect(options.length).toBeGreaterThan(5);
      const page = textOf("docs/cli.md");
      expect(
        options.filter((option) => !page.includes(`\`${option}`) && !page.includes(`, ${option}`)),
      ).toEqual([]);
    },
  );

  it("mentions every command", async () => {
    const commands = [...(await help()).matchAll(/^ {2}([a-z]+) .*[[<]/gm)].map((match) => match[1]!);
    expect(commands).toContain("audit");
    const page = textOf("docs/cli.md");
    expect(commands.filter((name) => name !== "help" && !page.includes(`## lipschitz ${name}`))).toEqual([]);
  });
});

/** x (1×4) → fc1 → Relu → fc2 → y (1×2). */
function chain(): Uint8Array {
  const gemm = (name: string, input: string, weight: string, output: string) => ({
    name,
    opType: "Gemm",
    inputs: [input, weight],
    outputs: [output],
    attributes: { transB: int(1) },
  });
  return encodeModel({
    opset: 13,
    graph: {
      inputs: [{ name: "x", shape: ["batch", 4] }],
      outputs: [{ name: "y", shape: ["batch", 2] }],
      initializers: [
        { name: "w1", shape: [3, 4], data: ramp(12) },
        { name: "w2", shape: [2, 3], data: ramp(6) },
      ],
      nodes: [
        gemm("fc1", "x", "w1", "h"),
        { name: "relu", opType: "Relu", inputs: ["h"], outputs: ["r"] },
        gemm("fc2", "r", "w2", "y"),
      ],
    },
  });
}

/** Whether a relative link names a file and, where it has a fragment, a heading of it. */
function resolves(page: string, link: string): boolean {
  const [path, fragment] = link.split("#");
  const file = path === "" ? join(root, page) : resolve(root, dirname(page), path!);
  if (!existsSync(file)) return false;
  return fragment === undefined || headingsOf(relative(root, file)).includes(fragment);
}

/** Headings as GitHub names their anchors. */
function headingsOf(page: string): string[] {
  return [...textOf(page).matchAll(/^#+ (.*)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

async function help(...command: string[]): Promise<string> {
  let out = "";
  const terminal = { interactive: false, width: 200, color: false };
  await run([...command, "--help"], {
    out: (text) => {
      out += text;
    },
    err: () => {},
    stdout: terminal,
    stderr: terminal,
    signal: new AbortController().signal,
    debug: false,
  });
  return out;
}
