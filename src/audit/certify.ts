import { type LabelledPoints, type LabelledSources, readLabelled } from "../formats/data/labelled.ts";
import type { Model } from "../formats/model.ts";
import { pointwiseSearch } from "../network/attack-search.ts";
import type { Certifier } from "../network/certificate.ts";
import type { CertifierOptions } from "../network/certifier.ts";
import { importOnnx } from "../network/import-onnx.ts";
import { logitsOf } from "../network/logits.ts";
import { type Network, NetworkError } from "../network/network.ts";
import { VERSION } from "../version.ts";
import { attackPoints, type Certified } from "./certify-attack.ts";
import { pacer } from "./certify-pause.ts";
import type { CertifyReport, CertifySettings, Violation } from "./certify-schema.ts";
import { type CertifyOptions, type SettledOptions, settleCertify } from "./certify-settings.ts";
import {
  byEpsilon,
  certifiedShares,
  classReports,
  cleanShare,
  type PointResults,
  radiiReport,
} from "./certify-summary.ts";
import { radiusOf, see } from "./certify-units.ts";
import { UsageError } from "./errors.ts";
import { pointShape } from "./point-shape.ts";

/** Makes what gives certified radii; injected so that tests can answer with known ones. */
export type MakeCertifier = (network: Network, options: CertifierOptions) => Promise<Certifier>;

/** Numbers per read of the data: 8 MiB as float64. */
const BLOCK_NUMBERS = 2 ** 20;

/**
 * Local balls are asked for this much larger than ε, so that a radius that fills its ball exceeds ε strictly, the
 * roundings of `scale` and `shift` included.
 */
const BALL_MARGIN = 1 + 1e-9;

/** What a report says of a network that came from no file. */
const IN_MEMORY: CertifyReport["model"] = { files: ["network"], format: "network", bytes: 0 };

/**
 * Clean, certified and attacked accuracy of a classifier on labelled points. Points are read in blocks; of each only
 * its radius is kept.
 * @param network from `importOnnx`, or an open ONNX model. A file without a graph does not say how its layers are
 * connected.
 * @param x points, one after another: numbers, or a file (.npz, .npy, IDX).
 * @param y their classes; may be left out where x is an .npz file that holds both.
 * @throws UsageError for options out of range and for a network that cannot be certified, naming what is in the way;
 * FormatError when the data cannot be read; `signal.reason` when aborted.
 */
export async function certify(
  network: Network | Model,
  x: LabelledSources["points"],
  y?: LabelledSources["labels"],
  options: CertifyOptions = {},
): Promise<CertifyReport> {
  const { makeCertifier } = await import("../network/certifier.ts");
  const data = { points: x, labels: y };
  if (!("nodes" in network)) return certifyModel(makeCertifier, network, data, options);
  const classifier = await namingFile(IN_MEMORY.files[0], async () => logitsOf(network));
  return certifyNetwork(makeCertifier, classifier, IN_MEMORY, data, options);
}

/** As `certify`, with what certifies given. */
export async function certifyModel(
  make: MakeCertifier,
  model: Model,
  data: LabelledSources,
  options: CertifyOptions,
): Promise<CertifyReport> {
  const about = {
    files: model.sources.map((source) => source.name),
    format: model.format,
    bytes: model.sources.reduce((sum, source) => sum + source.byteLength, 0),
  };
  const start = performance.now();
  const network = await namingFile(about.files[0], () => classifierOf(model, options));
  const report = await certifyNetwork(make, network, about, data, options);
  return { ...report, seconds: secondsSince(start) };
}

/** As `certify`, of a network at hand. */
export async function certifyNetwork(
  make: MakeCertifier,
  network: Network,
  model: CertifyReport["model"],
  data: LabelledSources,
  options: CertifyOptions,
): Promise<CertifyReport> {
  const start = performance.now();
  const settings = settleCertify(options);
  const shape = pointShape(network);
  const classes = network.outputs[0].ref.size;
  const points = await readLabelled(data, { shape, classes });
  try {
    const run = new Run(network, points, settings, options);
    const certifier = await namingFile(model.files[0], () => run.certifier(make));
    const results = await run.certify(certifier);
    const attacked = settings.attack === "none" ? null : await run.attack(results);
    const { lipschitz } = certifier;
    return {
      schema: "lipschitz.certify/1",
      model,
      data: { files: points.files, shape, classes },
      settings: settingsReport(settings, options, lipschitz.failureProbability),
      ...summary(results, attacked, settings, classes),
      lipschitz,
      seconds: secondsSince(start),
    };
  } finally {
    await points.close();
  }
}

function secondsSince(start: number): number {
  return (performance.now() - start) / 1000;
}

async function classifierOf(model: Model, { inputs, memory }: CertifyOptions): Promise<Network> {
  if (model.onnx === undefined) {
    throw new UsageError(
      `${model.sources[0].name}: only ONNX models can be certified, this one is ${model.format}`,
      "Weights without a graph do not say how they are connected; export the model to ONNX.",
    );
  }
  return logitsOf(await importOnnx(model, { inputs, memory }));
}

