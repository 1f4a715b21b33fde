// Compiles src/kernels/assembly into the committed modules src/kernels/*.wasm.ts: text, so that one bundle runs
// everywhere, and hexadecimal, because gzip then sees what the modules share and makes less of it than of base64.
// `--check` rebuilds and compares instead, and exits with 1 on any difference.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const root = fileURLToPath(new URL("..", import.meta.url));

/** One module per element type keeps each below the 4 KiB that every browser compiles synchronously. */
const modules = [
  { name: "float64-rows", entry: "row-block", constants: { STORAGE: 0 } },
  { name: "float32-rows", entry: "row-block", constants: { STORAGE: 1 } },
  { name: "bfloat16-rows", entry: "row-block", constants: { STORAGE: 2 } },
  { name: "float16-rows", entry: "row-block", constants: { STORAGE: 3 } },
  { name: "matrix", entry: "matrix", constants: { COMPLEX: 0 } },
  { name: "symbol", entry: "symbol", constants: { COMPLEX: 1 } },
];

async function compile({ name, entry, constants }) {
  const uses = Object.entries({ ...constants, abort: "" }).flatMap(([key, value]) => [
    "--use",
    `${key}=${value}`,
  ]);
  const options = [
    "--runtime",
    "stub",
    "--importMemory",
    "--noExportMemory",
    "--stackSize",
    "0",
    "--memoryBase",
    "0",
  ];
  const level = ["-O3", "--converge", "--noAssert", "--enable", "simd"];
  const files = new Map();
  const { error, stderr } = await asc.main(
    [
      `src/kernels/assembly/${entry}.ts`,
      "--baseDir",
      root,
      "-o",
      "kernel.wasm",
      ...options,
      ...level,
      ...uses,
    ],
    {
      writeFile: (file, contents) => files.set(file, contents),
    },
  );
  const log = stderr.toString();
  if (error || log.includes("WARNING")) throw new Error(`${name}: ${log}`);
  return files.get("kernel.wasm");
}

function source({ name, entry }, wasm) {
  return `// Generated from assembly/${entry}.ts by scripts/build-kernels.mjs; do not edit.

/** The ${name} module: ${wasm.length} bytes, hexadecimal. */
export const ${camelCase(name)} = "${Buffer.from(wasm).toString("hex")}";
`;
}

function camelCase(name) {
  return name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
}

const check = process.argv.includes("--check");
let different = 0;
for (const module of modules) {
  const path = `${root}src/kernels/${module.name}.wasm.ts`;
  const wasm = await compile(module);
  const text = source(module, wasm);
  if (!check) {
    writeFileSync(path, text);
    console.log(`${module.name}: ${wasm.length} bytes`);
  } else if (readCommitted(path) !== text) {
    console.error(`${path} differs from a fresh build; run: node scripts/build-kernels.mjs`);
    different++;
  }
}
if (check && different === 0) console.log("The committed kernels equal a fresh build.");
process.exitCode = different > 0 ? 1 : 0;

function readCommitted(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
