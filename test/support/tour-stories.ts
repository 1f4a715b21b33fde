import type { CertifyReport } from "../../src/audit/certify-schema.ts";
import { certifiedShares, classReports, cleanShare, radiiReport } from "../../src/audit/certify-summary.ts";
import type { AuditReport, LayerReport } from "../../src/audit/schema.ts";
import type {
  FooledDigit,
  TourName,
  TourNetwork,
  TourNetworkReport,
  TourStory,
} from "../../src/tour/schema.ts";

/** Stories of a tour that look like real ones, made without training anything. */

const POINTS = 2000;
const ATTACKED = 500;
const EPSILONS = [0.1, 0.3, 0.5, 1, 1.58] as const;
const SHAPES = [
  [256, 784],
  [256, 256],
  [10, 256],
] as const;

/** Repeatable numbers in [0, 1). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** What makes a network of a story. */
interface Recipe {
  readonly name: TourName;
  /** Of the exported weights. */
  readonly sigmas: readonly number[];
  readonly lower: number;
  readonly wrong: number;
  /** Typical certified radius, and how much further the attack goes. */
  readonly radius: number;
  readonly beyond: number;
  readonly seconds: number;
}

const RECIPES: readonly Recipe[] = [
  {
    name: "plain",
    sigmas: [3.9184, 4.6127, 2.2319],
    lower: 9.3142,
    wrong: 0.032,
    radius: 0.06,
    beyond: 16,
    seconds: 4.1,
  },
  {
    name: "spectral",
    sigmas: [0.99997, 0.99996, 0.99998],
    lower: 0.7731,
    wrong: 0.055,
    radius: 0.8,
    beyond: 1.9,
    seconds: 6.2,
  },
  {
    name: "orthonormal",
    sigmas: [0.99993, 0.99991, 0.99996],
    lower: 0.9817,
    wrong: 0.038,
    radius: 1.35,
    beyond: 1.6,
    seconds: 19.6,
  },
];

export interface StoryOptions {
  /** Of training. */
  readonly steps?: number;
  readonly digits?: number;
  readonly epsilons?: readonly number[];
  /** 0: no attack. */
  readonly attacked?: number;
  /** Of the first network, in place of its own. */
  readonly upper?: number | null;
  readonly violated?: CertifyReport["violated"];
  readonly model?: (name: TourName) => string;
}

export function tourStory(options: StoryOptions = {}): TourStory {
  const { digits = 8 } = options;
  const networks = RECIPES.map((recipe, i) => network(recipe, i, options));
  return {
    report: {
      schema: "lipschitz.tour/1",
      seconds: 63.4,
      seed: "8410293847",
      device: "native",
      data: { train: 8000, test: POINTS },
      networks: networks.map((each, i) => networkReport(each, RECIPES[i])),
      report: "tour/report.html",
    },
    settings: { batch: 64, attackSteps: 50 },
    networks,
    digits: Array.from({ length: digits }, (_, i) => fooledDigit(i)),
  };
}

function network(recipe: Recipe, place: number, options: StoryOptions): TourNetwork {
  const { name } = recipe;
  const file = options.model?.(name) ?? `tour/${name}.onnx`;
  const upper = place === 0 && options.upper !== undefined ? options.upper : boundOf(recipe);
  return {
    name,
    training: curves(recipe, options.steps ?? 900),
    audit: audit(recipe, file, upper),
    certificates: certificates(recipe, file, upper, options),
  };
}

/** A better bound than the product of the σ's, as the search for the plain network finds one. */
function boundOf({ sigmas, name }: Recipe): number {
  const product = sigmas.reduce((a, b) => a * b, 1);
  return name === "plain" ? 0.7 * product : product;
}

function networkReport(
  { name, certificates, audit: { model } }: TourNetwork,
  { seconds }: Recipe,
): TourNetworkReport {
  const { clean, certified, attacked, attackedPoints, attackedSample, violations, lipschitz } = certificates;
  return {
    name,
    accuracy: clean,
    lipschitz,
    certified,
    attacked,
    attackedSample: { points: attackedPoints, ...(attackedSample ?? { clean: 0, certified: {} }) },
    violations,
    seconds,
    model: model.files[0],
  };
}

