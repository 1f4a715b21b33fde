import type { CertifyReport, Violation } from "../../src/audit/certify-schema.ts";
import { certifiedShares, classReports, cleanShare, radiiReport } from "../../src/audit/certify-summary.ts";
import { randomNumbers } from "../../src/network/testing/run-onnx.ts";

/** Certificate reports that look like real ones, made without a model. */

export interface Sample {
  readonly points?: number;
  readonly classes?: number;
  readonly epsilons?: readonly number[];
  /** 0: no attack. */
  readonly attacked?: number;
  /** Typical radius. */
  readonly scale?: number;
  readonly file?: string;
  readonly violated?: readonly Violation[];
  readonly settings?: Partial<CertifyReport["settings"]>;
  readonly lipschitz?: Partial<CertifyReport["lipschitz"]>;
}

export function certifyReport(sample: Sample = {}): CertifyReport {
  const { points = 2000, classes = 10, epsilons = [0.1, 0.3, 0.5, 1], attacked = 500, scale = 0.35 } = sample;
  const random = randomNumbers(11);
  const labels = Int32Array.from({ length: points }, (_, i) => i % classes);
  const right = new Uint8Array(points);
  const radii = new Float64Array(points);
  const changes: (number | null)[] = [];
  for (let i = 0; i < points; i++) {
    const margin = 0.75 + 0.4 * (random() + random()) - (0.25 * labels[i]) / classes;
    right[i] = margin > 0.12 ? 1 : 0;
    radii[i] = right[i] === 1 ? scale * margin * margin : 0;
    const change = radii[i] * (1.5 + 0.5 * random());
    if (i < attacked) changes.push(change > epsilons.at(-1)! ? null : change);
  }
  const results = { labels, right, radii };
  const sampled = changes.length;
  const withstood = (epsilon: number) => changes.filter((d) => d === null || d > epsilon).length / sampled;
  return {
    schema: "lipschitz.certify/1",
    model: { files: [sample.file ?? "models/digits.onnx"], format: "onnx", bytes: 438_112 },
    data: { files: ["data/test.npz"], shape: [1, 28, 28], classes },
    settings: {
      guarantee: "probable",
      failureProbability: 4.1e-8,
      seed: "8410293847",
      version: "0.1.0",
      bound: "global",
      epsilons,
      attack: sampled === 0 ? "none" : "pgd",
      attackSteps: 50,
      scale: 1,
      shift: 0,
      ...sample.settings,
    },
    points,
    clean: cleanShare(results, points),
    certified: certifiedShares(results, epsilons, points),
    attacked: sampled === 0 ? {} : Object.fromEntries(epsilons.map((e) => [String(e), withstood(e)])),
    attackedPoints: sampled,
    attackedSample:
      sampled === 0
        ? null
        : { clean: cleanShare(results, sampled), certified: certifiedShares(results, epsilons, sampled) },
    violations: sample.violated?.length ?? 0,
    violated: sample.violated ?? [],
    radii: radiiReport(results, changes),
    classes: classReports(results, classes, epsilons),
    lipschitz: {
      lower: 3.214,
      upper: 9.482,
      guarantee: "probable",
      failureProbability: 4.1e-8,
      method: "eclipse-fast",
      ...sample.lipschitz,
    },
    seconds: 12.4,
  };
}

export const VIOLATION: Violation = { point: 17, label: 3, predicted: 5, distance: 0.2123, radius: 0.2514 };
