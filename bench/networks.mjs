import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { interleave, runCommand } from "./measure.mjs";
import { exportNetwork, writePoints } from "./networks-data.mjs";
import { PYTHON, peerEnvironment, THREADS } from "./peer.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CLI = `${ROOT}dist/cli.js`;
const MODELS = fileURLToPath(new URL("../../shared/models", import.meta.url));
const FOLDER = `${ROOT}.bench/networks`;
const POINTS = `${ROOT}.bench/points.npz`;

const NETWORKS = [
  "ACASXU_run2a_1_1_batch_2000",
  "mnist-net_256x2",
  "Convnet_maxpool",
  "cifar_base_kw",
  "resnet_2b",
];
const CLASSIFIER = "mnist-net_256x2";
const EPSILONS = [0.1, 0.3];

/** Seconds we hold ourselves to, from process start to end; `local` for one ε. */
const TARGET = { audit: 3, global: 5, local: 60 };

const FULL = { repeats: 5, localRepeats: 3, points: 1000 };
const QUICK = { repeats: 1, localRepeats: 1, points: 100 };

/**
 * Two threads gain nothing on matrices as small as these, and where another process wants a core they wait for each
 * other: the local peer was up to 25 times slower with them.
 */
const PEER_THREADS = 1;
const environment = {
  ...peerEnvironment,
  OMP_NUM_THREADS: String(PEER_THREADS),
  OPENBLAS_NUM_THREADS: String(PEER_THREADS),
  MKL_NUM_THREADS: String(PEER_THREADS),
};

/** Our upper bound may be this much above the peer's product, whose norms are values in float32. */
const EQUAL = 1e-6;

/** Slack for the peer's float32 Jacobians when they are held against our upper bound. */
const FLOAT32_ERROR = 1e-5;

/**
 * @param {{ quick: boolean, log: (line: string) => void }} options
 * @returns {Promise<{ rows: object[], measures: object, peers: object }>}
 */
export async function networks({ quick, log }) {
  const rows = [];
  const found = { torch: null, numpy: null, threads: PEER_THREADS };
  const present = NETWORKS.filter((name) => existsSync(modelOf(name)));
  if (present.length === 0) log(`nothing to measure: the reference networks are not in ${MODELS}`);
  else for (const name of NETWORKS) if (!present.includes(name)) log(`skipped: there is no ${modelOf(name)}`);
  const size = quick ? QUICK : FULL;
  const add = (row) => {
    rows.push(row);
    log(`${row.name}: ours ${row.ours.toPrecision(3)} s, peer ${row.peer.toPrecision(3)} s`);
  };
  for (const name of present) {
    const { row, peers } = await auditRow(name, size);
    Object.assign(found, peers);
    add(row);
  }
  if (present.includes(CLASSIFIER)) {
    const folder = `${FOLDER}/${CLASSIFIER}`;
    await writePoints(POINTS, { count: size.points, network: modelOf(CLASSIFIER), folder });
    add(await globalRow(size));
    for (const epsilon of EPSILONS) add(await localRow(epsilon, size));
  }
  return { rows, measures: {}, peers: found };
}

function modelOf(name) {
  return `${MODELS}/${name}.onnx`;
}

async function exported(name) {
  const { stdout } = await ours("audit", name);
  return exportNetwork(modelOf(name), JSON.parse(stdout), `${FOLDER}/${name}`);
}

async function auditRow(name, { repeats }) {
  const { chain } = await exported(name);
  const run = await interleave(
    repeats,
    () => ours("audit", name, "--threads", String(THREADS)),
    () => script("networks_audit.py", `${FOLDER}/${name}`),
  );
  const { network } = JSON.parse(run.last.stdout);
  const { product, seen, torch, numpy } = run.lastPeer.answer;
  const { lower, upper, guarantee, method } = network.lipschitz;
  const tighter = upper <= network.product * (1 + EQUAL);
  const sound = seen === null || seen <= upper * (1 + FLOAT32_ERROR);
  const row = {
    ...timed(`audit ${name}`, run, TARGET.audit, tighter && sound),
    peerName: "torch script: product of layer norms, Jacobians at 10 points",
    tighter: product / upper,
    upper,
    lower,
    product: network.product,
    guarantee,
    method,
    peerProduct: product,
    peerSeen: seen,
    chain,
    atMostProduct: tighter,
    sound,
    bytes: statSync(modelOf(name)).size,
    peakBytes: run.last.peakBytes,
  };
  return { row, peers: { torch, numpy } };
}

