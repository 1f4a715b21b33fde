import { mulUp } from "../../linalg/rounding.ts";
import { rootUp } from "../constants/rule.ts";
import { most, occurrences } from "./index-maps.ts";
import type { Box, GeneralOperation } from "./operation.ts";
import { gathered, scattered } from "./rearranged-part.ts";

/** Where an operation's arguments lie in the signals, and its result in the output. */
export interface Rearrangement {
  /** For each signal, the source of each entry of the argument; undefined where they are the same. */
  readonly sources: readonly (Int32Array | undefined)[];
  /** Lengths of the signals. */
  readonly sizes: readonly number[];
  /** Entry of the operation's result at each place of the output, each once; undefined where they are the same. */
  readonly result: Int32Array | undefined;
}

/** An operation whose arguments and result lie in another order than the signals and the output. */
export function rearrangedOperation(of: GeneralOperation, order: Rearrangement): GeneralOperation {
  const { sources, sizes, result } = order;
  if (result === undefined && sources.every((s) => s === undefined)) return of;
  const take = (v: Float64Array, i: number) => {
    const s = sources[i];
    return s === undefined ? v : gathered(v, s);
  };
  const read = (x: readonly Float64Array[]) => x.map(take);
  const readBoxes = (x: readonly Box[]) => x.map(({ lo, hi }, i) => ({ lo: take(lo, i), hi: take(hi, i) }));
  const give = (y: Float64Array) => (result ? gathered(y, result) : y);
  const back = (y: Float64Array) => (result ? scattered(y, result, y.length) : y);
  const copies = sources.map((s, i) => (s === undefined ? 1 : rootUp(most(occurrences(s, sizes[i])))));
  const { image, local } = of;
  return {
    kind: "general",
    forward: (x) => give(of.forward(read(x))),
    jvp: (x, y, dx) => give(of.jvp(read(x), back(y), read(dx))),
    vjp: (x, y, dy) =>
      of.vjp(read(x), back(y), back(dy)).map((v, i) => {
        const s = sources[i];
        return s === undefined ? v : scattered(v, s, sizes[i]);
      }),
    ...(image && {
      image(x) {
        const { lo, hi } = image(readBoxes(x));
        return { lo: give(lo), hi: give(hi) };
      },
    }),
    ...(local && {
      local(x) {
        const found = local(readBoxes(x));
        if (found === null) return null;
        const constants = found.constants.map((c, i) => (copies[i] === 1 ? c : mulUp(c, copies[i])));
        return { ...found, constants };
      },
    }),
  };
}

/** The positions of a permutation's values. */
export function inverse(order: Int32Array): Int32Array {
  const places = new Int32Array(order.length);
  for (let i = 0; i < order.length; i++) places[order[i]] = i;
  return places;
}

/** An operation of one signal on groups of entries that lie one after another once the axes are in this order. */
export function inOrder(of: GeneralOperation, order: Int32Array | undefined): GeneralOperation {
  if (order === undefined) return of;
  return rearrangedOperation(of, { sources: [order], sizes: [order.length], result: inverse(order) });
}
