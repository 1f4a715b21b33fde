import { addUp, mulUp, sqrtUp } from "../../linalg/rounding.ts";
import { at, boxesOf, type Constant, hasData, numbersOf, type Operands, operandsOf } from "./broadcast.ts";
import type { Box, GeneralOperation, Interval, Operation, ScalarFunction } from "./operation.ts";
import type { Binding, OperationRule } from "./rule.ts";
import { sum } from "./scalar-interval.ts";

/** A function of two real variables, with what interval arithmetic needs of it. */
export interface BinaryFunction {
  value(a: number, b: number): number;
  /** ∂f/∂a and ∂f/∂b; any element of the generalised Jacobian at a kink. */
  slopeA(a: number, b: number): number;
  slopeB(a: number, b: number): number;
  /** An interval that holds f on the box, rounded outward; ends may be infinite. */
  image(a: Interval, b: Interval): Interval;
  /**
   * Intervals that hold all slopes of f in a at fixed b, and in b at fixed a, on the box, rounded outward. Infinite
   * where it jumps.
   */
  slopes(a: Interval, b: Interval): readonly [Interval, Interval];
}

/** f(a + b). */
export function ofSum(f: ScalarFunction): BinaryFunction {
  return {
    value: (a, b) => f.value(a + b),
    slopeA: (a, b) => f.slope(a + b),
    slopeB: (a, b) => f.slope(a + b),
    image: (a, b) => f.image(...sum(a, b)),
    slopes: (a, b) => {
      const both = f.slopes(...sum(a, b));
      return [both, both];
    },
  };
}

/** f(·, c). */
function inFirst(f: BinaryFunction, c: number): ScalarFunction {
  return {
    value: (x) => f.value(x, c),
    slope: (x) => f.slopeA(x, c),
    image: (lo, hi) => f.image([lo, hi], [c, c]),
    slopes: (lo, hi) => f.slopes([lo, hi], [c, c])[0],
  };
}

/** f(c, ·). */
function inSecond(f: BinaryFunction, c: number): ScalarFunction {
  return {
    value: (x) => f.value(c, x),
    slope: (x) => f.slopeB(c, x),
    image: (lo, hi) => f.image([c, c], [lo, hi]),
    slopes: (lo, hi) => f.slopes([c, c], [lo, hi])[1],
  };
}

/** One function per unit, those of equal constants shared. */
export function unitFunctions(
  { data, sources, size }: Constant,
  make: (c: number) => ScalarFunction,
): (i: number) => ScalarFunction {
  if (size === 1) {
    const only = make(data[0]);
    return () => only;
  }
  const functions: ScalarFunction[] = [];
  const numbers = new Map<number, number>();
  const which = Int32Array.from(data, (c) => {
    const known = numbers.get(c);
    if (known !== undefined) return known;
    numbers.set(c, functions.length);
    return functions.push(make(c)) - 1;
  });
  return (i) => functions[which[at(sources, i)]];
}

/** A function of two operands broadcast against each other: of one signal where the other is constant. */
export function binaryOperation(binding: Binding, f: BinaryFunction): Operation | string {
  const operands = operandsOf(binding);
  if (typeof operands === "string") return operands;
  if (operands.all.length !== 2) return `it has ${operands.all.length} inputs, not 2`;
  const [a, b] = operands.all;
  if (hasData(b) && a.sources === undefined) {
    return { kind: "elementwise", unit: unitFunctions(b, (c) => inFirst(f, c)) };
  }
  if (hasData(a) && b.sources === undefined) {
    return { kind: "elementwise", unit: unitFunctions(a, (c) => inSecond(f, c)) };
  }
  return general(operands, f);
}

/** The rule of an operator that is such a function whatever its attributes. */
export function binaryRule(f: BinaryFunction): OperationRule {
  return (binding) => binaryOperation(binding, f);
}

function general(operands: Operands, f: BinaryFunction): GeneralOperation {
  const { all, size } = operands;
  const [{ sources: sa }, { sources: sb }] = all;
  const [slopeOf, signals] = [[f.slopeA, f.slopeB], all.flatMap((o, k) => (o.data === undefined ? [k] : []))];
  return {
    kind: "general",
    forward(x) {
      const [a, b] = numbersOf(operands, x);
      const y = new Float64Array(size);
      for (let i = 0; i < size; i++) y[i] = f.value(a[at(sa, i)], b[at(sb, i)]);
      return y;
    },
    jvp(x, _y, dx) {
      const [a, b] = numbersOf(operands, x);
      const dy = new Float64Array(size);
      signals.forEach((k, s) => {
        const { sources } = all[k];
        for (let i = 0; i < size; i++)
          dy[i] += slopeOf[k](a[at(sa, i)], b[at(sb, i)]) * dx[s][at(sources, i)];
      });
      return dy;
    },
    vjp(x, _y, dy) {
      const [a, b] = numbersOf(operands, x);
      return signals.map((k) => {
        const { sources, size: cols } = all[k];
        const dx = new Float64Array(cols);
        for (let i = 0; i < size; i++) dx[at(sources, i)] += slopeOf[k](a[at(sa, i)], b[at(sb, i)]) * dy[i];
        return dx;
      });
    },
    image(boxes) {
      const [a, b] = boxesOf(operands, boxes);
      const image = { lo: new Float64Array(size), hi: new Float64Array(size) };
      for (let i = 0; i < size; i++) {
        [image.lo[i], image.hi[i]] = f.image(entry(a, at(sa, i)), entry(b, at(sb, i)));
      }
      return image;
    },
    local(boxes) {
      const [a, b] = boxesOf(operands, boxes);
      const steepness = all.map(({ size: cols, sources }) => new Copies(cols, sources));
      for (let i = 0; i < size; i++) {
        const slopes = f.slopes(entry(a, at(sa, i)), entry(b, at(sb, i)));
        for (const k of signals) steepness[k].add(i, slopes[k]);
      }
      const constants = signals.map((k) => steepness[k].norm());
      return constants.every((c) => c < Infinity) ? { constants, join: "sum" } : null;
    },
  };
}

function entry({ lo, hi }: Box, i: number): Interval {
  return [lo[i], hi[i]];
}

/** The norm of a diagonal matrix after copying: √(largest sum of squared slopes of the copies of one entry). */
class Copies {
  readonly #sources: Int32Array | undefined;
  readonly #squares: Float64Array;
  #steepest = 0;

  constructor(size: number, sources: Int32Array | undefined) {
    this.#sources = sources;
    this.#squares = new Float64Array(sources === undefined ? 0 : size);
  }

  add(i: number, [least, most]: Interval): void {
    const steep = Math.max(Math.abs(least), Math.abs(most));
    this.#steepest = Math.max(this.#steepest, steep);
    if (this.#sources === undefined) return;
    const j = this.#sources[i];
    this.#squares[j] = addUp(this.#squares[j], mulUp(steep, steep));
  }

  /** Rounded up; NaN or infinite where a slope is. */
  norm(): number {
    return this.#sources === undefined
      ? this.#steepest
      : sqrtUp(this.#squares.reduce((most, x) => Math.max(most, x), 0));
  }
}
