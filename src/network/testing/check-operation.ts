import { expect } from "vitest";
import { norm } from "../../linalg/basis.ts";
import { enclose } from "../enclose.ts";
import { forward, jvp, outputsOf, vjp } from "../evaluate.ts";
import { importOnnx } from "../import-onnx.ts";
import type { Network } from "../network.ts";
import type { LinearPart, Sensitivity } from "../operators/operation.ts";
import { checkSteepness } from "./check-steepness.ts";
import { constantsOf } from "./constants-of.ts";
import { largestSingularValue } from "./linear.ts";
import { openTestModel, randomNumbers, run, sessionFor, type TestModel } from "./run-onnx.ts";

export interface CheckOptions {
  /** Inputs are drawn from this range; default [−2, 2]. */
  readonly range?: readonly [number, number];
  /** Points tried; default 5. */
  readonly points?: number;
  /** False where onnxruntime does not run the operator (then say why beside the call). */
  readonly runtime?: boolean;
  /** Relative accuracy against the runtime's float32; default 1e-5. */
  readonly accuracy?: number;
  /** Widest box tried for images and local slopes; default 0.5. */
  readonly width?: number;
}

type Vectors = readonly Float64Array[];

function flat(vectors: Vectors): Float64Array {
  return Float64Array.from(vectors.flatMap((v) => [...v]));
}

function inner(a: Vectors, b: Vectors): number {
  return a.reduce((s, v, k) => s + v.reduce((t, x, i) => t + x * b[k][i], 0), 0);
}

function moved(x: Vectors, dx: Vectors, step: number): Vectors {
  return x.map((v, k) => v.map((a, i) => a + step * dx[k][i]));
}

/**
 * Holds everything a rule says of the nodes of a small model against independent answers: values against onnxruntime,
 * derivatives against finite differences and each other, boxes and slopes against sampled points, local steepness
 * against Jacobians, matrices of affine operations against their magnitudes and row norms, the Lipschitz constant
 * against sampled pairs.
 * @returns the network, for tests that look closer.
 */
export async function checkModel(model: TestModel, options: CheckOptions = {}): Promise<Network> {
  const { range = [-2, 2], points = 5, width = 0.5, accuracy = 1e-5 } = options;
  const opened = await openTestModel(model);
  const network = await importOnnx(opened);
  const random = randomNumbers(points + 17);
  const draw = () => range[0] + ((range[1] - range[0]) * (random() + 1)) / 2;
  const sample = () =>
    network.inputs.map(({ size }) => Float64Array.from({ length: size }, draw).map(Math.fround));
  const directions = () => network.inputs.map(({ size }) => Float64Array.from({ length: size }, random));
  const session = options.runtime === false ? null : await sessionFor(model);
  for (let k = 0; k < points; k++) {
    const x = sample();
    if (session !== null) await checkValues(network, session, x, accuracy);
    checkDerivatives(network, x, directions(), random);
    checkSteepness(network, x);
    checkBoxes(network, x, k === 0 ? 0 : width * 10 ** -k, random);
  }
  for (const node of network.nodes) {
    if (node.operation.kind === "affine") for (const part of node.operation.parts) checkPart(part);
  }
  await session?.release();
  const steepness = await constantsOf(opened);
  if (steepness !== null) checkPairs(network, steepness, sample, directions);
  return network;
}

async function checkValues(
  network: Network,
  session: Awaited<ReturnType<typeof sessionFor>>,
  x: Vectors,
  accuracy: number,
): Promise<void> {
  const feeds = Object.fromEntries(
    network.inputs.map(({ name, shape }, i) => [name, { dims: shape, data: x[i] }]),
  );
  const theirs = await run(session, feeds);
  const ours = outputsOf(network, forward(network, x));
  network.outputs.forEach(({ name, shape }, o) => {
    expect(shape, `shape of ${name}`).toEqual(theirs[name].dims);
    const largest = theirs[name].data.reduce((m, v) => Math.max(m, Math.abs(v)), 1);
    theirs[name].data.forEach((value, i) => {
      if (!(Math.abs(value - ours[o][i]) <= accuracy * largest)) {
        expect.fail(`${name}[${i}]: onnxruntime gives ${value}, we give ${ours[o][i]}`);
      }
    });
  });
}

