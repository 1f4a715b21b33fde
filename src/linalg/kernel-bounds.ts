import { type BoundOptions, DEFAULT_FAILURE_PROBABILITY, wantedGap } from "./analyze-options.ts";
import type { Bound } from "./bound.ts";
import { convolution } from "./convolution.ts";
import {
  type ConvolutionBounds,
  type ConvolutionFacts,
  groupedGrid,
  sizedBounds,
  sizeFreeBounds,
  tightest,
} from "./convolution-bounds.ts";
import { convolutionGram, hasExplicitGram } from "./convolution-gram.ts";
import { dense } from "./dense.ts";
import { denseBound, productAnswers } from "./dense-bounds.ts";
import { NonFiniteError } from "./errors.ts";
import { matrixFrobeniusUp } from "./frobenius.ts";
import type { ConvolutionGeometry } from "./geometry.ts";
import { groupCeiling } from "./group-ceiling.ts";
import { safeScale, zeroBound } from "./matrix-bounds.ts";
import { deriveSeed } from "./random.ts";
import { type Answers, runIteration } from "./requests.ts";
import { addUp, up } from "./rounding.ts";
import { type KernelTensor, type SymbolBound, symbolBound } from "./symbol-bound.ts";
import { product } from "./taps.ts";

/** Work that pauses now and then so that its driver can look up; the pauses carry nothing. */
export type Pausing<Result> = Generator<void, Result, void>;

/** Runs paused work to its end at once. */
export function drained<Result>(work: Pausing<Result>): Result {
  let state = work.next();
  while (!state.done) state = work.next();
  return state.value;
}

/**
 * Bounds of a convolution on the calling thread, from its kernel and geometry (input size known or not).
 * @throws NonFiniteError when an entry is not finite.
 */
export function* kernelBounds(
  kernel: Float64Array,
  kernelShape: readonly number[],
  geometry: ConvolutionGeometry,
  options: BoundOptions,
): Pausing<ConvolutionBounds> {
  const frobenius = matrixFrobeniusUp(kernel);
  if (Number.isNaN(frobenius)) throw new NonFiniteError("the convolution kernel");
  if (frobenius === 0) return { sigma: zeroBound() };
  const reshaped = denseBound(dense(kernel, kernelShape[0]!, product(kernelShape.slice(1))), options);
  const scale = safeScale(frobenius);
  const values = scale === 1 ? kernel : kernel.map((w) => w * scale);
  const facts = { kernelShape, geometry, frobenius: up(frobenius * scale), scale, reshaped };
  const symbols = symbolAnswers(values, facts);
  if (geometry.inputSize === undefined) return runIteration(sizeFreeBounds(facts, options), symbols);
  if (geometry.groups > 1) {
    const ask = groupedGrid(facts, options);
    const symbol = ask === null ? null : symbols.symbolBound({ kind: "symbolBound", ...ask });
    const largest = yield* groupedBounds(
      kernel,
      kernelShape,
      geometry,
      unscaledBound(symbol, scale),
      options,
    );
    return { ...largest, sigma: tightest(largest.sigma, facts) };
  }
  const operator = convolution(values, kernelShape, geometry);
  const { rows, cols, outputSize } = operator;
  const explicitGram = hasExplicitGram(operator) ? () => convolutionGram(operator) : null;
  const sized = { ...facts, rows, cols, positions: product(outputSize), explicitGram };
  const bounds = runIteration(sizedBounds(sized, options), { ...symbols, ...productAnswers(operator) });
  operator.release();
  return bounds;
}

/** Bounds of the stored kernel from those of the scaled one. */
export function unscaledBound(symbol: SymbolBound | null, scale: number): SymbolBound | null {
  if (symbol === null || scale === 1) return symbol;
  return { ...symbol, groupUppers: symbol.groupUppers.map((upper) => up(upper / scale)) };
}

function symbolAnswers(
  values: Float64Array,
  { kernelShape, geometry }: ConvolutionFacts,
): Required<Pick<Answers, "symbolBound">> {
  const kernel: KernelTensor = {
    values,
    channelsOut: kernelShape[0]!,
    channelsIn: kernelShape[1]!,
    groups: geometry.groups,
    size: kernelShape.slice(2),
  };
  return { symbolBound: (request) => symbolBound(kernel, request.grid, request.options) };
}

