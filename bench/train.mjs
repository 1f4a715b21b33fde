import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { median } from "./measure.mjs";
import { race, startSides, stopSides } from "./train-sides.mjs";
import { growthOf, secondsToFirstStep } from "./train-start.mjs";

/** One training step each: forward, backward, Adam. `steps` in one repeat, about half a second. */
const CASES = [
  { model: "mlp", batch: 64, steps: 60, controls: ["operator"], costAtMost: 1.1 },
  { model: "mlp", batch: 256, steps: 25, controls: ["operator"], costAtMost: 1.05, long: true },
  { model: "critic", batch: 64, steps: 25, controls: ["operator", "reshaped"], costAtMost: 1.1 },
  { model: "critic", batch: 256, steps: 6, controls: ["operator", "reshaped"], costAtMost: 1.05, long: true },
  { model: "elman", batch: 64, time: 100, steps: 15, controls: ["operator"] },
];
const TITLES = {
  mlp: "MLP 784-512-512-10",
  critic: "conv critic 64-128 4×4/2",
  elman: "Elman RNN 128 units, T = 100",
};

/**
 * JavaScript peers, at batch 64 only: steps in one repeat, how often, and how much faster we are to be. On jax-js a
 * step of the critic takes ten seconds.
 */
const JAVASCRIPT = {
  jax: {
    title: "jax-js jit, wasm",
    mlp: { steps: 10, repeats: 7, faster: 3 },
    elman: { steps: 2, repeats: 5, faster: 3 },
    critic: { steps: 1, repeats: 2, faster: 50, long: true },
  },
  tfjs: {
    title: "TensorFlow.js, wasm",
    mlp: { steps: 3, repeats: 5, faster: 1 },
    elman: { steps: 1, repeats: 5, faster: 1 },
    critic: { steps: 1, repeats: 2, faster: 1 },
  },
};

const REPEATS = { full: 9, quick: 2 };
const START = { model: "elman", batch: 64, time: 200, atMost: 5 };
const MEMORY = { model: "mlp", batch: 64, steps: 10_000, growthAtMostMB: 10 };

/** A machine as busy as this runs something else: two threads then wait for each other, torch's most. */
const BUSY = 1.5;

/** Losses of the first steps on all sides, from the same weights: float32 sums in another order. */
const SAME_LOSS = 1e-3;

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/**
 * @param {{ quick: boolean, log: (line: string) => void }} options
 * @returns {Promise<{ rows: object[], measures: object, peers: object }>}
 */
export async function train({ quick, log }) {
  const [load] = loadavg();
  if (load > BUSY)
    log(`the load is ${load.toFixed(1)}: something else is running, and times will say little`);
  const rows = [];
  const add = (row) => {
    rows.push(row);
    const [ours, peer] = [row.ours, row.peer].map((value) => `${value.toPrecision(3)} ${row.unit}`);
    log(`${row.name}: ours ${ours}, ${row.peerName} ${peer} (load ${row.load.toFixed(1)})`);
  };
  const sides = await startSides(process.env.BENCH_TFJS ?? `${ROOT}.bench/tfjs`);
  const notMeasured = [...sides.missing];
  try {
    for (const spec of CASES) {
      if (quick && spec.long) continue;
      const { runs, cannot } = await race(entrants(spec, sides, quick), spec);
      notMeasured.push(...cannot);
      for (const row of rowsOf(spec, runs)) add(row);
    }
  } finally {
    stopSides(sides);
  }
  add(await startRow(quick));
  const memory = await memoryMeasure(quick);
  log(`memory over ${memory.steps} steps: ${memory.growthMB.toFixed(1)} MB more`);
  for (const { name, because } of notMeasured) log(`not measured: ${name}, ${because}`);
  return { rows, measures: { memory, notMeasured }, peers: sides.about };
}