function checkDerivatives(network: Network, x: Vectors, dx: Vectors, random: () => number): void {
  const step = 2 ** -20;
  const tape = forward(network, x);
  const tangent = jvp(network, tape, dx);
  const at = (s: number) => outputsOf(network, forward(network, moved(x, dx, s)));
  const [ahead, behind] = [at(step), at(-step)];
  const scale = Math.max(1, norm(flat(tangent)));
  tangent.forEach((t, o) => {
    t.forEach((slope, i) => {
      const difference = (ahead[o][i] - behind[o][i]) / (2 * step);
      if (!(Math.abs(difference - slope) <= 1e-5 * scale)) {
        expect.fail(`output ${o}[${i}]: jvp gives ${slope}, finite differences ${difference}`);
      }
    });
  });
  const dy = tangent.map((t) => t.map(() => random()));
  const [left, right] = [inner(dy, tangent), inner(vjp(network, tape, dy), dx)];
  const size = Math.max(1, norm(flat(dy)) * norm(flat(tangent)));
  expect(Math.abs(left - right), `⟨dy, J dx⟩ = ${left}, ⟨Jᵀdy, dx⟩ = ${right}`).toBeLessThanOrEqual(
    1e-10 * size,
  );
}

/** Points of random boxes: inside, and at corners. */
function checkBoxes(network: Network, x: Vectors, width: number, random: () => number): void {
  const boxes = x.map((v) => {
    const low = v.map((a) => a - (width * (random() + 1)) / 2);
    return { lo: low, hi: low.map((a) => a + (width * (random() + 1)) / 2) };
  });
  const images = enclose(network, boxes);
  const draw = (corner: boolean) =>
    boxes.map(({ lo, hi }) =>
      lo.map((a, i) =>
        corner ? (random() < 0 ? a : hi[i]) : Math.min(hi[i], a + ((hi[i] - a) * (random() + 1)) / 2),
      ),
    );
  const points = Array.from({ length: 12 }, (_, k) => forward(network, draw(k % 2 === 0)));
  network.nodes.forEach((node, k) => {
    const { lo, hi } = images[k];
    for (const { values } of points) {
      values[k].forEach((value, i) => {
        const slack = 1e-13 * Math.max(1, Math.abs(value));
        if (!(value >= lo[i] - slack && value <= hi[i] + slack)) {
          expect.fail(`${node.op} [${i}]: ${value} lies outside its box [${lo[i]}, ${hi[i]}]`);
        }
      });
    }
    checkLocal(network, k, boxes, images, points);
  });
}

function checkLocal(
  network: Network,
  k: number,
  boxes: Parameters<typeof enclose>[1],
  images: ReturnType<typeof enclose>,
  points: readonly ReturnType<typeof forward>[],
): void {
  const { operation, inputs, op } = network.nodes[k];
  const read = (tape: (typeof points)[number]) =>
    inputs.map((ref) =>
      (ref.node < 0 ? tape.inputs[-1 - ref.node] : tape.values[ref.node]).subarray(
        ref.offset,
        ref.offset + ref.size,
      ),
    );
  const around = inputs.map((ref) => {
    const { lo, hi } = ref.node < 0 ? boxes[-1 - ref.node] : images[ref.node];
    return {
      lo: lo.subarray(ref.offset, ref.offset + ref.size),
      hi: hi.subarray(ref.offset, ref.offset + ref.size),
    };
  });
  const local = operation.kind === "general" ? (operation.local?.(around) ?? null) : null;
  for (let p = 1; p < points.length; p++) {
    const [a, b] = [read(points[p - 1]), read(points[p])];
    const [ya, yb] = [points[p - 1].values[k], points[p].values[k]];
    if (operation.kind === "elementwise") {
      const [{ lo, hi }] = around;
      ya.forEach((y, i) => {
        const [least, most] = operation.unit(i).slopes(lo[i], hi[i]);
        const [rise, run] =
          b[0][i] >= a[0][i] ? [yb[i] - y, b[0][i] - a[0][i]] : [y - yb[i], a[0][i] - b[0][i]];
        const slack = 1e-13 * Math.max(1, Math.abs(y));
        if (!(rise >= least * run - slack && rise <= most * run + slack)) {
          expect.fail(
            `${op} [${i}]: rises ${rise} over ${run}, slopes [${least}, ${most}] on [${lo[i]}, ${hi[i]}]`,
          );
        }
      });
    }
    if (local !== null)
      expectWithin(
        op,
        local,
        a.map((v, s) => distance(v, b[s])),
        distance(ya, yb),
      );
  }
}

