import { audit } from "../../audit/run.ts";
import type { AuditReport, LayerReport, SigmaReport } from "../../audit/schema.ts";
import type { Model } from "../../formats/model.ts";
import type { Bound, Guarantee } from "../../linalg/bound.ts";
import type { BakedWeight } from "./bake.ts";
import { ExportError } from "./errors.ts";
import { holds } from "./stored.ts";

/** A weight of an exported network: its promise, and the σ that the file was proved to have. */
export interface ExportedLayer {
  /** Its path in the network: "0.2.weight". */
  readonly name: string;
  /** The largest σ that its control promises; null without a promise. */
  readonly cap: number | null;
  /** What the promise and `sigma` speak of: the layer's operator, or its kernel reshaped to a matrix. */
  readonly norm: "operator" | "reshaped";
  /** The proved interval of σ₁; null where nothing is promised and the audit has no bound. */
  readonly sigma: {
    readonly lower: number;
    readonly upper: number | null;
    readonly guarantee: Guarantee;
    readonly method: string;
  } | null;
  /** 1 − the factor that proving the promise took; 0 where the weight kept it as it was. */
  readonly shrunkBy: number;
}

/** A baked weight, and the name of its tensor in the file. */
export interface FileWeight {
  readonly weight: BakedWeight;
  readonly tensor: string | undefined;
}

/** Repeatable: the proofs' random starts are those of baking. */
const SEED = 0n;

/**
 * Audits an exported model with proof and holds every promise against the report.
 * @throws ExportError when the file does not keep one.
 */
export async function checkFile(
  model: Model,
  weights: readonly FileWeight[],
): Promise<{ report: AuditReport; layers: readonly ExportedLayer[] }> {
  const report = await audit(model, { guarantee: "proof", seed: SEED });
  const layers: ExportedLayer[] = [];
  for (const weight of weights) layers.push(await checkedLayer(model, report, weight));
  return { report, layers };
}

async function checkedLayer(model: Model, report: AuditReport, file: FileWeight): Promise<ExportedLayer> {
  const { name, promise, shrunkBy } = file.weight;
  const found = report.layers.filter((layer) => layer.weight === file.tensor);
  const steepest = found.toSorted((a, b) => upperOf(b) - upperOf(a))[0];
  if (promise === null)
    return { name, cap: null, norm: "operator", sigma: interval(steepest?.sigma), shrunkBy };
  const { cap, norm } = promise;
  if (norm === "reshaped" && steepest?.geometry !== undefined) {
    // The audit reshapes a transposed kernel otherwise than the layer does; the same numbers keep what was proved of them.
    await checkNumbers(model, file);
    return provedLayer(file.weight);
  }
  if (steepest === undefined || !(upperOf(steepest) <= cap)) {
    const got = steepest === undefined ? "no bound of it" : `σ ≤ ${upperOf(steepest)}`;
    throw new ExportError(
      `${name}: its control promises σ ≤ ${cap}, but the audit of the exported file has ${got}. Nothing was written; ` +
        "please report this, with the network.",
    );
  }
  return { name, cap, norm, sigma: interval(steepest?.sigma), shrunkBy };
}

/** What baking proved of a weight. */
export function provedLayer({ name, promise, sigma, shrunkBy }: BakedWeight): ExportedLayer {
  return {
    name,
    cap: promise?.cap ?? null,
    norm: promise?.norm ?? "operator",
    sigma: interval(sigma),
    shrunkBy,
  };
}

function upperOf({ sigma }: LayerReport): number {
  return sigma?.upper ?? Number.POSITIVE_INFINITY;
}

function interval(sigma: Bound | SigmaReport | null | undefined): ExportedLayer["sigma"] {
  if (sigma == null) return null;
  const { lower, upper, guarantee, method } = sigma;
  return { lower, upper, guarantee, method };
}

/** @throws ExportError unless the file's tensor holds exactly the numbers that were proved. */
async function checkNumbers(model: Model, { weight, tensor }: FileWeight): Promise<void> {
  if (await holds(model, tensor, weight.values)) return;
  throw new ExportError(
    `${weight.name}: the exported file does not hold the numbers whose promise was proved. Nothing was written; ` +
      "please report this, with the network.",
  );
}
