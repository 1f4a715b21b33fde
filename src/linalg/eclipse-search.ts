import type { Chain } from "./eclipse-chain.ts";
import { compressed, compressedSizes, type StageSize } from "./eclipse-compress.ts";
import { eachMerit, largestMerit } from "./eclipse-merits.ts";
import { type Merit, Multipliers } from "./eclipse-multipliers.ts";
import type { Reach } from "./eclipse-reach.ts";
import { topPair } from "./eclipse-rules.ts";
import { stageOf } from "./eclipse-stage.ts";
import { stageProducts } from "./eclipse-step.ts";
import { minimize } from "./lbfgs.ts";
import { addUp, sqrtUp, up } from "./rounding.ts";
import { certifiedNorm } from "./verified-cholesky.ts";

/** The search ends when a step gains less than this in log L². */
const TOLERANCE = 5e-4;

/** Evaluations in search of multipliers: 12 come near the best on every network tried. */
const EVALUATIONS = 12;
const FEWEST_EVALUATIONS = 6;

/** Multiplications spent on one bound before evaluations are saved: about half a second. */
const WORK = 3.5e8;

/** The same for the bounds of each output, which are wanted once per data point. */
const WORK_OF_EACH = 1.5e7;

/** Relative gap left to the verified factorisation of the last matrix. */
const GAP = 1e-8;

/** A proved upper bound of the chain's Lipschitz constant, before its exponent; ∞ where none was found. */
export function boundWhole(chain: Chain): number {
  const reach = proved(chain, searchable(chain), largestMerit, WORK);
  return reach === null ? Number.POSITIVE_INFINITY : norm(reach);
}

/**
 * Proved upper bounds for each output of the chain by itself, before its exponent; ∞ where none was found. Multipliers
 * are sought for each output where that is cheap, otherwise for all together.
 */
export function boundEach(chain: Chain): Float64Array {
  const count = chain.stages.at(-1)!.next;
  const small = searchable(chain);
  const one = searchable(aloneChain(small, 0));
  const share = WORK_OF_EACH / count;
  if (workOf(chain) + FEWEST_EVALUATIONS * workOf(one) > share) {
    return diagonalNorms(proved(chain, small, eachMerit, WORK_OF_EACH), count);
  }
  const best = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  for (let i = 0; i < count; i++) {
    const alone = i === 0 ? one : searchable(aloneChain(small, i));
    diagonalNorms(proved(chain, alone, eachMerit, share), count).forEach((bound, j) => {
      best[j] = Math.min(best[j]!, bound);
    });
  }
  return best;
}

/** The chain itself or its compressed form, whichever costs less to search in. */
function searchable(chain: Chain): Chain {
  const small = workOfSizes(compressedSizes(sizesOf(chain))) < workOf(chain) ? compressed(chain) : null;
  return small ?? chain;
}

/** Searches for multipliers in one chain and proves the reach they give in another with the same loose units. */
function proved(chain: Chain, searched: Chain, merit: Merit, allowed: number): Reach | null {
  const multipliers = Multipliers.start(searched);
  if (multipliers === null) return null;
  const evaluations = Math.floor((allowed - workOf(chain)) / workOf(searched));
  const most = Math.min(Math.max(evaluations, FEWEST_EVALUATIONS), EVALUATIONS);
  const x = minimize(multipliers.objective(searched, merit), multipliers.origin, most, TOLERANCE);
  // Where the search ended too close to the point where multipliers stop to exist, those it began with will do.
  return multipliers.reach(chain, x) ?? multipliers.reach(chain, multipliers.origin);
}

/** √λ₁ of a reach, proved. */
function norm({ n, entries, exponent }: Reach): number {
  let trace = 0;
  for (let i = 0; i < n; i++) trace = addUp(trace, entries[i * n + i]!);
  const guess = Math.sqrt(topPair(entries, n).value);
  const bound = certifiedNorm({ entries, n, terms: 0, frobeniusSquared: trace }, guess, GAP);
  return powerOfTwoTimes(bound, exponent);
}

function diagonalNorms(reach: Reach | null, count: number): Float64Array {
  if (reach === null) return new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  const { entries, exponent } = reach;
  return Float64Array.from({ length: count }, (_, i) => {
    return powerOfTwoTimes(sqrtUp(entries[i * count + i]!), exponent);
  });
}

/** The chain with one of its outputs. */
function aloneChain(chain: Chain, output: number): Chain {
  const last = chain.stages.at(-1)!;
  const { units, weights, activation } = last;
  const stage = stageOf(activation, weights.slice(output * units, (output + 1) * units), 1);
  const stages = [...chain.stages.slice(0, -1), stage];
  const products = stages.length === 1 ? stageProducts(stage, chain.first) : chain.products;
  return { ...chain, stages, products };
}

function sizesOf({ stages }: Chain): StageSize[] {
  return stages.map(({ units, next, activation }) => ({ units, next, loose: activation.loose.length }));
}

function workOf(chain: Chain): number {
  return workOfSizes(sizesOf(chain));
}

/** Passing over the entries of a matrix a few times counts as this many multiplications for each. */
const PASSES = 16;

/** About how many multiplications one evaluation takes; the first stage's products are taken once for all. */
function workOfSizes(sizes: readonly StageSize[]): number {
  return sizes.reduce((sum, { units: n, loose: k, next: m }, i) => {
    const products = i === 0 ? 0 : m * n * (m + n);
    return sum + products + k * k * (k / 6 + m / 2) + m * m * (k + PASSES);
  }, 0);
}

/** x · 2^exponent rounded up, x ≥ 0. */
export function powerOfTwoTimes(x: number, exponent: number): number {
  if (x === 0 || exponent === 0) return x;
  let product = x;
  for (let e = exponent; e > 0 && product < Number.POSITIVE_INFINITY; e--) product *= 2;
  for (let e = exponent; e < 0 && product > 0; e++) product /= 2;
  return up(product);
}
