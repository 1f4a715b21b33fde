import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { conv2d, dense, spectralNormAsync } from "../dist/index.js";
import { copyBandwidth } from "./bandwidth.mjs";
import { interleave, timed } from "./measure.mjs";
import { Peer, THREADS } from "./peer.mjs";

/** Float32 matrices against torch.linalg.matrix_norm(A, 2). `faster`: the speed-up we hold ourselves to. */
const MATRICES = [
  {
    name: "gaussian 2048x2048",
    make: "gaussian",
    shape: [2048, 2048],
    guarantee: "probable",
    gap: 0.01,
    faster: 8,
  },
  {
    name: "gaussian 4096x4096",
    make: "gaussian",
    shape: [4096, 4096],
    guarantee: "probable",
    gap: 0.01,
    faster: 15,
    long: true,
  },
  {
    name: "decaying 2048x2048",
    make: "decaying",
    shape: [2048, 2048],
    guarantee: "probable",
    gap: 0.01,
    faster: 40,
  },
  {
    name: "gaussian 1024x2816",
    make: "gaussian",
    shape: [1024, 2816],
    guarantee: "proof",
    gap: 1e-6,
    faster: 1,
  },
];

/** 3×3 kernels, zero padding 1, stride 1, against FFT + SVD. */
const CONVOLUTIONS = [
  { channels: 64, size: 32 },
  { channels: 512, size: 14, long: true },
].flatMap((shape) => ["probable", "proof"].map((guarantee) => ({ ...shape, guarantee, faster: 5 })));

/** The default gap; the upper end meets the grid's maximum to six digits whatever gap is asked. */
const CONVOLUTION_GAP = { probable: 1e-2, proof: 1e-2 };

/** The peer's value is the grid's maximum, which no certified bound on that grid undercuts: equal to five digits. */
const EQUAL = 1e-5;

/** Slack for the peer's float32 singular values when its value is checked against our bounds. */
const FLOAT32_ERROR = 1e-5;

/**
 * @param {{ quick: boolean, log: (line: string) => void }} options
 * @returns {Promise<{ rows: object[], measures: object, peers: object }>}
 */
export async function norms({ quick, log }) {
  const peer = await Peer.start();
  const folder = mkdtempSync(join(tmpdir(), "lipschitz-bench-"));
  try {
    const copy = { one: await copyBandwidth(1), two: await copyBandwidth(THREADS) };
    log(`memory copy: ${copy.one.toFixed(1)} GB/s on one thread, ${copy.two.toFixed(1)} on two`);
    const context = { peer, path: join(folder, "data.f32"), quick, copy };
    await warmUp();
    const rows = [];
    const add = (row) => {
      rows.push(row);
      log(`${row.name}: ours ${row.ours.toPrecision(3)} s, ${row.peerName} ${row.peer.toPrecision(3)} s`);
    };
    for (const spec of MATRICES) if (!(quick && spec.long)) add(await matrixRow(spec, context));
    for (const spec of CONVOLUTIONS) if (!(quick && spec.long)) add(await convolutionRow(spec, context));
    return { rows, measures: { copyGBs: copy }, peers: peer.about };
  } finally {
    peer.stop();
    rmSync(folder, { recursive: true });
  }
}

async function matrixRow(spec, { peer, path, quick, copy }) {
  const { name, make, shape, guarantee, gap, faster } = spec;
  const fields = make === "gaussian" ? { shape } : { n: shape[0] };
  await peer.ask(make, { key: name, path, seed: 1, ...fields });
  const weights = readFloats(path);
  const operator = dense(weights, shape[0], shape[1]);
  const run = await interleave(
    repeats(quick, spec),
    () => ours(operator, guarantee, gap),
    () => peer.ask("matrix_norm", { key: name }),
  );
  const arpack = await peer.ask("leading", { key: name });
  await peer.ask("release", { key: name });
  const bound = run.last.result;
  const agrees =
    bound.lower <= run.lastPeer.value * (1 + FLOAT32_ERROR) &&
    run.lastPeer.value * (1 - FLOAT32_ERROR) <= bound.upper;
  // Every Lanczos step reads the matrix once; start-up, scan and orthogonalisation are inside the time.
  const passGBs = ((bound.iterations ?? 0) * weights.byteLength) / run.ours / 1e9;
  return {
    ...compared(
      `${name} ${guarantee}`,
      run,
      "torch.linalg.matrix_norm(A, 2)",
      faster,
      agrees && ourGap(bound) <= gap,
    ),
    ...answers(bound, run.lastPeer.value),
    askedGap: gap,
    agrees,
    svdsSeconds: arpack.seconds,
    passGBs,
    shareOfCopy: passGBs / copy.two,
  };
}

async function convolutionRow(spec, { peer, path, quick }) {
  const { channels, size, guarantee, faster } = spec;
  const name = `conv ${channels}x${channels}x3x3 at ${size}x${size} ${guarantee}`;
  const shape = [channels, channels, 3, 3];
  await peer.ask("gaussian", { key: name, path, seed: 2, shape });
  const operator = conv2d(
    { data: readFloats(path), shape },
    {
      inputShape: [channels, size, size],
      strides: [1, 1],
      padding: [
        [1, 1],
        [1, 1],
      ],
    },
  );
  const grid = [size + 2, size + 2];
  const run = await interleave(
    repeats(quick, spec),
    () => ours(operator, guarantee, CONVOLUTION_GAP[guarantee]),
    () => peer.ask("conv_norm", { key: name, grid, precision: "complex128" }),
  );
  const single = await peer.ask("conv_norm", { key: name, grid, precision: "complex64" });
  await peer.ask("release", { key: name });
  const bound = run.last.result;
  const tight = bound.upper <= run.lastPeer.value * (1 + EQUAL);
  return {
    ...compared(name, run, "numpy rfft2 + svd, N = n + k - 1, half spectrum", faster, tight),
    ...answers(bound, run.lastPeer.value),
    equalOrTighter: tight,
    peerSinglePrecisionSeconds: single.seconds,
  };
}

/** Starts our threads, as the peer has started its own. */
async function warmUp() {
  const side = 2048;
  await ours(dense(new Float32Array(side * side).fill(1), side, side), "probable", 0.01);
}

async function ours(operator, guarantee, gap) {
  return timed(() => spectralNormAsync(operator, { guarantee, gap, threads: THREADS }));
}

function compared(name, run, peerName, faster, holds) {
  const ratio = run.ours / run.peer;
  const target = { faster };
  return {
    name,
    ours: run.ours,
    peer: run.peer,
    peerName,
    unit: "s",
    ratio,
    target,
    met: holds && 1 / ratio >= faster,
  };
}

function answers(bound, peerValue) {
  const { lower, upper, method, iterations } = bound;
  return { lower, upper, peerValue, gap: ourGap(bound), method, iterations: iterations ?? null };
}

/** Relative gap, as `spectralNormAsync` is asked for it. */
function ourGap({ lower, upper }) {
  return (upper - lower) / upper;
}

function repeats(quick, { long }) {
  if (quick) return 1;
  return long ? 3 : 7;
}

/** Float32Array of a raw little-endian file; its own memory, as a user's array would be. */
function readFloats(path) {
  const bytes = readFileSync(path);
  const floats = new Float32Array(bytes.byteLength / 4);
  new Uint8Array(floats.buffer).set(bytes);
  return floats;
}
