import type { LinearOperator } from "../../linalg/operator.ts";
import { occurrences } from "./index-maps.ts";
import type { LinearPart } from "./operation.ts";

/** Where a part's argument and result lie in the signal and in the node's output. */
export interface Arrangement {
  /** Source in the signal of each entry of the part's argument; absent when they are the same. */
  readonly argument?: Int32Array | undefined;
  /** Entry of the part's result at each place of the output, −1 for a zero; absent when they are the same. */
  readonly result?: Int32Array | undefined;
}

/** x[sources[i]], 0 where sources[i] is −1. */
export function gathered(x: Float64Array, sources: Int32Array): Float64Array {
  const y = new Float64Array(sources.length);
  for (let i = 0; i < sources.length; i++) {
    const s = sources[i];
    if (s >= 0) y[i] = x[s];
  }
  return y;
}

/** The adjoint of `gathered`: entries that were read several times add up. */
export function scattered(y: Float64Array, sources: Int32Array, size: number): Float64Array {
  const x = new Float64Array(size);
  for (let i = 0; i < sources.length; i++) {
    const s = sources[i];
    if (s >= 0) x[s] += y[i];
  }
  return x;
}

/** A part whose argument and result lie in another order than the signal and the output. */
export function rearrangedPart(part: LinearPart, size: number, arrangement: Arrangement): LinearPart {
  const { argument, result } = arrangement;
  if (argument === undefined && result === undefined) return part;
  const around = (of: LinearOperator): LinearOperator => ({
    rows: result?.length ?? of.rows,
    cols: argument === undefined ? of.cols : size,
    apply(x) {
      const y = of.apply(argument ? gathered(x, argument) : x);
      return result ? gathered(y, result) : y;
    },
    adjoint(y) {
      const x = of.adjoint(result ? scattered(y, result, of.rows) : y);
      return argument ? scattered(x, argument, size) : x;
    },
  });
  const same =
    (argument === undefined || isOrder(argument, size)) &&
    (result === undefined || holdsAll(result, part.rows));
  const norm = part.norm?.bind(part);
  let magnitude: LinearOperator | undefined;
  return {
    ...around(part),
    // Asked for only when an interval is: parts make theirs then.
    get magnitude() {
      magnitude ??= around(part.magnitude ?? part);
      return magnitude;
    },
    roundings: part.roundings,
    rowNorms: () => (result ? gathered(part.rowNorms(), result) : part.rowNorms()),
    ...(same && norm ? { norm } : {}),
    ...(same && part.exactEntries ? { exactEntries: true as const } : {}),
  };
}

/** Each entry is read once. */
function isOrder(sources: Int32Array, size: number): boolean {
  return sources.length === size && holdsAll(sources, size);
}

function holdsAll(sources: Int32Array, size: number): boolean {
  return occurrences(sources, size).every((n) => n === 1);
}