/** A network that cannot be certified is no defect: another model, size or option is needed. */
async function namingFile<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NetworkError) throw new UsageError(`${file}: ${error.message}`);
    throw error;
  }
}

/** What the attack did: per attacked point the shortest change found. */
interface AttackResults {
  readonly distances: readonly (number | null)[];
  readonly violated: readonly Violation[];
}

class Run {
  readonly #network: Network;
  readonly #points: LabelledPoints;
  readonly #settings: SettledOptions;
  readonly #options: CertifyOptions;
  readonly #pause: () => Promise<void>;

  constructor(network: Network, points: LabelledPoints, settings: SettledOptions, options: CertifyOptions) {
    this.#network = network;
    this.#points = points;
    this.#settings = settings;
    this.#options = options;
    this.#pause = pacer(options.signal);
  }

  async certifier(make: MakeCertifier): Promise<Certifier> {
    const { bound, epsilons, guarantee, seed, scale } = this.#settings;
    this.#report("bound", 0, this.#points.count);
    await this.#pause();
    return make(this.#network, {
      bound,
      epsilons: epsilons.map((epsilon) => epsilon * Math.abs(scale) * BALL_MARGIN),
      guarantee,
      seed,
      signal: this.#options.signal,
    });
  }

  async certify(certifier: Certifier): Promise<PointResults> {
    const { count, labels } = this.#points;
    const results = { labels, right: new Uint8Array(count), radii: new Float64Array(count) };
    for await (const { x, index } of this.#each(count)) {
      this.#report("certify", index, count);
      const seen = see(x, this.#settings);
      const { predicted, radius } = certifier.certify(seen.z, labels[index]);
      if (!(radius >= 0)) throw new Error(`the certified radius of point ${index} is ${radius}`);
      if (predicted !== labels[index]) continue;
      results.right[index] = 1;
      results.radii[index] = radiusOf(radius, seen, this.#settings);
    }
    return results;
  }

  async attack({ labels, right, radii }: PointResults): Promise<AttackResults> {
    const count = Math.min(this.#settings.attackPoints, this.#points.count);
    const search = this.#options.search ?? pointwiseSearch(this.#network);
    const distances: (number | null)[] = [];
    const violated: Violation[] = [];
    let waiting: Certified[] = [];
    const attackWaiting = async () => {
      const attacked = await attackPoints(this.#network, search, waiting, this.#settings, this.#pause);
      attacked.forEach(({ distance, violation }, i) => {
        distances[waiting[i].index] = distance;
        if (violation !== null) violated.push(violation);
      });
      waiting = [];
    };
    for await (const { x, index } of this.#each(count)) {
      this.#report("attack", index, count);
      if (right[index] === 0) distances[index] = 0;
      else waiting.push({ index, label: labels[index], seen: see(x, this.#settings), radius: radii[index] });
      if (waiting.length >= search.block) await attackWaiting();
    }
    await attackWaiting();
    return { distances, violated };
  }

  /** The first `count` points, one by one. */
  async *#each(count: number): AsyncGenerator<{ readonly x: Float64Array; readonly index: number }> {
    const { size } = this.#points;
    const block = Math.max(1, Math.floor(BLOCK_NUMBERS / size));
    for (let start = 0; start < count; start += block) {
      const end = Math.min(count, start + block);
      const values = await this.#points.read(start, end);
      for (let index = start; index < end; index++) {
        await this.#pause();
        yield { x: values.slice(size * (index - start), size * (index - start + 1)), index };
      }
    }
  }

  #report(phase: "bound" | "certify" | "attack", index: number, count: number): void {
    this.#options.onProgress?.({ phase, index, count });
  }
}

function summary(
  results: PointResults,
  attacked: AttackResults | null,
  { epsilons }: SettledOptions,
  classes: number,
) {
  const points = results.labels.length;
  const distances = attacked?.distances ?? [];
  const sample = distances.length;
  const withstood = (epsilon: number) =>
    distances.filter((distance) => distance === null || distance > epsilon).length / sample;
  return {
    points,
    clean: cleanShare(results, points),
    certified: certifiedShares(results, epsilons, points),
    attacked: attacked === null ? {} : byEpsilon(epsilons, withstood),
    attackedPoints: sample,
    attackedSample:
      attacked === null
        ? null
        : { clean: cleanShare(results, sample), certified: certifiedShares(results, epsilons, sample) },
    violations: attacked?.violated.length ?? 0,
    violated: attacked?.violated ?? [],
    radii: radiiReport(results, distances),
    classes: classReports(results, classes, epsilons),
  };
}

function settingsReport(
  settings: SettledOptions,
  options: CertifyOptions,
  failureProbability: number,
): CertifySettings {
  const { guarantee, bound, epsilons, attack, attackSteps, scale, shift, seed } = settings;
  const { inputs, memory } = options;
  return {
    guarantee,
    failureProbability,
    seed: seed.toString(),
    version: VERSION,
    bound,
    epsilons,
    attack,
    attackSteps,
    scale,
    shift,
    ...(inputs === undefined ? {} : { inputs }),
    ...(memory === undefined ? {} : { memory }),
  };
}
