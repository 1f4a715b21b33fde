import { eclipseFunctionals, prepareRun } from "../linalg/eclipse.ts";
import { deriveSeed } from "../linalg/random.ts";
import { mulUp, up } from "../linalg/rounding.ts";
import { LocalBounds, others } from "./bounds/local.ts";
import { sampleSteepness } from "./bounds/lower.ts";
import { Norms } from "./bounds/norms.ts";
import { total } from "./bounds/steepness.ts";
import { globalSlopes, outputTotal, steepnessBefore, UpperBound } from "./bounds/upper.ts";
import type { Certifier } from "./certificate.ts";
import { enclose, pointBox, readBox } from "./enclose.ts";
import { checkInputs } from "./evaluate.ts";
import { logitsOf } from "./logits.ts";
import { type Network, NetworkError } from "./network.ts";
import type { Box, ElementwiseOperation } from "./operators/operation.ts";

/** What certified radii are asked for. */
export interface CertifierOptions {
  /** One bound for all inputs, or one for the ball of each ε round each point, which is far tighter and slower. */
  readonly bound: "global" | "local";
  /** Radii of the balls of local bounds. */
  readonly epsilons: readonly number[];
  readonly guarantee: "probable" | "proof";
  readonly seed: bigint;
  /** Chance that one probable bound is too small, default 1e-9. */
  readonly failureProbability?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The search for steep places draws apart from the norms. */
const LOWER_SEED = 2 ** 31;

/** Norms are certified this closely. */
const GAP = 1e-3;

/**
 * A certifier of a classifier with one input and one output vector. A softmax at the end keeps the order of the
 * classes and is left out.
 * @throws NetworkError when the network has another form, or no finite bound where one is needed.
 */
export async function makeCertifier(network: Network, options: CertifierOptions): Promise<Certifier> {
  const classifier = logitsOf(network);
  const { guarantee, seed, failureProbability = 1e-9 } = options;
  const norms = new Norms({ guarantee, seed, failureProbability, gap: GAP });
  const global = new UpperBound(classifier, norms);
  const upper = outputTotal(global);
  if (upper === null && options.bound === "global") {
    throw new NetworkError("network", "it has no finite Lipschitz bound over all inputs; try --bound local");
  }
  const pairs = upper === null ? null : new GlobalPairs(global);
  const local = options.bound === "local" ? new LocalBounds(global, norms) : null;
  const epsilons = options.epsilons.toSorted((a, b) => a - b);
  const { lower } = sampleSteepness(classifier, {
    seed: deriveSeed(seed, LOWER_SEED),
    signal: options.signal,
  });
  return {
    get lipschitz() {
      return {
        lower,
        upper,
        guarantee: norms.guarantee,
        failureProbability: norms.failureProbability,
        method: global.method,
      };
    },
    certify(x, label) {
      checkInputs(classifier, [x]);
      const boxes = outputsAt(classifier, x);
      const margins = marginsOf(boxes, label);
      const predicted = largest(boxes);
      if (!(smallest(margins, label) > 0)) return { predicted, radius: 0 };
      let radius = pairs === null ? 0 : quotient(margins, pairs.of(label), label);
      if (local !== null)
        for (const epsilon of epsilons) radius = Math.max(radius, inBall(local, x, label, margins, epsilon));
      return { predicted, radius };
    },
  };
}

/** The radius certified by the ball of radius ε: all of it where no class catches up, else by its steepness. */
function inBall(
  local: LocalBounds,
  x: Float64Array,
  label: number,
  margins: Float64Array,
  epsilon: number,
): number {
  const view = local.around([x], epsilon);
  const falls = view.falls(label);
  if (margins.every((margin, j) => j === label || margin > falls[j])) return epsilon;
  return Math.min(epsilon, quotient(margins, view.pairs(label), label));
}

/** Boxes that hold the true outputs at a point. */
function outputsAt(network: Network, x: Float64Array): Box {
  const inputs = [pointBox(x)];
  return readBox(network.outputs[0].ref, inputs, enclose(network, inputs));
}

/** Output `label` minus output j, rounded down; what it may be less by rounding is already gone. */
function marginsOf({ lo, hi }: Box, label: number): Float64Array {
  return hi.map((top, j) => {
    const margin = lo[label] - top;
    return j === label ? 0 : margin - Math.abs(margin) * 2 ** -52;
  });
}

function smallest(margins: Float64Array, label: number): number {
  return margins.reduce((m, margin, j) => (j === label ? m : Math.min(m, margin)), Infinity);
}

/** The class of the largest output, as a run would have it. */
function largest({ lo, hi }: Box): number {
  let best = 0;
  for (let j = 1; j < lo.length; j++) if (lo[j] + hi[j] > lo[best] + hi[best]) best = j;
  return best;
}

/** min over j of margin/steepness, rounded down. */
function quotient(margins: Float64Array, steepness: Float64Array, label: number): number {
  let radius = Infinity;
  for (const j of others(margins.length, label)) {
    const reach = Math.min(margins[j] / steepness[j], Number.MAX_VALUE);
    radius = Math.min(radius, Number.isNaN(reach) ? 0 : reach - reach * 2 ** -52);
  }
  return Math.max(0, radius);
}

/** Lipschitz constants of differences of two outputs over all inputs, found when first needed. */
class GlobalPairs {
  readonly #global: UpperBound;
  readonly #known = new Map<number, Float64Array>();
  readonly #byRun: Float64Array | null;

