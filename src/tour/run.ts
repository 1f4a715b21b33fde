import { certify } from "../audit/certify.ts";
import { pacer } from "../audit/certify-pause.ts";
import type { CertifyReport } from "../audit/certify-schema.ts";
import type { AuditReport } from "../audit/schema.ts";
import { DIGIT_PIXELS, type Digits, loadDigits } from "../digits/digits.ts";
import { openModel } from "../formats/open.ts";
import { importOnnx } from "../network/import-onnx.ts";
import { logitsOf } from "../network/logits.ts";
import { joinPath, makeFolder } from "../platform/files.ts";
import { writeText } from "../platform/write-text.ts";
import { trainingDevice } from "../train/device.ts";
import { exportOnnx } from "../train/export/onnx.ts";
import { gradientSearch } from "../train/gradient-search.ts";
import { type Arm, fooledDigits } from "./digits.ts";
import { renderTour } from "./html/page.ts";
import { BATCH, RECIPES, type Recipe } from "./networks.ts";
import type { TourName, TourNetwork, TourNetworkReport, TourReport, TourStory } from "./schema.ts";
import { type Trained, trainDigits } from "./train.ts";

export interface TourOptions {
  /** Where the networks and the page are written; made if it is not there. */
  readonly folder: string;
  /** Of weights, shuffles and the attack's random starts. */
  readonly seed: bigint;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: TourProgress) => void) | undefined;
  /** A file was written. */
  readonly onWritten?: ((file: string) => void) | undefined;
}

/** Where the tour is: `done` of `total` in this phase, for this network (null once it is about all of them). */
export interface TourProgress {
  readonly phase: "train" | "export" | "bound" | "certify" | "attack" | "digits";
  readonly network: TourName | null;
  readonly done: number;
  readonly total: number;
}

/** Lengths of changes that are reported; 0.3 and 1.58 are those of the published tables. */
const EPSILONS: readonly number[] = [0.1, 0.3, 0.5, 1, 1.58];
const ATTACK_STEPS = 50;
const ATTACK_POINTS = 500;
/** Rows of pictures on the page. */
const PICTURED = 8;
const CLASSES = 10;
const PAGE = "tour.html";

/** A network of the tour once it is trained, exported, audited, certified and attacked. */
interface Visited extends TourNetwork {
  readonly arm: Arm;
  readonly report: TourNetworkReport;
}

/** Arrays and compiled functions that outlive the visit of one network. */
interface Held {
  dispose(): void | Promise<void>;
}

/**
 * The whole product in about a minute: three networks of one size are trained on real digits, exported to ONNX, audited at
 * `proof`, certified and attacked; one page tells what was seen.
 * @throws WriteError when the folder cannot be written; what `exportOnnx` and `certify` throw.
 */
export async function runTour(options: TourOptions): Promise<TourReport> {
  const start = performance.now();
  const { folder, seed, onWritten } = options;
  await makeFolder(folder);
  const data = await loadDigits();
  const visited: Visited[] = [];
  const held: Held[] = [];
  try {
    for (const recipe of RECIPES) visited.push(await visit(recipe, data, held, options));
    const pause = pacer(options.signal);
    options.onProgress?.({ phase: "digits", network: null, done: 0, total: PICTURED });
    const arms = visited.map(({ arm }) => arm);
    const digits = await fooledDigits(arms, data.test, PICTURED, { steps: ATTACK_STEPS, pause });
    const page = joinPath(folder, PAGE);
    const report: TourReport = {
      schema: "lipschitz.tour/1",
      seconds: (performance.now() - start) / 1000,
      seed: seed.toString(),
      device: await trainingDevice(),
      data: { train: data.train.count, test: data.test.count },
      networks: visited.map((network) => network.report),
      report: page,
    };
    await writeText(page, renderTour(storyOf(report, visited, digits)), { overwrite: true });
    onWritten?.(page);
    return report;
  } finally {
    for (const each of held) await each.dispose();
  }
}

/** @param held takes what the caller is to dispose, also where this fails. */
async function visit(
  recipe: Recipe,
  data: { train: Digits; test: Digits },
  held: Held[],
  options: TourOptions,
): Promise<Visited> {
  const { folder, seed, signal, onProgress } = options;
  const { name, net } = recipe;
  const say = (phase: TourProgress["phase"], done: number, total: number) =>
    onProgress?.({ phase, network: name, done, total });
  const trained = await trainDigits(recipe, data.train, {
    seed: Number(BigInt.asUintN(32, seed)),
    signal,
    onStep: (step, steps) => say("train", step, steps),
  });
  held.push(trained);
  say("export", 0, 1);
  const file = joinPath(folder, `${name}.onnx`);
  const inputShape = [DIGIT_PIXELS];
  const exported = await exportOnnx(net, trained.params, trained.state, { inputShape, path: file });
  options.onWritten?.(file);
  const search = await gradientSearch(net, trained.params, trained.state, { inputShape, classes: CLASSES });
  held.push(search);
  const model = await openModel(file);
  try {
    const certificates = await certify(model, data.test.x, data.test.y, {
      epsilons: EPSILONS,
      attackSteps: ATTACK_STEPS,
      attackPoints: ATTACK_POINTS,
      guarantee: "proof",
      seed,
      search,
      signal,
      onProgress: ({ phase, index, count }) => say(phase, index, count),
    });
    const network = logitsOf(await importOnnx(model));
    const report = reportOf(name, trained, exported.report, certificates, file);
    const arm = { name, network, search, radii: certificates.radii.values };
    return {
      name,
      training: trained.curves,
      audit: exported.report,
      certificates,
      arm,
      report,
    };
  } finally {
    await model.close();
  }
}

function reportOf(
  name: TourName,
  trained: Trained,
  audit: AuditReport,
  certificates: CertifyReport,
  model: string,
): TourNetworkReport {
  const { clean, certified, attacked, attackedPoints, attackedSample, violations } = certificates;
  return {
    name,
    accuracy: clean,
    lipschitz: audit.network!.lipschitz,
    certified,
    attacked,
    attackedSample: { points: attackedPoints, ...attackedSample! },
    violations,
    seconds: trained.seconds,
    model,
  };
}

function storyOf(report: TourReport, visited: readonly Visited[], digits: TourStory["digits"]): TourStory {
  return {
    report,
    settings: { batch: BATCH, attackSteps: ATTACK_STEPS },
    networks: visited.map(({ name, training, audit, certificates }) => ({
      name,
      training,
      audit,
      certificates,
    })),
    digits,
  };
}
