import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { forward, importOnnx, openModel, outputsOf } from "../dist/index.js";
import { PeerError, PYTHON, peerEnvironment } from "./peer.mjs";

/**
 * Writes a network's weights and layer list for the peers, which cannot read ONNX; peers/networks_audit.py describes
 * the folder.
 * @param {string} path ONNX file
 * @param {object} report its `lipschitz audit --json`, for the geometry of convolutions
 * @param {string} folder made when absent
 */
export async function exportNetwork(path, report, folder) {
  mkdirSync(folder, { recursive: true });
  const model = await openModel(path);
  try {
    const { graph } = model.onnx;
    const geometries = new Map(report.layers.map((layer) => [layer.name, layer.geometry]));
    const steps = [];
    let chain = true;
    let before = graph.inputs[0].name;
    for (const node of graph.nodes) {
      const step = stepOf(node, graph.initializers, geometries.get(node.name));
      if (step !== null) steps.push(step);
      chain = chain && step !== null && node.inputs[0] === before;
      before = node.outputs[0];
    }
    const names = new Set(steps.flatMap(({ weight, bias, by }) => [weight, bias, by]).filter(Boolean));
    for (const name of names) await writeTensor(`${folder}/${name}.npy`, graph.initializers.get(name));
    writeFileSync(`${folder}/network.json`, JSON.stringify({ input: graph.inputs[0].shape, chain, steps }));
    return { chain };
  } finally {
    await model.close();
  }
}

/** A node as the peers know it, arrays by their names in the model; null where they do not. */
function stepOf({ opType, inputs, attributes }, initializers, geometry) {
  const attribute = (name) => attributes.get(name)?.value;
  const [, second, bias = null] = inputs;
  switch (opType) {
    case "Relu":
      return { op: "relu" };
    case "Flatten":
      return { op: "flatten" };
    case "Gemm":
      return { op: "dense", weight: second, transposed: attribute("transB") !== 1, bias };
    case "MatMul":
      return { op: "dense", weight: second, transposed: true, bias: null };
    case "Add":
    case "Sub":
      return initializers.has(second) ? { op: "shift", by: second, sign: opType === "Add" ? 1 : -1 } : null;
    case "MaxPool":
      return { op: "maxpool", kernel: attribute("kernel_shape"), strides: attribute("strides") };
    case "Conv": {
      const { inputShape, strides, padding, dilations, groups } = geometry;
      return { op: "conv", weight: second, bias, inputShape, strides, padding, dilations, groups };
    }
    default:
      return null;
  }
}

async function writeTensor(path, tensor) {
  if (tensor?.dtype !== "float32") throw new Error(`${path}: the peers take float32, got ${tensor?.dtype}`);
  writeNpy(path, "<f4", tensor.shape, await tensor.read(0, tensor.byteLength));
}

/** NumPy's format, version 1. */
function writeNpy(path, descr, shape, bytes) {
  const dims = shape.map((size) => `${size},`).join(" ");
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${dims}), }`;
  const header = `${text.padEnd(117)}\n`; // 10 bytes come before: 128 in all
  writeFileSync(
    path,
    Buffer.concat([Buffer.from("\x93NUMPY\x01\x00\x76\x00", "latin1"), Buffer.from(header), bytes]),
  );
}

/**
 * Writes `count` digits drawn like MNIST's (strokes on an empty field, values in [0, 1]), always the same ones, with
 * the network's own predictions as their labels.
 * @param {string} path .npz with x and y
 * @param {{ count: number, network: string, folder: string }} options the network's ONNX file and a folder for what
 * numpy packs
 */
export async function writePoints(path, { count, network, folder }) {
  const predict = await predictor(network);
  const random = randomFrom(1);
  const x = new Float32Array(count * SIDE * SIDE);
  const y = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const image = drawing(random);
    x.set(image, i * image.length);
    y[i] = predict(image);
  }
  writeNpy(`${folder}/x.npy`, "<f4", [count, SIDE, SIDE], new Uint8Array(x.buffer));
  writeNpy(`${folder}/y.npy`, "|u1", [count], y);
  const pack =
    "import sys, numpy as np; np.savez(sys.argv[1], x=np.load(sys.argv[2]), y=np.load(sys.argv[3]))";
  const packed = spawnSync(PYTHON, ["-c", pack, path, `${folder}/x.npy`, `${folder}/y.npy`], {
    env: peerEnvironment,
    encoding: "utf8",
  });
  if (packed.status !== 0) throw new PeerError(packed.stderr.trim() || `numpy.savez: exit ${packed.status}`);
}

/** The class with the largest output, in float64. */
async function predictor(path) {
  const model = await openModel(path);
  try {
    const network = await importOnnx(model);
    return (image) => {
      const [scores] = outputsOf(network, forward(network, [image]));
      return scores.indexOf(Math.max(...scores));
    };
  } finally {
    await model.close();
  }
}

const SIDE = 28;

/** The digits as strokes: corners (across, down) in a box of side 1, in the order a pen takes them. */
const DIGITS = [
  "50,0 20,15 10,50 20,85 50,100 80,85 90,50 80,15 50,0",
  "35,15 55,0 50,100",
  "10,25 30,0 70,0 90,25 80,50 10,100 95,100",
  "10,5 80,5 45,42 85,70 60,100 10,92",
  "65,100 65,0 5,65 95,65",
  "85,0 20,0 15,45 70,42 90,70 65,100 10,95",
  "70,0 30,35 15,75 45,100 80,80 65,55 20,65",
  "10,0 90,0 40,100",
  "50,48 20,25 50,0 80,25 50,48 15,78 50,100 85,78 50,48",
  "80,20 45,0 20,25 45,48 80,20 75,60 60,100",
].map((corners) => corners.split(" ").map((corner) => corner.split(",").map((percent) => percent / 100)));

/** A digit in the middle 20 rows, slanted and bent at random, its stroke two to three pixels wide with soft edges. */
function drawing(random) {
  const digit = DIGITS[Math.floor(DIGITS.length * random())];
  const between = (low, high) => low + (high - low) * random();
  const [width, height, slant] = [between(10, 15), between(17, 20), between(-1, 5)];
  const corners = digit.map(([across, down]) => [
    13.5 + height * (down - 0.5 + between(-0.03, 0.03)),
    13.5 + width * (across - 0.5 + between(-0.03, 0.03)) - slant * (down - 0.5),
  ]);
  const halfWidth = between(1, 1.5);
  return Float64Array.from({ length: SIDE * SIDE }, (_, i) => {
    const pixel = [Math.floor(i / SIDE), i % SIDE];
    const away = corners.slice(1).map((corner, k) => distance(pixel, corners[k], corner));
    return Math.fround(Math.max(0, Math.min(1, halfWidth + 0.5 - Math.min(...away))));
  });
}

/** From a point to the segment between two others. */
function distance([y, x], [y0, x0], [y1, x1]) {
  const [dy, dx] = [y1 - y0, x1 - x0];
  const along = ((y - y0) * dy + (x - x0) * dx) / (dy * dy + dx * dx || 1);
  const t = Math.max(0, Math.min(1, along));
  return Math.hypot(y - y0 - t * dy, x - x0 - t * dx);
}

/** Numbers in [0, 1) from a seed (mulberry32). */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
