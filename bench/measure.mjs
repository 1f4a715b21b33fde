import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Idle BLAS and OpenMP threads spin for a while after each call; nobody is timed while the other side's still do. */
const SETTLE_MS = 300;

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Runs both sides in turn, `repeats` times each, and takes medians of their times.
 * @template A, B
 * @param {number} repeats
 * @param {() => Promise<A & { seconds: number }>} ours
 * @param {() => Promise<B & { seconds: number }>} peer
 */
export async function interleave(repeats, ours, peer) {
  const [right, left] = await takeTurns([
    { run: peer, repeats },
    { run: ours, repeats },
  ]);
  return {
    ours: median(left.map((run) => run.seconds)),
    peer: median(right.map((run) => run.seconds)),
    last: left.at(-1),
    lastPeer: right.at(-1),
  };
}

/**
 * Runs several sides round after round, each `repeats` times, so that a change of the machine's speed meets all alike.
 * @template T
 * @param {{ run: () => Promise<T>, repeats: number }[]} sides
 * @returns {Promise<T[][]>} for each side, the results of its runs
 */
export async function takeTurns(sides) {
  const results = sides.map(() => []);
  const rounds = Math.max(...sides.map(({ repeats }) => repeats));
  for (let round = 0; round < rounds; round++) {
    for (const [i, { run, repeats }] of sides.entries()) {
      if (round >= repeats) continue;
      await sleep(SETTLE_MS);
      results[i].push(await run());
    }
  }
  return results;
}

/**
 * @template T
 * @param {() => T | Promise<T>} work
 * @returns {Promise<{ seconds: number, result: T }>}
 */
export async function timed(work) {
  const start = process.hrtime.bigint();
  const result = await work();
  return { seconds: Number(process.hrtime.bigint() - start) / 1e9, result };
}

/**
 * Runs a command to its end; wall time from spawn to exit, and the largest resident set Linux recorded for it.
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
export async function runCommand(command, args, env = process.env) {
  const start = process.hrtime.bigint();
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const stdout = [];
  const stderr = [];
  child.stdout.on("data", (chunk) => stdout.push(chunk));
  child.stderr.on("data", (chunk) => stderr.push(chunk));
  let peakBytes = 0;
  // VmHWM is the kernel's own high-water mark, so that sampling loses only what grew in the last few milliseconds.
  const sampler = setInterval(() => {
    peakBytes = Math.max(peakBytes, highWaterMark(child.pid));
  }, 5);
  const code = await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  clearInterval(sampler);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: exit ${code}\n${Buffer.concat(stderr)}`);
  return { seconds, peakBytes, stdout: Buffer.concat(stdout).toString() };
}

/** @param {number | undefined} pid */
function highWaterMark(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0; // it has just ended, or this is not Linux
  }
}
