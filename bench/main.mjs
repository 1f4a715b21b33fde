#!/usr/bin/env node
/**
 * npm run bench -- norms|files|networks|train [--json] [--quick]
 *
 * Side-by-side times of this package and its peers, in one run on one machine. Progress goes to stderr; stdout gets
 * the table, or with --json one document. Exit codes: 0 measured, 2 wrong usage, 4 the peers are missing.
 */
import { cpus, totalmem } from "node:os";
import { PeerError, requirePeers, THREADS } from "./peer.mjs";

/** Loaded after the checks below, because they need the built package. */
const SUITES = {
  norms: async () => (await import("./norms.mjs")).norms,
  files: async () => (await import("./files.mjs")).files,
  networks: async () => (await import("./networks.mjs")).networks,
  train: async () => (await import("./train.mjs")).train,
};
const USAGE = "usage: npm run bench -- norms|files|networks|train [--json] [--quick]";

const words = process.argv.slice(2);
const flags = words.filter((word) => word.startsWith("--"));
const names = words.filter((word) => !word.startsWith("--"));
const wrong = flags.find((flag) => flag !== "--json" && flag !== "--quick");
const load = Object.hasOwn(SUITES, names[0] ?? "") ? SUITES[names[0]] : undefined;

if (wrong !== undefined || names.length !== 1 || load === undefined) {
  process.stderr.write(`${wrong === undefined ? "" : `unknown option ${wrong}\n`}${USAGE}\n`);
  process.exitCode = 2;
} else {
  try {
    requirePeers();
    await report(names[0], await load());
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    process.stderr.write(`bench: ${error.message}\n`);
    process.exitCode = 4;
  }
}

async function report(suite, measure) {
  const quick = flags.includes("--quick");
  const { rows, measures, peers } = await measure({
    quick,
    log: (line) => process.stderr.write(`${line}\n`),
  });
  const machine = {
    cpu: cpus()[0]?.model.trim(),
    cores: cpus().length,
    memoryBytes: totalmem(),
    node: process.version,
  };
  const document = {
    schema: "lipschitz.bench/1",
    suite,
    quick,
    threads: THREADS,
    machine,
    peers,
    rows,
    measures,
  };
  process.stdout.write(flags.includes("--json") ? `${JSON.stringify(document, null, 2)}\n` : table(rows));
}

function table(rows) {
  const tightness = rows.some((row) => row.tighter !== undefined);
  const cells = rows.map((row) => [
    row.name,
    `${row.ours.toPrecision(3)} ${row.unit}`,
    `${row.peer.toPrecision(3)} ${row.unit}`,
    `${(1 / row.ratio).toPrecision(3)}x`,
    ...(tightness ? [times(row.tighter)] : []),
    Object.entries(row.target ?? {})
      .map(([key, value]) => `${key} ${value}`)
      .join(", "),
    row.target === undefined ? "" : row.met ? "yes" : "NO",
  ]);
  const head = ["", "ours", "peer", "faster", ...(tightness ? ["tighter"] : []), "target", "met"];
  const all = [head, ...cells];
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)));
  return all
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i]))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

/** Where the peer's value is zero there is no ratio. */
function times(ratio) {
  return ratio == null ? "–" : `${ratio.toPrecision(3)}x`;
}
