/** A function's value at a point; slopes are only worked out where the point is kept. */
export interface Valued {
  readonly value: number;
  /** The gradient, and a positive guess of the Hessian's diagonal. */
  slopes(): { readonly gradient: Float64Array; readonly curvature: Float64Array };
}

/** null where the function is not defined. */
export type Objective = (x: Float64Array) => Valued | null;

/** Pairs of steps and changes of the gradient that are remembered. */
const MEMORY = 8;

/** No coordinate moves further at once. */
const LONGEST_STEP = 0.3;

/** Share of the decrease promised by the gradient that a step has to bring (Armijo). */
const SUFFICIENT = 1e-4;

/** Shorter after a step that brought too little. */
const SHORTEN = 0.5;

/** Curvatures below this share of the largest are raised to it. */
const FLATTEST = 1e-3;

interface Pair {
  readonly step: Float64Array;
  readonly change: Float64Array;
  readonly product: number;
}

/**
 * Minimises by L-BFGS (Nocedal & Wright, algorithm 7.4) with the given curvatures as the initial Hessian, from
 * `start`, until `evaluations` are spent or one more step brings less than `tolerance`.
 * @returns the best point found; `start` where the function is not defined there.
 */
export function minimize(
  objective: Objective,
  start: Float64Array,
  evaluations: number,
  tolerance: number,
): Float64Array {
  let x = start;
  let here = objective(x);
  let left = evaluations - 1;
  const pairs: Pair[] = [];
  let longest = LONGEST_STEP;
  while (here !== null && left > 0) {
    const { gradient, curvature } = here.slopes();
    const direction = descent(gradient, curvature, pairs, longest);
    const slope = dot(direction, gradient);
    if (!(slope < 0)) break;
    let next: Valued | null = null;
    let length = 1;
    let y = x;
    for (; left > 0; length *= SHORTEN) {
      y = moved(x, direction, length);
      next = objective(y);
      left--;
      if (next !== null && next.value <= here.value + SUFFICIENT * length * slope) break;
      next = null;
    }
    if (next === null) break;
    longest = Math.min(LONGEST_STEP, length < 1 ? 2 * length * largest(direction) : 2 * longest);
    const gain = here.value - next.value;
    if (left > 0 && gain > tolerance) remember(pairs, direction, length, gradient, next.slopes().gradient);
    x = y;
    here = next;
    if (!(gain > tolerance)) break;
  }
  return x;
}

/** −H g for the remembered approximation H of the inverse Hessian, no coordinate longer than allowed. */
function descent(
  gradient: Float64Array,
  curvature: Float64Array,
  pairs: readonly Pair[],
  longest: number,
): Float64Array {
  const direction = gradient.map((g) => -g);
  const flattest = FLATTEST * largest(curvature);
  const inverse = curvature.map((c) => 1 / Math.max(c, flattest));
  const shares: number[] = [];
  for (const { step, change, product } of pairs.toReversed()) {
    const share = dot(step, direction) / product;
    shares.unshift(share);
    add(direction, change, -share);
  }
  const last = pairs.at(-1);
  const scale = last === undefined ? 1 : last.product / weightedSquare(last.change, inverse);
  for (let i = 0; i < direction.length; i++) direction[i]! *= scale * inverse[i]!;
  pairs.forEach(({ step, change, product }, i) => {
    add(direction, step, shares[i]! - dot(change, direction) / product);
  });
  const shorten = Math.min(longest / largest(direction), 1);
  for (let i = 0; i < direction.length; i++) direction[i]! *= shorten;
  return direction;
}

/** Keeps a pair whose curvature is positive beyond rounding. */
function remember(
  pairs: Pair[],
  direction: Float64Array,
  length: number,
  before: Float64Array,
  after: Float64Array,
): void {
  const step = direction.map((d) => length * d);
  const change = after.map((g, i) => g - before[i]!);
  const product = dot(step, change);
  if (!(product > 1e-10 * Math.sqrt(dot(step, step) * dot(change, change)))) return;
  pairs.push({ step, change, product });
  if (pairs.length > MEMORY) pairs.shift();
}

function moved(x: Float64Array, direction: Float64Array, length: number): Float64Array {
  return x.map((value, i) => value + length * direction[i]!);
}

/** max |xᵢ|. */
function largest(x: Float64Array): number {
  return x.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

function add(to: Float64Array, x: Float64Array, factor: number): void {
  for (let i = 0; i < to.length; i++) to[i]! += factor * x[i]!;
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  return sum;
}

function weightedSquare(x: Float64Array, weights: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * x[i]! * weights[i]!;
  return sum;
}