/**
 * A grouped convolution is the direct sum of its groups, so its norm is the largest of theirs. Groups are visited in
 * the order of their ceilings and only as far as one could still be the largest; each is a small convolution of its
 * own, with small explicit matrices and no crowd of equal singular values.
 * @param symbol bounds of the groups over `groupedGrid`, or null to go without.
 */
export function* groupedBounds(
  kernel: Float64Array,
  kernelShape: readonly number[],
  geometry: ConvolutionGeometry,
  symbol: SymbolBound | null,
  options: BoundOptions,
): Pausing<ConvolutionBounds> {
  const { groups } = geometry;
  const size = kernel.length / groups;
  const shape = [kernelShape[0]! / groups, ...kernelShape.slice(1)];
  const single = { ...geometry, groups: 1 };
  const parts = Array.from({ length: groups }, (_, group) => {
    const values = kernel.subarray(group * size, (group + 1) * size);
    const ceiling = Math.min(
      groupCeiling(values, shape, single),
      symbol?.groupUppers[group] ?? Number.POSITIVE_INFINITY,
    );
    return { group, values, ceiling };
  }).sort((a, b) => b.ceiling - a.ceiling);
  const probability = options.failureProbability ?? DEFAULT_FAILURE_PROBABILITY;
  let best: ConvolutionBounds = { sigma: zeroBound() };
  let bestGroup = 0;
  let failure = options.guarantee === "probable" && symbol !== null ? probability : 0;
  for (const { group, values, ceiling } of parts) {
    const enough = best.sigma.lower * (1 + wantedGap(options) / 4);
    if (best.sigma.upper !== null && ceiling <= enough) {
      best = { ...best, sigma: { ...best.sigma, upper: Math.max(best.sigma.upper, ceiling) } };
      break;
    }
    if (ceiling <= best.sigma.lower) break;
    const its = {
      ...options,
      failureProbability: probability / groups,
      seed: deriveSeed(options.seed, group),
    };
    const found = yield* kernelBounds(values, shape, single, its);
    failure = addUp(failure, found.sigma.failureProbability ?? 0);
    if (found.sigma.lower > best.sigma.lower) bestGroup = group;
    best = largerOf(best, found);
    yield;
  }
  const sigma = failure > 0 ? { ...best.sigma, failureProbability: failure } : best.sigma;
  return { sigma, ...embedVectors(best, bestGroup, groups) };
}

/** The larger operator's bounds, with the larger of both ends. */
function largerOf(a: ConvolutionBounds, b: ConvolutionBounds): ConvolutionBounds {
  const leader = b.sigma.lower > a.sigma.lower ? b : a;
  const { upper: upperA, estimate: estimateA } = a.sigma;
  const { upper: upperB, estimate: estimateB } = b.sigma;
  const estimate = Math.max(estimateA ?? 0, estimateB ?? 0);
  const sigma: Bound = {
    ...leader.sigma,
    lower: Math.max(a.sigma.lower, b.sigma.lower),
    upper: upperA === null || upperB === null ? null : Math.max(upperA, upperB),
    ...(estimateA === undefined && estimateB === undefined ? {} : { estimate }),
  };
  return { ...leader, sigma: { ...sigma, guarantee: weaker(a.sigma, b.sigma) } };
}

/** Zero is known with certainty and weakens nothing. */
function weaker(a: Bound, b: Bound): Bound["guarantee"] {
  if (a.method === "zero") return b.guarantee;
  const order = ["estimate", "probable", "proof"] as const;
  return order[Math.min(order.indexOf(a.guarantee), order.indexOf(b.guarantee))]!;
}

/** A group's singular vectors among zeros for the other groups' channels. */
function embedVectors({ top }: ConvolutionBounds, group: number, groups: number): Partial<ConvolutionBounds> {
  if (top === undefined) return {};
  const embed = (part: Float64Array) => {
    const whole = new Float64Array(part.length * groups);
    whole.set(part, group * part.length);
    return whole;
  };
  return { top: { u: embed(top.u), v: embed(top.v) } };
}
