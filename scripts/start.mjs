// npm start                                                    the tour: three networks trained on real digits, one page
// npm start -- FILE... [options of `lipschitz audit`]          audits the files and writes an HTML report
//
// Ends with the command's exit code.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const reports = join(root, "reports");

/** Options of `audit` and `tour` that take a value, so that the value is not taken for a file. */
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
  "out",
];

const words = process.argv.slice(2);
const { values, positionals: files } = parseArgs({
  args: words,
  options: Object.fromEntries(VALUED.map((name) => [name, { type: "string" }])),
  strict: false,
  allowPositionals: true,
});
// npm runs scripts in the package's folder; files are meant from where the user stands.
const cwd = process.env.INIT_CWD ?? process.cwd();
const say = values.quiet
  ? () => {}
  : (line) => (values.json ? process.stderr : process.stdout).write(`${line}\n`);

process.exitCode = files.length === 0 ? await tour() : await audit();

async function tour() {
  const asksForHelp = values.help === true || words.includes("-h");
  if (!asksForHelp) say("The tour: three networks trained on real digits, about a minute.\n");
  const folder = values.out === undefined ? ["--out", join(reports, "tour")] : [];
  const code = await lipschitz("tour", ...words, ...folder);
  if (code === 0 && !asksForHelp) say("\nAudit your own: npm start -- FILE");
  return code;
}

async function audit() {
  const report = reportTarget();
  if (report === undefined) return lipschitz("audit", ...words);
  mkdirSync(reports, { recursive: true });
  const page = report.endsWith(".html") ? report : join(report, "index.html");
  const before = writtenAt(page);
  const code = await lipschitz("audit", ...words, "--html", report);
  // An audit that ends early leaves an older report as it was.
  if (writtenAt(page) !== before) say(`\nOpen ${pathToFileURL(page)} in a browser.`);
  return code;
}

/** Where the report goes when nobody says; none for a pattern, which may match one file or many. */
function reportTarget() {
  if (values.html !== undefined) return undefined;
  if (files.some((file) => /[*?[{]/.test(file) && !existsSync(resolve(cwd, file)))) return undefined;
  return files.length > 1 ? reports : join(reports, `${basename(files[0])}.html`);
}

function writtenAt(page) {
  return statSync(page, { throwIfNoEntry: false })?.mtimeMs;
}

/** @returns {Promise<number>} the exit code. */
function lipschitz(...args) {
  // A Ctrl-C reaches the command too, which stops cleanly and says what it wrote.
  process.on("SIGINT", () => {});
  const child = spawn(process.execPath, [join(root, "dist/cli.js"), ...args], { cwd, stdio: "inherit" });
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return new Promise((done, fail) => {
    child.on("error", fail);
    child.on("close", (code) => done(code ?? 130));
  });
}
