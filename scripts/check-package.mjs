// npm run package
//
// Builds and packs the package, and checks the tarball as its users meet it: what is in it, how it resolves, how
// large it is, and that it installs and works without a network. Prints a line per check; the first failure ends it.
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundleSize, coreSize } from "../bench/bundle.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const PACKAGE_BYTES = 5e6;
/** Gzipped, for web pages; kernels and worker included. */
const CORE_BYTES = 60e3;
/** All that may be in the package. */
const MEANT =
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|dist\/(THIRD-PARTY-LICENSES\.txt|digits\.gz|[\w-]+(\.d\.ts|\.js)))$/;

class CheckError extends Error {}

const folder = mkdtempSync(join(tmpdir(), "lipschitz-package-"));
try {
  call(process.execPath, [join(root, "scripts/build.mjs")]);
  const tarball = checkContents();
  checkResolution(tarball);
  const installed = install(tarball);
  await checkBrowser(join(installed, "node_modules/lipschitz/dist"));
  checkCommand(installed);
  checkImports(installed);
  checkTraining(installed);
  console.log("package ok");
} catch (error) {
  if (!(error instanceof CheckError)) throw error;
  console.error(`package: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** @returns {string} the tarball's path. */
function checkContents() {
  const [packed] = JSON.parse(call("npm", ["pack", "--json", "--pack-destination", folder]));
  const paths = packed.files.map((file) => file.path);
  const stray = paths.filter((path) => !MEANT.test(path));
  check(stray.length === 0, `not meant to be published: ${stray.join(", ")}`);
  for (const path of ["README.md", "LICENSE", "CHANGELOG.md", "dist/THIRD-PARTY-LICENSES.txt"]) {
    check(paths.includes(path), `${path} is missing`);
  }
  check(
    packed.unpackedSize <= PACKAGE_BYTES,
    `${packed.unpackedSize} bytes unpacked, above ${PACKAGE_BYTES}`,
  );
  console.log(`contents: ${paths.length} files, ${kilobytes(packed.unpackedSize)} unpacked`);
  return join(folder, packed.filename);
}

function checkResolution(tarball) {
  const tool = (path) => join(root, "node_modules", path);
  call(process.execPath, [tool("publint/src/cli.js"), "run", tarball, "--strict"]);
  console.log("publint: ok");
  const attw = tool("@arethetypeswrong/cli/dist/index.js");
  call(process.execPath, [attw, tarball, "--profile", "esm-only", "--format", "ascii", "--no-emoji"]);
  console.log("attw: ok for ES modules");
}

/** A project that has the package and nothing else, without a network. */
function install(tarball) {
  const project = join(folder, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  call("npm", ["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", tarball], project);
  console.log("install: ok without a network");
  return project;
}

async function checkBrowser(dist) {
  const core = await coreSize(dist);
  const main = await bundleSize(join(dist, "index.js"));
  for (const [name, { outside }] of Object.entries({ core: core.core, worker: core.worker, index: main })) {
    check(outside.length === 0, `${name}.js needs what no web page has: ${outside.join(", ")}`);
  }
  check(core.gzip <= CORE_BYTES, `the core is ${core.gzip} bytes gzipped, above ${CORE_BYTES}`);
  console.log(
    `browser: core ${kilobytes(core.gzip)} gzipped with kernels and worker (of it the worker ` +
      `${kilobytes(core.worker.gzip)}); everything ${kilobytes(main.gzip)}, of it ${kilobytes(main.lazyGzip)} on demand`,
  );
}

function checkCommand(project) {
  const bin = join(project, "node_modules/.bin/lipschitz");
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const printed = call(bin, ["--version"], project).trim();
  check(printed === version, `lipschitz --version prints ${printed}, expected ${version}`);
  const page = join(project, "report.html");
  writeFileSync(join(project, "small.npy"), smallMatrix());
  const report = JSON.parse(call(bin, ["audit", "small.npy", "--json", "--quiet", "--html", page], project));
  const { lower, upper } = report.layers[0].sigma;
  check(lower <= 4 && upper >= 4 && upper < 4.1, `diag(4, 3) is audited as ${lower} to ${upper}`);
  check(existsSync(page) && statSync(page).size > 10_000, "--html writes no report");
  console.log("lipschitz: version, audit and report ok");
}

/** diag(4, 3) in NumPy's format. */
function smallMatrix() {
  const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }".padEnd(117);
  const start = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, 118, 0]);
  return Buffer.concat([start, Buffer.from(`${header}\n`), Buffer.from(Float32Array.of(4, 0, 0, 3).buffer)]);
}

function checkImports(project) {
  for (const name of ["lipschitz", "lipschitz/core"]) {
    const script = `
      import { dense, spectralNorm, spectralNormAsync } from "${name}";
      const matrix = dense(Float64Array.of(4, 0, 0, 3), 2, 2);
      const shared = await spectralNormAsync(matrix, { threads: 2 });
      for (const { lower, upper } of [spectralNorm(matrix), shared]) {
        if (!(lower <= 4 && upper >= 4 && upper < 4.1)) throw new Error(lower + " to " + upper);
      }`;
    call(process.execPath, ["--input-type=module", "--eval", script], project);
  }
  console.log("imports: lipschitz and lipschitz/core ok");
}

/** What needs optional packages says which, and works once they are there. */
function checkTraining(project) {
  const bin = join(project, "node_modules/.bin/lipschitz");
  const { status, stderr } = spawnSync(bin, ["tour"], { cwd: project, encoding: "utf8" });
  check(
    status === 4 && stderr.includes("npm install @jax-js/jax"),
    `tour without jax-js: ${status} ${stderr}`,
  );
  symlinkSync(join(root, "node_modules/@jax-js"), join(project, "node_modules/@jax-js"));
  const script = `
    import { compile } from "lipschitz/compile";
    import { adam, createTrainer, linear, loadDigits, meanSquaredError, spectralNorm } from "lipschitz/train";
    const trainer = createTrainer({
      net: linear(1, { control: spectralNorm() }), inputShape: [2], optimizer: adam({ learningRate: 0.1 }), device: "jax",
      loss: ({ outputs, batch }) => meanSquaredError(outputs, batch.y),
    });
    const batch = { x: { data: Float32Array.of(1, 2), shape: [1, 2] }, y: { data: Float32Array.of(1), shape: [1, 1] } };
    const first = await trainer.step(batch);
    const second = await trainer.step(batch);
    if (!(second.loss < first.loss)) throw new Error(first.loss + " then " + second.loss);
    if ((await loadDigits()).test.count !== 2000) throw new Error("digits");
    compile(() => {}).dispose();`;
  call(process.execPath, ["--input-type=module", "--eval", script], project);
  console.log("training: says what it needs; lipschitz/train and lipschitz/compile ok");
}

function check(holds, message) {
  if (!holds) throw new CheckError(message);
}

/** @returns {string} what the command printed. */
function call(command, args, cwd = root) {
  try {
    return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    throw new CheckError(
      `${command} ${args.join(" ")}\n${error.stdout ?? ""}${error.stderr ?? error.message}`,
    );
  }
}

function kilobytes(bytes) {
  return `${(bytes / 1000).toFixed(1)} kB`;
}
