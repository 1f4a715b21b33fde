import { spawnSync } from "node:child_process";
import { existsSync, openSync, readSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bundleSize, coreSize } from "./bundle.mjs";
import { interleave, median, runCommand } from "./measure.mjs";
import { Peer, PeerError, PYTHON, peerEnvironment, THREADS } from "./peer.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CLI = `${ROOT}dist/cli.js`;
const GIB = 2 ** 30;

/** What we hold ourselves to. `linear`: the most that time per byte may grow from a quarter of the layers to all. */
const TARGET = { faster: 20, peakBytes: GIB, linear: 1.15, smallSeconds: 0.5, coreBundleBytes: 60e3 };

/**
 * @param {{ quick: boolean, log: (line: string) => void }} options
 * @returns {Promise<{ rows: object[], measures: object, peers: object }>}
 */
export async function files({ quick, log }) {
  const peer = await Peer.start();
  try {
    const quarter = model("decoder-quarter", log);
    const part = await decoderRow("decoder, a quarter, bfloat16", quarter, { peer, quick, log });
    const rows = [part];
    if (!quick) {
      const whole = await decoderRow("decoder, 1.1 billion parameters, bfloat16", model("decoder", log), {
        peer,
        quick,
        log,
        timePerByte: part.ours / part.bytes,
      });
      rows.push(whole);
    }
    rows.push(await smallRow(model("small", log), { quick, log }));
    const core = await coreSize(`${ROOT}dist`);
    const main = await bundleSize(`${ROOT}dist/index.js`);
    const measures = {
      coreBundle: { ...core, target: TARGET.coreBundleBytes, met: core.gzip <= TARGET.coreBundleBytes },
      mainBundle: main,
    };
    log(`core bundle: ${core.gzip} bytes gzipped with its worker`);
    log(`main bundle: ${main.gzip} bytes gzipped, of them ${main.lazyGzip} loaded when needed`);
    return { rows, measures, peers: peer.about };
  } finally {
    peer.stop();
  }
}

async function decoderRow(name, path, { peer, quick, log, timePerByte }) {
  const tensors = matrices(path);
  const before = await sampleShapes(peer, path, tensors);
  const runs = [];
  for (let repeat = 0; repeat < (quick ? 1 : 3); repeat++) {
    runs.push(
      await runCommand(process.execPath, [CLI, "audit", path, "--json", "--threads", String(THREADS)]),
    );
    log(
      `${name}: ${runs.at(-1).seconds.toFixed(2)} s, peak ${(runs.at(-1).peakBytes / 2 ** 20).toFixed(0)} MiB`,
    );
  }
  const after = quick ? before : await sampleShapes(peer, path, tensors);
  const ours = median(runs.map((run) => run.seconds));
  const peakBytes = Math.max(...runs.map((run) => run.peakBytes));
  const extrapolated = tensors.reduce(
    (sum, { key }) => sum + median([...before.get(key), ...after.get(key)]),
    0,
  );
  const bytes = statSync(path).size;
  const growth = timePerByte === undefined ? null : ours / bytes / timePerByte;
  const faster = extrapolated / ours;
  const row = {
    name,
    ours,
    peer: extrapolated,
    peerName: "loop of torch.linalg.matrix_norm(W.float(), 2), extrapolated from two of each shape",
    unit: "s",
    ratio: ours / extrapolated,
    target: { faster: TARGET.faster, peakBytes: TARGET.peakBytes, timePerByteGrowth: TARGET.linear },
    met: faster >= TARGET.faster && peakBytes <= TARGET.peakBytes && (growth ?? 1) <= TARGET.linear,
    bytes,
    bytesPerSecond: bytes / ours,
    peakBytes,
    timePerByteGrowth: growth,
    ...summary(runs.at(-1).stdout, tensors),
  };
  log(`${name}: peer ${extrapolated.toFixed(1)} s (extrapolated), ${faster.toFixed(1)} times faster`);
  return row;
}

/** Seconds of the peer for each shape, one Gaussian and one power-law layer where both exist. */
async function sampleShapes(peer, path, tensors) {
  const seconds = new Map();
  for (const { key, offset, rows, cols } of tensors) {
    const sampled = seconds.get(key) ?? [];
    if (sampled.length === 2) continue;
    sampled.push((await peer.ask("stored_norm", { path, offset, rows, cols })).seconds);
    seconds.set(key, sampled);
  }
  return seconds;
}

/** Checks that the report covers every matrix, and how wide its widest interval is. */
function summary(stdout, tensors) {
  const report = JSON.parse(stdout);
  const sigmas = report.layers.map((layer) => layer.sigma);
  if (sigmas.length < tensors.length || sigmas.some((sigma) => sigma === null || sigma.upper === null))
    throw new Error(
      `the audit gave ${sigmas.length} bounds for ${tensors.length} matrices, or left some open`,
    );
  return {
    layers: sigmas.length,
    worstGap: Math.max(...sigmas.map(({ lower, upper }) => (upper - lower) / upper)),
    iterations: sigmas.reduce((sum, sigma) => sum + (sigma.iterations ?? 0), 0),
  };
}

async function smallRow(path, { quick, log }) {
  const script = fileURLToPath(new URL("peers/small_audit.py", import.meta.url));
  const run = await interleave(
    quick ? 3 : 9,
    () => runCommand(process.execPath, [CLI, "audit", path]),
    () => runCommand(PYTHON, [script, path], peerEnvironment),
  );
  log(`1 MB file from the shell: ours ${run.ours.toFixed(3)} s, python ${run.peer.toFixed(3)} s`);
  return {
    name: "1 MB of float32 weights, from the shell",
    ours: run.ours,
    peer: run.peer,
    peerName: "python script: numpy + torch.linalg.matrix_norm",
    unit: "s",
    ratio: run.ours / run.peer,
    target: { seconds: TARGET.smallSeconds },
    met: run.ours < TARGET.smallSeconds,
    bytes: statSync(path).size,
    peakBytes: run.last.peakBytes,
  };
}

/** The cached file of that model, made on first use. */
function model(name, log) {
  const path = `${ROOT}.bench/${name}.safetensors`;
  if (existsSync(path)) return path;
  log(`writing ${path}`);
  const script = fileURLToPath(new URL("make_models.py", import.meta.url));
  const made = spawnSync(PYTHON, [script, name, path], { env: peerEnvironment, encoding: "utf8" });
  if (made.status !== 0) throw new PeerError(made.stderr.trim() || `make_models.py: exit ${made.status}`);
  return path;
}

/** The two-dimensional tensors of a safetensors file and where their bytes lie. */
function matrices(path) {
  const file = openSync(path, "r");
  const length = Buffer.alloc(8);
  readSync(file, length, 0, 8, 0);
  const size = Number(length.readBigUInt64LE());
  const header = Buffer.alloc(size);
  readSync(file, header, 0, size, 8);
  return Object.values(JSON.parse(header.toString()))
    .filter(({ shape }) => shape.length === 2)
    .map(({ shape: [rows, cols], data_offsets: [begin] }) => ({
      key: `${rows}x${cols}`,
      offset: 8 + size + begin,
      rows,
      cols,
    }));
}