/** Who runs a model: by key, the side, what it is asked for, and how often. */
function entrants({ model, batch, steps, controls }, sides, quick) {
  const repeats = quick ? REPEATS.quick : REPEATS.full;
  const torch = { side: sides.torch, steps, repeats };
  const ours = { side: sides.ours, steps, repeats };
  const found = {
    torch: { ...torch, fields: { spectral: false } },
    ours: { ...ours, fields: { control: "none" } },
    "torch spectral": { ...torch, fields: { spectral: true }, controlled: true },
  };
  for (const control of controls)
    found[`ours ${control}`] = { ...ours, fields: { control }, controlled: true };
  for (const [name, { title, [model]: own }] of Object.entries(JAVASCRIPT)) {
    if (sides[name] === undefined || batch !== 64 || (quick && own.long)) continue;
    found[name] = {
      side: sides[name],
      title,
      steps: own.steps,
      repeats: Math.min(own.repeats, repeats),
      fields: {},
    };
  }
  return found;
}

function rowsOf(spec, runs) {
  const { model, batch, controls, costAtMost } = spec;
  const name = `${TITLES[model]}, batch ${batch}`;
  const rows = [stepRow(name, runs.ours, runs.torch, "torch", 1)];
  for (const control of controls) {
    const controlled = runs[`ours ${control}`];
    const peer = runs["torch spectral"];
    const title = model === "critic" ? `spectral norm (${control})` : "spectral norm";
    rows.push(stepRow(`${name}, ${title}`, controlled, peer, "torch spectral_norm", 1));
    rows.push(costRow(`${name}, cost of ${title}`, [controlled, runs.ours], [peer, runs.torch], costAtMost));
  }
  for (const [key, { title, [model]: own }] of Object.entries(JAVASCRIPT)) {
    if (runs[key] !== undefined)
      rows.push(stepRow(`${name}, ${title}`, runs.ours, runs[key], title, own.faster));
  }
  return rows;
}

/** Milliseconds of one step. */
function stepRow(name, ours, peer, peerName, faster) {
  const [left, right] = [ours, peer].map(({ seconds }) => median(seconds) * 1e3);
  const agrees = sameLosses(ours, peer);
  return {
    name,
    ours: left,
    peer: right,
    peerName,
    unit: "ms",
    ratio: left / right,
    target: { faster },
    met: right / left >= faster && agrees,
    agrees,
    fastest: { ours: Math.min(...ours.seconds) * 1e3, peer: Math.min(...peer.seconds) * 1e3 },
    load: loadavg()[0],
  };
}

/**
 * How many times as long a step takes with every weight controlled: the median over rounds, so that drift cancels. Without
 * `atMost` it is shown and has no target.
 */
function costRow(name, ours, peer, atMost) {
  const [left, right] = [ours, peer].map(([controlled, free]) =>
    median(controlled.seconds.map((seconds, round) => seconds / free.seconds[round])),
  );
  return {
    name,
    ours: left,
    peer: right,
    peerName: "torch spectral_norm",
    unit: "×",
    ratio: left / right,
    ...(atMost === undefined ? {} : { target: { atMost }, met: left <= atMost }),
    load: loadavg()[0],
  };
}

/** Controlled networks start their power iterations from random vectors, each side from its own. */
function sameLosses(ours, peer) {
  if (ours.controlled) return [...ours.losses, ...peer.losses].every(Number.isFinite);
  return ours.losses.every((loss, i) => Math.abs(loss - peer.losses[i]) <= SAME_LOSS * Math.abs(loss));
}

async function startRow(quick) {
  const runs = await secondsToFirstStep(START, quick ? 1 : 3);
  const [ours, peer] = [median(runs.ours), median(runs.jax)];
  return {
    name: `Elman RNN 128 units, T = ${START.time}, batch ${START.batch}: traced, compiled, first step done`,
    ours,
    peer,
    peerName: JAVASCRIPT.jax.title,
    unit: "s",
    ratio: ours / peer,
    target: { seconds: START.atMost },
    met: ours <= START.atMost,
    load: loadavg()[0],
  };
}

async function memoryMeasure(quick) {
  const steps = quick ? MEMORY.steps / 10 : MEMORY.steps;
  const residentMB = await growthOf(MEMORY, steps);
  const growthMB = residentMB.at(-1) - residentMB[0];
  return {
    steps,
    growthMB,
    residentMB,
    target: MEMORY.growthAtMostMB,
    met: growthMB <= MEMORY.growthAtMostMB,
  };
}