function distance(a: Float64Array, b: Float64Array): number {
  return norm(a.map((v, i) => v - b[i]));
}

function expectWithin(
  op: string,
  { constants, join }: Sensitivity,
  moves: readonly number[],
  rise: number,
): void {
  const terms = moves.map((m, i) => (m === 0 ? 0 : constants[i] * m));
  const bound = join === "sum" ? terms.reduce((s, t) => s + t, 0) : Math.hypot(...terms);
  if (!(rise <= bound * (1 + 1e-9) + 1e-12))
    expect.fail(`${op}: moves by ${rise}, its bound allows ${bound}`);
}

/** Matrices up to this many entries are checked against their singular values. */
const SMALL = 2500;

/** The matrix by its action on unit vectors, against its adjoint, its magnitude, its row norms and its norm. */
export function checkPart(part: LinearPart): void {
  const { rows, cols } = part;
  const unit = (n: number, i: number) => Float64Array.from({ length: n }, (_, k) => (k === i ? 1 : 0));
  const columns = Array.from({ length: cols }, (_, j) => part.apply(unit(cols, j)));
  const absolute = part.magnitude ?? part;
  const sums = new Float64Array(rows);
  const same = (a: number, b: number) => Math.abs(a - b) <= 5e-13;
  columns.forEach((column, j) => {
    const magnitude = absolute.apply(unit(cols, j));
    column.forEach((a, i) => {
      if (!same(magnitude[i], Math.abs(a))) expect.fail(`|A| at ${i}, ${j} is ${magnitude[i]}, not |${a}|`);
      sums[i] += a * a;
    });
  });
  for (let i = 0; i < rows; i++) {
    part.adjoint(unit(rows, i)).forEach((a, j) => {
      if (!same(a, columns[j][i])) expect.fail(`Aᵀ at ${j}, ${i} is ${a}, A there is ${columns[j][i]}`);
    });
  }
  part.rowNorms().forEach((bound, i) => {
    if (!(bound >= Math.sqrt(sums[i]) * (1 - 1e-15))) {
      expect.fail(`norm of row ${i} is ${Math.sqrt(sums[i])}, its bound ${bound}`);
    }
  });
  if (part.norm === undefined || rows * cols > SMALL || rows * cols === 0) return;
  const data = Float64Array.from({ length: rows * cols }, (_, k) => columns[k % cols][Math.floor(k / cols)]);
  const largest = largestSingularValue({ rows, cols, data });
  const { lower, upper } = part.norm({ guarantee: "proof" });
  expect(lower, "lower bound of σ₁").toBeLessThanOrEqual(largest * (1 + 1e-12));
  expect(upper, "upper bound of σ₁").toBeGreaterThanOrEqual(largest * (1 - 1e-12));
}

/** Sampled pairs, near and far, against the constants of the inputs (a finite bound of the whole model). */
function checkPairs(
  network: Network,
  { constants, join }: Sensitivity,
  sample: () => Vectors,
  directions: () => Vectors,
): void {
  const out = (x: Vectors) => flat(outputsOf(network, forward(network, x)));
  for (let k = 0; k < 40; k++) {
    const x = sample();
    const other = k % 2 === 0 ? sample() : moved(x, directions(), 10 ** -(k % 5));
    const moves = x.map((v, i) => distance(v, other[i]));
    expectWithin("the model", { constants, join }, moves, distance(out(x), out(other)));
  }
}
