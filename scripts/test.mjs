// npm test [-- arguments of vitest]
//
// Fetches the browser that some tests need where it may, runs vitest, and ends with "N passed, N failed".
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const CHROMIUM = "/usr/bin/chromium";

/** Time for reading package lists, and for fetching some 100 MB and unpacking it. */
const UPDATE_MS = 120_000;
const INSTALL_MS = 300_000;

installChromium();
const folder = mkdtempSync(join(tmpdir(), "lipschitz-test-"));
try {
  const summary = join(folder, "summary.json");
  const code = await vitest(summary);
  report(code, existsSync(summary) ? JSON.parse(readFileSync(summary, "utf8")) : undefined);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function report(code, summary) {
  if (summary === undefined) {
    console.log(`vitest ended without a result (exit code ${code})`);
    process.exitCode = code || 1;
    console.log("0 passed, 1 failed");
    return;
  }
  const { passed, failed, skipped, reasons } = summary;
  for (const reason of reasons) console.log(`skipped: ${reason}`);
  if (passed + failed === 0) console.log("no test ran");
  process.exitCode = failed > 0 || passed === 0 ? code || 1 : code;
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
}

/** @returns {Promise<number>} the exit code. */
function vitest(summary) {
  const args = [
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    "--reporter=default",
    `--reporter=${join(root, "scripts/test-summary.mjs")}`,
    ...process.argv.slice(2),
  ];
  // vitest colours wherever CI is set; in a file that is noise.
  const plain = process.stdout.isTTY || process.env.FORCE_COLOR ? {} : { NO_COLOR: "1" };
  const env = { ...process.env, ...plain, LIPSCHITZ_TEST_SUMMARY: summary };
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", "inherit", "inherit"] });
  return new Promise((done, fail) => {
    child.on("error", fail);
    child.on("close", (code) => done(code ?? 1));
  });
}

/** Debian's Chromium, for the tests that open reports in it; without it they skip. */
function installChromium() {
  if (existsSync(CHROMIUM)) return;
  const skip = (why) => console.log(`No ${CHROMIUM}, so tests in a browser are skipped: ${why}.`);
  if (!existsSync("/etc/debian_version")) return skip("it is installed here only on Debian");
  if (process.getuid() !== 0) return skip("run `apt-get install chromium` as root to have them");
  console.log("Installing Debian's chromium for the tests in a browser ...");
  const problem =
    aptGet(["update", "-qq"], UPDATE_MS) ??
    aptGet(["install", "-y", "-qq", "--no-install-recommends", "chromium"], INSTALL_MS);
  if (problem !== undefined) skip(problem);
}

/** @returns {string | undefined} what went wrong. */
function aptGet(args, timeout) {
  const { status, error, stderr } = spawnSync("apt-get", args, {
    timeout,
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  if (status === 0) return undefined;
  const why =
    error?.code === "ETIMEDOUT" ? `took over ${timeout / 1000} s` : stderr?.trim().split("\n").at(-1);
  return `apt-get ${args[0]} failed (${why || error?.message || `exit code ${status}`})`;
}
