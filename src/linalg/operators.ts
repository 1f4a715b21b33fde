import { checkLength, OperatorError } from "./errors.ts";
import type { LinearOperator } from "./operator.ts";

/** Aᵀ as an operator of its own. */
export interface AdjointOperator<A extends LinearOperator = LinearOperator> extends LinearOperator {
  readonly kind: "adjoint";
  readonly of: A;
}

/** c·A. */
export interface ScaledOperator<A extends LinearOperator = LinearOperator> extends LinearOperator {
  readonly kind: "scaled";
  readonly of: A;
  readonly factor: number;
}

/** parts[0] ∘ parts[1] ∘ …, the last applied first. */
export interface CompositionOperator extends LinearOperator {
  readonly kind: "composition";
  readonly parts: readonly LinearOperator[];
}

/** Block-diagonal: each part acts on its own stretch of the vector. */
export interface DirectSumOperator extends LinearOperator {
  readonly kind: "direct-sum";
  readonly parts: readonly LinearOperator[];
}

/** Aᵀ: rows and columns change places. */
export function adjointOf<A extends LinearOperator>(of: A): AdjointOperator<A> {
  return {
    kind: "adjoint",
    of,
    rows: of.cols,
    cols: of.rows,
    apply: (x) => of.adjoint(x),
    adjoint: (y) => of.apply(y),
  };
}

/**
 * c·A.
 * @throws OperatorError when the factor is not finite.
 */
export function scale<A extends LinearOperator>(of: A, factor: number): ScaledOperator<A> {
  if (!Number.isFinite(factor)) throw new OperatorError("scaling factor", factor, "a finite number");
  return {
    kind: "scaled",
    of,
    factor,
    rows: of.rows,
    cols: of.cols,
    apply: (x) => multiplied(of.apply(x), factor),
    adjoint: (y) => multiplied(of.adjoint(y), factor),
  };
}

/**
 * The product a b c…: the last operator acts first.
 * @throws OperatorError when there is none, or neighbours do not fit.
 */
export function compose(...parts: readonly LinearOperator[]): CompositionOperator {
  const [first, last] = ends("composition", parts);
  for (let i = 1; i < parts.length; i++) {
    if (parts[i - 1]!.cols !== parts[i]!.rows) {
      const shapes = `${shape(parts[i - 1]!)} after ${shape(parts[i]!)}`;
      throw new OperatorError("composition", shapes, "as many columns on the left as rows on the right");
    }
  }
  return {
    kind: "composition",
    parts,
    rows: first.rows,
    cols: last.cols,
    apply: (x) => parts.reduceRight((v, part) => part.apply(v), x),
    adjoint: (y) => parts.reduce((v, part) => part.adjoint(v), y),
  };
}

/**
 * The block-diagonal operator of several.
 * @throws OperatorError when there is none.
 */
export function directSum(parts: readonly LinearOperator[]): DirectSumOperator {
  ends("direct sum", parts);
  return {
    kind: "direct-sum",
    parts,
    rows: parts.reduce((sum, part) => sum + part.rows, 0),
    cols: parts.reduce((sum, part) => sum + part.cols, 0),
    apply: (x) => stretches(x, parts, "cols", "rows", (part, v) => part.apply(v)),
    adjoint: (y) => stretches(y, parts, "rows", "cols", (part, v) => part.adjoint(v)),
  };
}

function stretches(
  x: Float64Array,
  parts: readonly LinearOperator[],
  from: "rows" | "cols",
  to: "rows" | "cols",
  act: (part: LinearOperator, v: Float64Array) => Float64Array,
): Float64Array {
  checkLength(
    "direct sum's argument",
    x.length,
    parts.reduce((sum, part) => sum + part[from], 0),
  );
  const y = new Float64Array(parts.reduce((sum, part) => sum + part[to], 0));
  let read = 0;
  let written = 0;
  for (const part of parts) {
    y.set(act(part, x.slice(read, read + part[from])), written);
    read += part[from];
    written += part[to];
  }
  return y;
}

function multiplied(x: Float64Array, factor: number): Float64Array {
  for (let i = 0; i < x.length; i++) x[i]! *= factor;
  return x;
}

function ends(what: string, parts: readonly LinearOperator[]): readonly [LinearOperator, LinearOperator] {
  const first = parts[0];
  const last = parts.at(-1);
  if (first === undefined || last === undefined) throw new OperatorError(what, "no operator", "at least one");
  return [first, last];
}

function shape(operator: LinearOperator): string {
  return `${operator.rows}×${operator.cols}`;
}
