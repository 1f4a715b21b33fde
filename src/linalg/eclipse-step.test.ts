import { describe, expect, it } from "vitest";
import { type Chain, chainOf } from "./eclipse-chain.ts";
import { gram } from "./eclipse-products.ts";
import { type Reach, reachOf } from "./eclipse-reach.ts";
import { activationOf, type Stage, stageOf } from "./eclipse-stage.ts";
import { passStage, stageProducts } from "./eclipse-step.ts";
import { RandomStream } from "./random.ts";
import { gaussian, matrixProduct, transposed } from "./testing/matrices.ts";
import {
  flipped,
  isPositiveSemidefinite,
  matrixTimes,
  minus,
  plus,
  type Rational,
  type RationalMatrix,
  rational,
  rationalMatrix,
  signOf,
  times,
  ZERO,
} from "./testing/rational.ts";

function size(random: RandomStream, most: number): number {
  return 1 + Math.floor(random.uniform() * most);
}

/** A reach of n units; of a lower rank or with units of very different sizes now and then. */
function randomReach(random: RandomStream, n: number, index: number): Reach {
  const rank = index % 3 === 0 ? 1 : n;
  const rows = gaussian(random, n, rank).map((x, i) =>
    index % 4 === 1 ? x * 10 ** (-2 * Math.floor(i / rank)) : x,
  );
  const gram = matrixProduct(rows, transposed(rows, n, rank), n, rank, n);
  return reachOf(gram, n, 1e-14, 0)!;
}

function randomStage(random: RandomStream, n: number, index: number): Stage {
  const min = new Float64Array(n);
  const max = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const kind = (index + (index % 5 === 0 ? 0 : i)) % 5;
    const [a, b] = [random.normal(), random.normal()];
    [min[i], max[i]] =
      kind === 0
        ? [0, 1]
        : kind === 1
          ? [1, 1]
          : kind === 2
            ? [-1, 1]
            : kind === 3
              ? [a, a]
              : [Math.min(a, b), Math.max(a, b)];
  }
  const next = size(random, 3);
  return stageOf(activationOf({ min, max }), gaussian(random, next, n), next);
}

/** V (C M C + diag(p r²) + C M_·U (diag p − M_UU)⁻¹ M_U· C) Vᵀ in exact arithmetic. */
function exactPassage(stage: Stage, reach: Reach, multipliers: Float64Array): RationalMatrix {
  const { units: n, next, weights, activation } = stage;
  const { loose, radius, center } = activation;
  const k = loose.length;
  const m = rationalMatrix(n, n, (i, j) => rational(reach.entries[i * n + j]!));
  const c = [...center].map(rational);
  const right = rationalMatrix(k, n, (i, j) => times(m[loose[i]!]![j]!, c[j]!));
  const a = rationalMatrix(k, k, (i, j) => {
    const entry = m[loose[i]!]![loose[j]!]!;
    return i === j ? minus(rational(multipliers[i]!), entry) : minus(ZERO, entry);
  });
  const solved = k === 0 ? [] : solve(a, right);
  const inner = rationalMatrix(n, n, (i, j) => {
    const place = loose.indexOf(i);
    const own =
      i === j && place >= 0
        ? times(rational(multipliers[place]!), times(rational(radius[place]!), rational(radius[place]!)))
        : ZERO;
    const added = right.reduce((sum, row, l) => plus(sum, times(row[i]!, solved[l]![j]!)), own);
    return plus(added, times(times(c[i]!, m[i]![j]!), c[j]!));
  });
  const v = rationalMatrix(next, n, (i, j) => rational(weights[i * n + j]!));
  return matrixTimes(matrixTimes(v, inner), flipped(v));
}

/** A⁻¹B of a positive definite A, by Gauss–Jordan elimination. */
function solve(a: RationalMatrix, b: RationalMatrix): RationalMatrix {
  const rows = a.map((row, i) => [...row, ...b[i]!]);
  for (let i = 0; i < rows.length; i++) {
    const pivot = rows[i]![i]!;
    rows[i] = rows[i]!.map((x) => times(x, { over: pivot.under, under: pivot.over }));
    for (let j = 0; j < rows.length; j++) {
      const factor = rows[j]![i]!;
      if (j !== i && signOf(factor) !== 0)
        rows[j] = rows[j]!.map((x, l) => minus(x, times(factor, rows[i]![l]!)));
    }
  }
  return rows.map((row) => row.slice(a.length));
}

function power(exponent: number): Rational {
  return rational(2 ** exponent);
}

