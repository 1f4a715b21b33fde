import { createInterface } from "node:readline";
import { median } from "./measure.mjs";

/**
 * One side of the train suite as a process that answers one request at a time: JSON lines on stdin and stdout, as
 * `peers/train_torch.py` has them. Training runs are held by key; one `steps` request times `count` steps and gives their median.
 * @typedef {{ run: (count: number) => Promise<number[]>, release?: () => void }} Training takes `count` steps and gives
 *   their losses; a side that cannot train the model has only `cannot`, which says why
 * @param {{ hello: () => object, prepare: (fields: object) => Promise<Training | { cannot: string }> }} side
 */
export async function serve({ hello, prepare }) {
  const runs = new Map();
  const operations = {
    hello,
    async prepare({ key, ...fields }) {
      const training = await prepare(fields);
      runs.set(key, training);
      return { cannot: training.cannot };
    },
    async steps({ key, count }) {
      const seconds = [];
      const losses = [];
      for (let step = 0; step < count; step++) {
        const start = process.hrtime.bigint();
        losses.push(...(await runs.get(key).run(1)));
        seconds.push(Number(process.hrtime.bigint() - start) / 1e9);
      }
      // Now and then a machine stops a thread for many steps' time, and the others wait for it: torch's longest.
      return { seconds: median(seconds), losses };
    },
    memory() {
      globalThis.gc?.();
      return { bytes: process.memoryUsage.rss() };
    },
    release({ key }) {
      runs.get(key).release?.();
      runs.delete(key);
      return {};
    },
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const { op, ...fields } = JSON.parse(line);
    let answer;
    try {
      answer = await operations[op](fields);
    } catch (error) {
      answer = { error: `${error.name}: ${error.message}` };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}