async function globalRow({ repeats, points }) {
  const run = await interleave(
    repeats,
    () => certify("global", EPSILONS),
    () => script("networks_certify.py", "global", `${FOLDER}/${CLASSIFIER}`, POINTS),
  );
  const report = certified(run.last.stdout);
  const { product, radii } = run.lastPeer.answer;
  const row = compared(report.radii.values, radii, EPSILONS);
  return {
    ...timed(`certify ${CLASSIFIER}, ${points} points, global`, run, TARGET.global, row.tighter >= 1 - EQUAL),
    peerName: "torch script: margin / (√2 · product of layer norms)",
    ...row,
    points,
    upper: report.lipschitz.upper,
    peerProduct: product,
    peakBytes: run.last.peakBytes,
  };
}

async function localRow(epsilon, { localRepeats, points }) {
  const run = await interleave(
    localRepeats,
    () => certify("local", [epsilon]),
    () => script("networks_certify.py", "local", `${FOLDER}/${CLASSIFIER}`, POINTS, String(epsilon)),
  );
  const report = certified(run.last.stdout);
  const both = compared(report.radii.values, run.lastPeer.answer.radii, [epsilon]);
  const asMany = both.certified[epsilon] >= both.peerCertified[epsilon];
  return {
    ...timed(`certify ${CLASSIFIER}, ${points} points, local, ε = ${epsilon}`, run, TARGET.local, asMany),
    peerName: "torch script: interval bounds, margin / (√2 · product of norms of masked layers)",
    ...both,
    points,
    peakBytes: run.last.peakBytes,
  };
}

/** Radii of the same points on both sides. */
function compared(ourRadii, peerRadii, epsilons) {
  const medianRadius = middle(ourRadii);
  const peerMedianRadius = middle(peerRadii);
  return {
    tighter: peerMedianRadius > 0 ? medianRadius / peerMedianRadius : null,
    medianRadius,
    peerMedianRadius,
    certified: shares(ourRadii, epsilons),
    peerCertified: shares(peerRadii, epsilons),
  };
}

/** By ε: the share of radii that reach it. */
function shares(radii, epsilons) {
  const share = (epsilon) => radii.filter((radius) => radius >= epsilon).length / radii.length;
  return Object.fromEntries(epsilons.map((epsilon) => [epsilon, share(epsilon)]));
}

/** The middle value, of two the smaller, as `certify` has it. */
function middle(radii) {
  return radii.toSorted((a, b) => a - b)[Math.floor((radii.length - 1) / 2)];
}

function timed(name, run, seconds, holds) {
  return {
    name,
    ours: run.ours,
    peer: run.peer,
    unit: "s",
    ratio: run.ours / run.peer,
    target: { seconds },
    met: holds && run.ours <= seconds,
  };
}

function ours(command, name, ...args) {
  return runCommand(process.execPath, [CLI, command, modelOf(name), "--json", ...args]);
}

function certify(bound, epsilons) {
  const args = ["--data", POINTS, "--bound", bound, "--epsilon", epsilons.join(","), "--attack", "none"];
  return ours("certify", CLASSIFIER, ...args);
}

/** The report, which must find every prediction as we labelled it. */
function certified(stdout) {
  const report = JSON.parse(stdout);
  if (report.clean !== 1) throw new Error(`certify found ${report.clean} of the labels right, expected all`);
  return report;
}

/** A Python script from start to end, and the JSON it printed. */
async function script(file, ...args) {
  const path = fileURLToPath(new URL(`peers/${file}`, import.meta.url));
  const run = await runCommand(PYTHON, [path, ...args], environment);
  return { ...run, answer: JSON.parse(run.stdout) };
}
