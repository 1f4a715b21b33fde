import { type Lags, lagsOf, magnitude, weighLags } from "./lags.ts";
import type { TapLattice } from "./types.ts";
import type { KernelMemory } from "./wasm-module.ts";

/** What assembly/lags.ts exports. */
export interface LagExports {
  packTaps(kernel: number, groups: number, cols: number, taps: number, width: number, to: number): void;
  addLags(
    packed: number,
    groups: number,
    taps: number,
    bytes: number,
    pairs: number,
    end: number,
    tiles: number,
    place: number,
  ): void;
  weighLags(lags: number, count: number, weights: number, tiles: number, places: number): void;
}

/** Where a kernel lies, packed by groups of four rows. */
export interface PackedKernel {
  readonly address: number;
  readonly groups: number;
  readonly cols: number;
  readonly taps: number;
}

/** Columns multiplied at a time: all taps of one group stay in the first-level cache. */
const DEPTH = 64;

/** Bytes of a complex tile of 4 × 4. */
const TILE = 256;

/** The sums of all lags take at most this: a worker's share of an ordinary machine. */
const MAX_BYTES = 2 ** 28;

/**
 * Gram matrices with a larger error per ‖F‖_F² than this are formed directly: the taps nearly cancel there. So small
 * an error also leaves no diagonal entry far enough below 0 for shift·I − G to outgrow the proofs' bound of its trace.
 */
const MAX_ERROR = 2 ** -34;

/** Below this ‖P‖_F², products may underflow. */
const MIN_MAGNITUDE = 2 ** -500;

/**
 * The lags of a kernel if summing their products once costs less than forming `frequencies` Gram matrices directly:
 * taps²/2 real products per entry pair and column once, against two per column for each frequency.
 */
export function worthwhileLags(
  lattice: TapLattice,
  rows: number,
  cols: number,
  taps: number,
): Lags | undefined {
  const lags = lagsOf(lattice, taps);
  const saved = lattice.frequencies * 2 * (cols - 2 * lags.count);
  const fits = lagBytes(lags, Math.ceil(rows / 4)) <= MAX_BYTES;
  return fits && saved > (taps * taps * cols) / 2 ? lags : undefined;
}

/** Memory for the weights, the pairs, and a triangle of tiles per lag. */
export function lagBytes({ count, pairs }: Lags, groups: number): number {
  return 16 * count + 16 * Math.ceil(pairs.length / 4) + count * triangle(groups) * TILE;
}

function triangle(groups: number): number {
  return (groups * (groups + 1)) / 2;
}

/** Gram matrices of a kernel's symbols from the autocorrelation of its taps; see assembly/lags.ts. */
export class WasmLags {
  readonly #memory: KernelMemory<LagExports>;
  readonly #lags: Lags;
  readonly #groups: number;
  readonly #weights: number;
  readonly #tiles: number;
  readonly #roundings: number;
  readonly #magnitude: number;

  /** @param address where `lagBytes` bytes, zero-filled, are left for this; from `scratch` on memory is free. */
  constructor(
    memory: KernelMemory<LagExports>,
    lags: Lags,
    kernel: PackedKernel,
    values: Float64Array,
    address: number,
    scratch: number,
    title: string,
  ) {
    this.#memory = memory;
    this.#lags = lags;
    this.#groups = kernel.groups;
    this.#weights = address;
    const pairs = address + 16 * lags.count;
    this.#tiles = pairs + 16 * Math.ceil(lags.pairs.length / 4);
    this.#magnitude = magnitude(values, kernel.taps);
    // A product, its sum over a chunk, U or V of two such, their sums over chunks and pairs, the weight, the lags.
    this.#roundings = DEPTH + Math.ceil(kernel.cols / DEPTH) * kernel.taps + lags.count + 3;
    memory.reserve(scratch + 32 * DEPTH * kernel.taps * kernel.groups, title);
    memory.bytes(pairs, 4 * lags.pairs.length).set(new Uint8Array(lags.pairs.buffer));
    this.#sum(kernel, pairs, scratch);
  }

  #sum({ address, groups, cols, taps }: PackedKernel, pairs: number, packed: number): void {
    const { packTaps, addLags } = this.#memory.exports;
    const end = pairs + 4 * this.#lags.pairs.length;
    for (let first = 0; first < cols; first += DEPTH) {
      const width = Math.min(DEPTH, cols - first);
      packTaps(address + 32 * taps * first, groups, cols, taps, width, packed);
      addLags(packed, groups, taps, 32 * width, pairs, end, this.#tiles, TILE * this.#lags.count);
    }
  }

  /**
   * Puts the Gram matrix of one frequency at `to`.
   * @param squareSum a lower bound of ‖F‖_F².
   * @returns its error relative to ‖F‖_F², or null, with nothing done, where that would be too large.
   */
  form(cos: Float64Array, sin: Float64Array, aliases: number, squareSum: number, to: number): number | null {
    const { weights, error } = weighLags(this.#lags, cos, sin, aliases, this.#roundings);
    const relative = (error * this.#magnitude * (1 + 2 ** -50)) / squareSum;
    if (!(relative <= MAX_ERROR && this.#magnitude >= MIN_MAGNITUDE)) return null;
    this.#memory.doubles(this.#weights, weights.length).set(weights);
    const { count } = this.#lags;
    this.#memory.exports.weighLags(this.#tiles, count, this.#weights, to, triangle(this.#groups));
    return relative;
  }
}
