import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { median } from "./measure.mjs";

const BYTES = 256e6;
const COPIES = 7;

/** Median seconds of a 256 MB typed-array copy, its pages already touched. */
function copySeconds() {
  const from = new Float64Array(BYTES / 8).fill(1);
  const to = new Float64Array(BYTES / 8).fill(2);
  const times = [];
  for (let copy = 0; copy < COPIES; copy++) {
    const start = process.hrtime.bigint();
    to.set(from);
    times.push(Number(process.hrtime.bigint() - start) / 1e9);
  }
  return median(times);
}

if (!isMainThread) parentPort.postMessage(copySeconds());

/**
 * Memory traffic of a plain copy in GB/s, bytes read plus bytes written.
 * @param {number} threads
 */
export async function copyBandwidth(threads) {
  const seconds = await Promise.all(
    Array.from(
      { length: threads },
      () =>
        new Promise((resolve, reject) => {
          const worker = new Worker(new URL(import.meta.url));
          worker.once("message", resolve);
          worker.once("error", reject);
        }),
    ),
  );
  return seconds.reduce((sum, one) => sum + (2 * BYTES) / one / 1e9, 0);
}
