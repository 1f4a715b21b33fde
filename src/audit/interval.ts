import { type PointValues, pointValues } from "../formats/data/memory.ts";
import type { DataSource } from "../formats/data/open.ts";
import { pointsOf, readPoints } from "../formats/data/points.ts";
import type { Model } from "../formats/model.ts";
import type { OnnxNode } from "../formats/onnx/types.ts";
import { deriveSeed } from "../linalg/random.ts";
import { type BoundedNetwork, bound } from "../network/bound.ts";
import { sampleSteepness } from "../network/bounds/lower.ts";
import { fusedActivation } from "../network/fused-activation.ts";
import { importOnnx } from "../network/import-onnx.ts";
import { times } from "../network/join.ts";
import { type Network, NetworkError, type NetworkNode } from "../network/network.ts";
import { stepFactor } from "../network/propagate.ts";
import type { GraphPlan, WeightUse } from "../network/use.ts";
import { UsageError } from "./errors.ts";
import { unionBound, weakest } from "./measure.ts";
import { type SigmaOf, usesOf } from "./network.ts";
import { pointShape } from "./point-shape.ts";
import type { LocalReport, NetworkReport, Problem } from "./schema.ts";
import type { Settings } from "./settings.ts";

/** Points: a file (.npz with x, .npy, IDX) by path, Blob or bytes, or numbers, one point after another. */
export type AuditPoints = DataSource | PointValues;

/** Points of data that an interval may be asked about. */
export interface IntervalOptions {
  /** Points near which steep places are looked for (the first 256); random ones without it. */
  readonly data?: AuditPoints | undefined;
  /** Points round which the network is bounded locally, within `radius` (the first 100). */
  readonly around?: AuditPoints | undefined;
  /** Radius of those balls (ℓ2, in units of the network's input). */
  readonly radius?: number | undefined;
}

/** A network's interval, as far as it could be found. */
export interface Interval {
  readonly network: NetworkReport;
  /** Chance that an upper bound found here is too small. */
  readonly failureProbability: number;
  readonly problems: readonly Problem[];
}

/** Points of `--data` that are looked at, and points of `--around` that are bounded. */
const MOST_DATA = 256;
const MOST_AROUND = 100;

/** Seeds of the interval lie apart from those of the layers. */
const INTERVAL_SEED = 2 ** 31;

/**
 * The interval of a network by running it: secants below, linear parts composed and dense runs bounded as a whole
 * above, local bounds round given points. What cannot be run keeps the bound by rules, with the reason.
 * @throws UsageError when points are given for a network that cannot be run, or that has several inputs.
 */
export async function networkInterval(
  model: Model,
  graph: GraphPlan,
  report: NetworkReport,
  sigmaOf: SigmaOf,
  settings: Settings,
  inputs: Readonly<Record<string, readonly number[]>> | undefined,
  options: IntervalOptions,
): Promise<Interval> {
  const { guarantee, seed, failureProbability, signal } = settings;
  if (guarantee === "estimate") {
    refusePoints(options, "an estimate bounds no network");
    return { network: report, failureProbability: 0, problems: [] };
  }
  const network = unmeasured(graph, sigmaOf) ?? (await runnable(model, settings, inputs));
  if ("reason" in network) {
    refusePoints(options, network.reason);
    return { network: { ...report, notRun: network.reason }, failureProbability: 0, problems: [] };
  }
  const data = await firstPoints(options.data, network, MOST_DATA);
  const around = await firstPoints(options.around, network, MOST_AROUND);
  signal?.throwIfAborted();
  const found = bound(network, {
    guarantee,
    failureProbability,
    seed: deriveSeed(seed, INTERVAL_SEED),
    known: knownNorms(graph, sigmaOf),
    points: data?.xs.map((x) => [x]),
    signal,
  });
  const local = localReport(found, network, around, options.radius, settings);
  return {
    network: { ...narrowed(report, found), ...(local === null ? {} : { local: local.report }) },
    failureProbability: local === null ? found.failureProbability : local.failureProbability,
    problems: [],
  };
}