/** How many stages were passed, and for how many the reach behind them does not cover the exact one. */
function check(count: number, distance: (random: RandomStream) => number, tamper: (x: number) => number) {
  const random = new RandomStream(7n);
  let passed = 0;
  let wrong = 0;
  for (let index = 0; index < count; index++) {
    const n = size(random, 4);
    const reach = randomReach(random, n, index);
    const stage = randomStage(random, n, index);
    const { loose } = stage.activation;
    // Row sums of |M| make diag p − M_UU dominant.
    const multipliers = Float64Array.from(loose, (unit) => {
      const row = reach.entries.subarray(unit * n, (unit + 1) * n);
      return row.reduce((sum, x) => sum + Math.abs(x), 0) * (1 + distance(random));
    });
    const products = stageProducts(stage, reach);
    const behind = passStage(stage, reach, products, multipliers)?.reach;
    if (behind === undefined) continue;
    passed++;
    const exact = exactPassage(stage, reach, multipliers);
    const scale = power(2 * (behind.exponent - reach.exponent));
    const surplus = rationalMatrix(stage.next, stage.next, (i, j) => {
      const entry = behind.entries[i * stage.next + j]!;
      return minus(times(rational(i === j ? tamper(entry) : entry), scale), exact[i]![j]!);
    });
    if (!isPositiveSemidefinite(surplus)) wrong++;
  }
  return { passed, wrong };
}

describe("one step of the recursion, against exact arithmetic", () => {
  const far = (random: RandomStream) => 0.1 + random.uniform();
  const near = (random: RandomStream) => 10 ** (-14 * random.uniform());

  it("covers what it stands for", () => {
    expect(check(240, far, (x) => x)).toEqual({ passed: 240, wrong: 0 });
  });

  it("covers it, or fails, where the multipliers are close to the point where they stop to exist", () => {
    const { passed, wrong } = check(240, near, (x) => x);
    expect(wrong).toBe(0);
    expect(passed).toBeGreaterThan(120);
  });

  it("covers no more than it must: 1e-12 less is found", () => {
    expect(check(100, far, (x) => x * (1 - 1e-12)).wrong).toBeGreaterThan(75);
  });
});

describe("the first reach, against exact arithmetic", () => {
  it("covers W₁W₁ᵀ on the units kept", () => {
    const random = new RandomStream(9n);
    for (let index = 0; index < 100; index++) {
      const rows = 1 + size(random, 3);
      const cols = size(random, 6);
      const entries = gaussian(random, rows, cols).map((x) => x * 2 ** (index % 7));
      const max = new Float64Array(rows).fill(1);
      if (index % 2 === 0) max[0] = 0;
      const activation = activationOf({ min: new Float64Array(rows), max });
      const last = { rows: 1, cols: rows, entries: max, error: 0 };
      const first = { entries: gram(entries, rows, cols), rows, cols, scale: 1 };
      const chain = chainOf(first, [last], [activation]) as Chain;
      const w = rationalMatrix(activation.kept.length, cols, (i, j) => {
        return rational(entries[activation.kept[i]! * cols + j]!);
      });
      const exact = matrixTimes(w, flipped(w));
      const { n, exponent } = chain.first;
      const surplus = rationalMatrix(n, n, (i, j) => {
        return minus(times(rational(chain.first.entries[i * n + j]!), power(2 * exponent)), exact[i]![j]!);
      });
      expect(isPositiveSemidefinite(surplus)).toBe(true);
    }
  });
});

describe("slopes as centre and radius", () => {
  it.each([
    [0, 1],
    [-0.1, 1.3],
    [0.1, 0.3],
    [-1e-300, 1e-310],
    [1, 1 + 2 ** -52],
    [-5e-324, 0],
    [1e300, 1.7e308],
  ])("[%g, %g] is enclosed", (min, max) => {
    const { center, radius, scale } = activationOf({ min: Float64Array.of(min), max: Float64Array.of(max) });
    const [c, r, s] = [rational(center[0]!), rational(radius[0]!), rational(scale)];
    expect(signOf(minus(times(s, rational(min)), minus(c, r)))).toBeGreaterThanOrEqual(0);
    expect(signOf(minus(plus(c, r), times(s, rational(max))))).toBeGreaterThanOrEqual(0);
  });

  it("fixed slopes have no radius, inactive units are left out", () => {
    const values = Float64Array.of(0, 1, 0.3, -2, 1e-320);
    const { kept, loose, center } = activationOf({ min: values, max: values });
    expect([...kept]).toEqual([1, 2, 3, 4]);
    expect([...loose]).toEqual([]);
    expect(center[1]! * 2).toBe(0.3);
  });
});
