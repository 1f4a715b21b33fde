import type { Bound } from "../linalg/bound.ts";
import { storedType } from "../network/dequantized.ts";
import type { ConvolutionLayout, WeightUse } from "../network/use.ts";
import type { Measurement, Outcome } from "./measure.ts";
import { looseProofReason, nonFiniteMessage } from "./problems.ts";
import type { GeometryReport, LayerReport, SigmaReport } from "./schema.ts";

/** One use of a weight as the report shows it. */
export function layerReport(use: WeightUse, outcome: Outcome): LayerReport {
  const base = {
    name: use.name,
    weight: use.weight.name,
    operator: use.operator,
    shape: use.weight.shape,
    dtype: storedType(use.weight),
    ...(use.layout.kind === "convolution" ? { geometry: geometryReport(use, use.layout) } : {}),
  };
  if ("failure" in outcome) {
    const problems = [...use.problems, outcome.failure];
    return { ...base, sigma: null, frobenius: null, stableRank: null, problems };
  }
  const { measurement } = outcome;
  return { ...base, ...numbers(measurement), problems: [...use.problems, ...doubts(use, measurement)] };
}

/** A bound as the report shows it. */
export function sigmaReport(bound: Bound): SigmaReport {
  const { lower, upper, estimate, guarantee, method, iterations } = bound;
  return {
    lower,
    upper: upper === null || !Number.isFinite(upper) ? null : upper,
    ...(estimate === undefined ? {} : { estimate }),
    guarantee,
    method,
    ...(iterations === undefined ? {} : { iterations }),
  };
}

function numbers(m: Measurement): Pick<LayerReport, "sigma" | "frobenius" | "stableRank" | "spectrum"> {
  return {
    sigma: m.sigma === null ? null : sigmaReport(m.sigma),
    ...(m.reshaped === undefined ? {} : { reshapedSigma: interval(m.reshaped) }),
    frobenius: m.finite && Number.isFinite(m.frobenius) ? m.frobenius : null,
    stableRank: m.stableRank,
    ...(m.spectrum === undefined ? {} : { spectrum: m.spectrum }),
  };
}

function interval(bound: Bound): { lower: number; upper: number | null } {
  const { lower, upper } = sigmaReport(bound);
  return { lower, upper };
}

function doubts(use: WeightUse, m: Measurement): string[] {
  if (!m.finite) return [nonFiniteMessage(use.weight, use.name)];
  const boundless =
    m.sigma !== null && m.sigma.guarantee !== "estimate" && sigmaReport(m.sigma).upper === null;
  if (boundless) return ["no finite upper bound is known"];
  const loose = looseProofReason(use, m.sigma);
  return loose === null ? [] : [loose];
}

/** Of a transposed convolution, `inputShape` is the shape that the operator itself takes. */
function geometryReport(use: WeightUse, layout: ConvolutionLayout): GeometryReport {
  const { geometry, kernelShape } = layout;
  const { strides, padding, dilations, groups, boundary } = geometry;
  const [cOut, cInPerGroup, ...kernel] = kernelShape as readonly [number, number, ...number[]];
  const transposed = use.operator === "conv-transpose";
  const channels = transposed ? cOut : cInPerGroup * groups;
  const spatial = kernel.map((k, axis) => {
    const size = geometry.inputSize?.[axis];
    if (size === undefined) return null;
    if (!transposed) return size;
    const padded = size + padding[axis]![0] + padding[axis]![1] - dilations[axis]! * (k - 1) - 1;
    return Math.floor(padded / strides[axis]!) + 1;
  });
  return { inputShape: [channels, ...spatial], strides, padding, dilations, groups, boundary };
}