function curves({ name, sigmas }: Recipe, count: number): TourNetwork["training"] {
  const random = randomNumbers(5 + sigmas.length + name.length);
  const steps = Array.from({ length: count }, (_, i) => i + 1);
  const level = name === "plain" ? [2.3, 0.02] : [2, 0.24];
  const loss = steps.map(
    (step) => (level[1] + level[0] * Math.exp((-9 * step) / count)) * (0.5 + random() + 0.3 * random()),
  );
  const sigma = sigmas.map((end, layer) => ({
    layer: `linear${layer + 1}`,
    values: steps.map((step) =>
      name === "plain"
        ? 1.6 + (end - 1.6) * (1 - Math.exp((-3 * step) / count)) + 0.01 * random()
        : 1 + (0.012 * random()) / (1 + (20 * step) / count),
    ),
  }));
  return { steps, loss, sigma };
}

function audit({ sigmas, lower }: Recipe, file: string, upper: number | null): AuditReport {
  const layers = sigmas.map(
    (value, i): LayerReport => ({
      name: `linear${i + 1}`,
      weight: `linear${i + 1}.weight`,
      operator: "dense",
      shape: SHAPES[i],
      dtype: "float32",
      sigma: { lower: 0.9999 * value, upper: value, guarantee: "proof", method: "cholesky" },
      frobenius: 4 * value,
      stableRank: 16,
      problems: [],
    }),
  );
  const parameters = SHAPES.reduce((sum, [out, into]) => sum + out * into + out, 0);
  let cumulative = 1;
  const cascade = sigmas.flatMap((factor, i) => {
    cumulative *= factor;
    const step = { node: `linear${i + 1}`, op: "Gemm", factor, cumulative, because: "σ of its weight" };
    const activation = {
      node: `relu${i + 1}`,
      op: "Relu",
      factor: 1,
      cumulative,
      because: "slope in [0, 1]",
    };
    return i === 2 ? [step] : [step, activation];
  });
  return {
    schema: "lipschitz.audit/1",
    model: { files: [file], format: "onnx", bytes: 4 * parameters + 512, parameters },
    settings: { guarantee: "proof", failureProbability: 0, seed: "8410293847", threads: 2, version: "0.1.0" },
    coverage: { tensors: [6, 6], parameters: [parameters, parameters] },
    layers,
    network: {
      lipschitz: {
        lower,
        upper,
        guarantee: "proof",
        method: upper === cumulative ? "product" : "eclipse-fast",
      },
      product: cumulative,
      cascade,
      unbounded: [],
    },
    problems: [],
  };
}