/** A weight outside `only`, one that could not be read, or one that is not finite leaves the network open. */
function unmeasured(graph: GraphPlan, sigmaOf: SigmaOf): { readonly reason: string } | null {
  const open = usesOf(graph).find((use) => sigmaOf(use) === null);
  return open === undefined ? null : { reason: `the weight of ${open.name} was not measured` };
}

async function runnable(
  model: Model,
  { memory }: Settings,
  inputs: Readonly<Record<string, readonly number[]>> | undefined,
): Promise<Network | { readonly reason: string }> {
  try {
    return await importOnnx(model, { memory, inputs });
  } catch (error) {
    if (error instanceof NetworkError) return { reason: error.message };
    throw error;
  }
}

function refusePoints({ data, around }: IntervalOptions, reason: string): void {
  const option = data !== undefined ? "--data" : around !== undefined ? "--around" : null;
  if (option !== null) throw new UsageError(`${option} needs a network that can be run here: ${reason}`);
}

/** σ of the affine nodes that apply one audited weight; a fused activation is a node of its own there. */
function knownNorms(graph: GraphPlan, sigmaOf: SigmaOf): (node: NetworkNode) => number | undefined {
  const factorOf = (use: WeightUse) => sigmaOf(use)?.upper ?? undefined;
  const known = new Map<OnnxNode, number>();
  for (const { source, steps, unbounded } of graph.nodes) {
    if (unbounded !== undefined || !steps.some((step) => "use" in step.factor)) continue;
    if (fusedActivation(source) !== undefined) continue;
    const factors = steps.map((step) => stepFactor(step, factorOf));
    if (factors.every((f) => f !== undefined)) known.set(source, factors.reduce(times, 1));
  }
  return (node) => (node.source === undefined ? undefined : known.get(node.source));
}

/** The report with the better upper end, and the lower end of the search. */
function narrowed(report: NetworkReport, found: BoundedNetwork): NetworkReport {
  const { product } = report;
  const { sampled } = found;
  const better = found.upper !== null && (product === null || found.upper < product);
  return {
    ...report,
    lipschitz: {
      lower: sampled.lower,
      upper: better ? found.upper : product,
      guarantee: weakest(report.lipschitz.guarantee, found.guarantee),
      method: better ? found.method : "product",
    },
    sampled: { seen: sampled.seen, points: sampled.points },
  };
}

/** The first points of a source, and how many it has; nothing without one. */
async function firstPoints(
  source: AuditPoints | undefined,
  network: Network,
  most: number,
): Promise<{ readonly total: number; readonly xs: readonly Float64Array[] } | null> {
  if (source === undefined) return null;
  const shape = pointShape(network);
  const points = isNumbers(source)
    ? pointsOf(
        pointValues(
          source,
          shape.reduce((a, b) => a * b, 1),
        ),
        shape,
      )
    : await readPoints(source, shape);
  try {
    const numbers = await points.read(0, Math.min(points.count, most));
    const { count: total, size } = points;
    const xs = Array.from({ length: numbers.length / size }, (_, i) =>
      numbers.slice(i * size, (i + 1) * size),
    );
    return { total, xs };
  } finally {
    await points.close();
  }
}

function isNumbers(source: AuditPoints): source is PointValues {
  return source instanceof Float32Array || source instanceof Float64Array;
}

function localReport(
  found: BoundedNetwork,
  network: Network,
  around: Awaited<ReturnType<typeof firstPoints>>,
  radius: number | undefined,
  { seed, signal }: Settings,
): { readonly report: LocalReport; readonly failureProbability: number } | null {
  if (around === null || radius === undefined) return null;
  let failureProbability = found.failureProbability;
  const balls: LocalReport["points"][number][] = [];
  for (const [i, x] of around.xs.entries()) {
    signal?.throwIfAborted();
    const { upper, fixedUnits, failureProbability: chance } = found.around([x], radius);
    failureProbability = unionBound(0, chance);
    const { seen } = sampleSteepness(network, {
      seed: deriveSeed(seed, INTERVAL_SEED + i),
      points: [[x]],
      climb: false,
    });
    balls.push({ upper, fixedUnits, seen });
  }
  return { report: { radius, total: around.total, points: balls }, failureProbability };
}
