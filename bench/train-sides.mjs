import { existsSync } from "node:fs";
import { takeTurns } from "./measure.mjs";
import { Peer, peerEnvironment, THREADS } from "./peer.mjs";

const NODE = [process.execPath];

/** Held against each other before anything is timed. */
const COMPARED_STEPS = 3;

/** Our side alone, for what is measured in a fresh process. */
export const startOurs = () => Peer.start("train-ours.mjs", [...NODE, "--expose-gc"]);
export const startJax = () => Peer.start("peers/train_jax.mjs", NODE);

/**
 * A process for every side, each timing itself.
 * @param {string} tfjs a folder in which TensorFlow.js is installed, if it exists
 */
export async function startSides(tfjs) {
  const torch = await Peer.start("peers/train_torch.py");
  const jax = await startJax();
  const sides = { torch, jax, ours: await startOurs(), missing: [], about: { ...torch.about, ...jax.about } };
  if (existsSync(`${tfjs}/node_modules/@tensorflow/tfjs-backend-wasm`)) {
    sides.tfjs = await Peer.start("peers/train_tfjs.mjs", NODE, { ...peerEnvironment, BENCH_TFJS: tfjs });
    Object.assign(sides.about, sides.tfjs.about);
  } else {
    const because = `it is not in ${tfjs} (npm install --prefix ${tfjs} @tensorflow/tfjs @tensorflow/tfjs-backend-wasm)`;
    sides.missing.push({ name: "TensorFlow.js", because });
  }
  return sides;
}

export function stopSides({ torch, jax, ours, tfjs }) {
  for (const side of [torch, jax, ours, tfjs]) side?.stop();
}

/**
 * Trains one model on several sides, in turn.
 * @param {Record<string, object>} entrants by key: `side`, what it is asked for (`fields`), `steps` in a repeat,
 *   `repeats`, `title`
 * @param {{ model: string, batch: number, time?: number }} spec
 * @returns {Promise<{ runs: Record<string, { seconds: number[], losses: number[] }>, cannot: object[] }>} by key, the
 *   seconds of one step in each repeat and the first losses; and who cannot train the model
 */
export async function race(entrants, { model, batch, time }) {
  const cannot = [];
  const ready = [];
  for (const [key, entrant] of Object.entries(entrants)) {
    const fields = { key, model, batch, time, ...entrant.fields };
    if (key.startsWith("ours")) fields.threads = THREADS;
    const answer = await entrant.side.ask("prepare", fields);
    if (answer.cannot !== undefined) {
      cannot.push({ name: `${entrant.title}: ${model}`, because: answer.cannot });
      continue;
    }
    // Also the warm-up: traces, compiles, starts threads, fills pools.
    const { losses } = await entrant.side.ask("steps", { key, count: COMPARED_STEPS });
    ready.push({ key, ...entrant, losses });
  }
  const results = await takeTurns(
    ready.map(({ key, side, steps, repeats }) => ({
      repeats,
      run: () => side.ask("steps", { key, count: steps }),
    })),
  );
  const runs = {};
  for (const [i, { key, side, losses, controlled }] of ready.entries()) {
    runs[key] = { seconds: results[i].map(({ seconds }) => seconds), losses, controlled };
    await side.ask("release", { key });
  }
  return { runs, cannot };
}