function certificates(
  recipe: Recipe,
  file: string,
  upper: number | null,
  options: StoryOptions,
): CertifyReport {
  const { epsilons = EPSILONS, attacked = ATTACKED, violated = [] } = options;
  const { name, wrong, radius, beyond, lower } = recipe;
  const random = randomNumbers(11);
  const labels = Int32Array.from({ length: POINTS }, (_, i) => i % 10);
  const right = new Uint8Array(POINTS);
  const radii = new Float64Array(POINTS);
  const changes: (number | null)[] = [];
  for (let i = 0; i < POINTS; i++) {
    right[i] = random() < wrong ? 0 : 1;
    const margin = 0.6 + 0.5 * (random() + random()) - random() * random();
    radii[i] = right[i] === 1 ? radius * Math.max(0.02, margin) : 0;
    const change = radii[i] * beyond * (0.8 + 0.4 * random());
    if (i < attacked)
      changes.push(change > epsilons[epsilons.length - 1] ? null : Math.max(change, radii[i] * 1.01));
  }
  const results = { labels, right, radii };
  const withstood = (epsilon: number) => changes.filter((d) => d === null || d > epsilon).length / attacked;
  const sampled =
    attacked === 0
      ? null
      : { clean: cleanShare(results, attacked), certified: certifiedShares(results, epsilons, attacked) };
  return {
    schema: "lipschitz.certify/1",
    model: { files: [file], format: "onnx", bytes: 1_077_000 },
    data: { files: ["digits"], shape: [784], classes: 10 },
    settings: {
      guarantee: "proof",
      failureProbability: 0,
      seed: "8410293847",
      version: "0.1.0",
      bound: "global",
      epsilons,
      attack: attacked === 0 ? "none" : "pgd",
      attackSteps: 50,
      scale: 1,
      shift: 0,
    },
    points: POINTS,
    clean: cleanShare(results, POINTS),
    certified: certifiedShares(results, epsilons, POINTS),
    attacked: attacked === 0 ? {} : Object.fromEntries(epsilons.map((e) => [String(e), withstood(e)])),
    attackedPoints: attacked,
    attackedSample: sampled,
    violations: name === "plain" ? violated.length : 0,
    violated: name === "plain" ? violated : [],
    radii: radiiReport(results, changes),
    classes: classReports(results, 10, epsilons),
    lipschitz: {
      lower,
      upper,
      guarantee: "proof",
      failureProbability: 0,
      method: upper === null ? "product" : "eclipse-fast",
    },
    seconds: 8.2,
  };
}

/** Segments of a seven-segment display, as strokes in a unit square: top, upper left and right, middle, lower left and right, foot. */
const SEGMENTS = [
  [0.3, 0.15, 0.7, 0.15],
  [0.3, 0.15, 0.3, 0.5],
  [0.7, 0.15, 0.7, 0.5],
  [0.3, 0.5, 0.7, 0.5],
  [0.3, 0.5, 0.3, 0.85],
  [0.7, 0.5, 0.7, 0.85],
  [0.3, 0.85, 0.7, 0.85],
] as const;
const DIGITS = [
  "1110111",
  "0010010",
  "1011101",
  "1011011",
  "0111010",
  "1101011",
  "1101111",
  "1010010",
  "1111111",
  "1111011",
];

/** A digit in soft strokes, slanted; 28 × 28. */
export function drawnDigit(digit: number): Float64Array {
  return Float64Array.from({ length: 784 }, (_, i) => {
    const [x, y] = [((i % 28) + 0.5) / 28, (Math.floor(i / 28) + 0.5) / 28];
    const distances = SEGMENTS.filter((_, k) => DIGITS[digit][k] === "1").map(([x1, y1, x2, y2]) => {
      const t = Math.min(
        1,
        Math.max(0, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / ((x2 - x1) ** 2 + (y2 - y1) ** 2)),
      );
      return Math.hypot(x + 0.15 * (y - 0.5) - x1 - t * (x2 - x1), y - y1 - t * (y2 - y1));
    });
    return Math.min(1, Math.max(0, 1.6 - 22 * Math.min(...distances)));
  });
}

function fooledDigit(i: number): FooledDigit {
  const label = (3 * i + 4) % 10;
  const pixels = drawnDigit(label);
  const turned = RECIPES.map(({ name, radius, beyond }, place) => {
    const predicted = (label + 5 + place) % 10;
    const certifiedRadius = radius * (0.7 + 0.08 * i);
    const target = drawnDigit(predicted);
    const random = randomNumbers(100 * i + place);
    const noise = place === 0 ? 0.8 : 0.15;
    const direction = target.map((value, k) => value - pixels[k] + noise * (random() - 0.5));
    const distance = certifiedRadius * beyond * 1.1;
    const length = Math.hypot(...direction);
    const change = {
      pixels: pixels.map((value, k) => value + (distance * direction[k]) / length),
      predicted,
      distance,
    };
    return { name, change: place === 2 && i === 5 ? null : change, certifiedRadius };
  });
  return { index: 17 + 211 * i, label, pixels, turned };
}