  constructor(global: UpperBound) {
    this.#global = global;
    this.#byRun = pairsByRun(global);
  }

  /** For each output j, of output `label` minus output j. */
  of(label: number): Float64Array {
    const known = this.#known.get(label);
    if (known !== undefined) return known;
    const [{ ref }] = this.#global.network.outputs;
    const pairs = new Float64Array(ref.size);
    for (const j of others(ref.size, label)) pairs[j] = this.#pair(label, j);
    this.#known.set(label, pairs);
    return pairs;
  }

  #pair(label: number, j: number): number {
    const { network } = this.#global;
    const [{ ref }] = network.outputs;
    // |Δy_label − Δy_j| ≤ √2·‖Δy‖, by the rows of the last layer, or by the run of dense layers as a whole.
    const any = mulUp(up(Math.SQRT2), total(this.#global.output));
    const { sources } = this.#global.region(ref);
    const rows = sources.reduce((sum, source) => {
      const { norm } = this.#global.pairRow(ref, source, label, j);
      return up(sum + mulUp(norm, total(steepnessBefore(this.#global, source))));
    }, 0);
    const byRun = this.#byRun?.[label * ref.size + j] ?? Infinity;
    return Math.min(any, sources.length === 0 ? Infinity : rows, byRun);
  }
}

/** Of every ordered pair, by the run of dense layers that ends in the output; null without one. */
function pairsByRun(global: UpperBound): Float64Array | null {
  const { network } = global;
  const [{ ref }] = network.outputs;
  const run = global.run(ref);
  if (run === null || run.layers.length < 2) return null;
  const start = total(steepnessBefore(global, run.source));
  const slopes = run.bends.map((k) =>
    globalSlopes(network.nodes[k].operation as ElementwiseOperation, network.nodes[k].size),
  );
  const n = ref.size;
  const index: (readonly [number, number])[] = [];
  for (let a = 0; a < n; a++) for (let b = a + 1; b < n; b++) index.push([a, b]);
  if (index.length === 0 || index.length > MAX_PAIRS) return null;
  const functionals = new Float64Array(index.length * n);
  index.forEach(([a, b], i) => {
    functionals[i * n + a] = 1;
    functionals[i * n + b] = -1;
  });
  const found = eclipseFunctionals(prepareRun(run.layers), slopes, functionals, index.length);
  if (found === null) return null;
  const pairs = new Float64Array(n * n);
  index.forEach(([a, b], i) => {
    pairs[a * n + b] = mulUp(found[i], start);
    pairs[b * n + a] = pairs[a * n + b];
  });
  return pairs;
}

/** Pairs of outputs bounded through the whole run: those of 100 classes. */
const MAX_PAIRS = 4950;
