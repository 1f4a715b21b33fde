import { kernels, plainKernels } from "../kernels/index.ts";
import type { SymbolKernel, TapLattice } from "../kernels/types.ts";
import { Lanczos } from "./lanczos.ts";
import { deriveSeed, RandomStream } from "./random.ts";
import { ROOT_ERROR } from "./roots-of-unity.ts";
import {
  addUp,
  divUp,
  down,
  gamma,
  mulUp,
  scaleToUnit,
  sqrtDown,
  sqrtUp,
  sumOfSquaresUp,
  up,
} from "./rounding.ts";
import { baseFrequencies, PhaseTable, type SymbolGrid } from "./symbol-grid.ts";
import { certifiedSquare } from "./verified-cholesky.ts";

/** A real convolution kernel: c_out × (c_in/groups) × taps, row-major, taps fastest. */
export interface KernelTensor {
  readonly values: Float64Array;
  readonly channelsOut: number;
  /** c_in / groups. */
  readonly channelsIn: number;
  readonly groups: number;
  /** Spatial sizes; their product is the number of taps. */
  readonly size: readonly number[];
}

export interface SymbolBoundOptions {
  readonly guarantee: "probable" | "proof";
  /** For all frequencies together (`probable`). */
  readonly failureProbability: number;
  readonly seed: bigint;
  /** Only frequencies with index ≡ part (mod parts), so that threads can share the grid. */
  readonly part?: number;
  readonly parts?: number;
  /** Bounds each group tightly by itself, not only the largest. */
  readonly perGroup?: boolean;
}

/** The largest norm over a grid of frequencies, enclosed. */
export interface SymbolBound {
  readonly lower: number;
  readonly upper: number;
  /** Of each group with `perGroup`, otherwise one number for all. */
  readonly groupUppers: Float64Array;
  /** Matrices examined: groups × frequencies. */
  readonly frequencies: number;
  /** Where `lower` was found; null when the kernel is zero. */
  readonly peak: SymbolPeak | null;
}

/** The frequency of the largest gain found, and the input that is amplified by it. */
export interface SymbolPeak {
  readonly group: number;
  /** ω/2π per axis. */
  readonly turns: readonly number[];
  /** Top right singular vector of [F(ω + 2πj/s)]_j, interleaved re, im; alias by alias, channels of the group fastest. */
  readonly vector: Float64Array;
}

const SQRT2_UP = up(Math.SQRT2);
const LANCZOS_LIMIT = 300;

/**
 * How far the bound may end above the grid's maximum, relatively. Only a new largest frequency has to be resolved
 * this finely, and in random order a grid of n matrices has about log n of those.
 */
const RESOLUTION = 1e-6;

/** Where a factorisation verifies it, a Ritz value is good enough long before its own upper bound is this tight. */
const GUESS_RESOLUTION = 1e-3;

/** Shifts tried at one frequency before its trace, which always bounds, is taken. */
const MAX_RAISES = 12;

/** Matrices of at most this many rows are factorised even when only a probable bound is asked: that is cheaper. */
const PROVED_ROWS = 64;

/** Group matrices of at most this many entries stay in plain JS: a kernel memory each would cost more. */
const PLAIN_ENTRIES = 16;

/** How far a computed symbol matrix may be from the true one, in the Frobenius norm, per unit ‖W‖_F. */
function symbolError(axes: number, taps: number, aliases: number): number {
  const root = mulUp(SQRT2_UP, ROOT_ERROR);
  const product = mulUp(SQRT2_UP, gamma(2));
  const phase = mulUp(addUp(mulUp(axes, root), mulUp(axes - 1, product)), 1.001);
  const sum = mulUp(mulUp(SQRT2_UP, gamma(taps + 1)), 1.001);
  return mulUp(addUp(phase, sum), mulUp(sqrtUp(taps), sqrtUp(aliases)));
}

/**
 * Encloses max over the grid of ‖[F(ω + 2πj/s)]_j‖/√∏s, for all groups, times the grid's factor: an upper bound of
 * the convolution's norm. `proof` verifies one Cholesky factorisation per frequency; `probable` runs Lanczos with
 * an independent random start at each and adds up the failure probabilities.
 */
export function symbolBound(
  kernel: KernelTensor,
  grid: SymbolGrid,
  options: SymbolBoundOptions,
): SymbolBound {
  const task = new GridTask(kernel, grid, options);
  task.run();
  return task.result();
}

/** In random order (Fisher–Yates), so that neighbours on the way up to a peak do not each set a new record. */
function shuffled<T>(items: T[], seed: bigint): T[] {
  const random = new RandomStream(deriveSeed(seed, -1));
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random.uniform() * (i + 1));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}

/** One group's part of the kernel. */
interface GroupSymbol {
  readonly symbol: SymbolKernel;
  readonly rows: number;
  /** Columns, aliases included: the products behind one Gram entry. */
  readonly terms: number;
  readonly eta: number;
  readonly group: number;
  /** True where the symbol holds Fᵀ. */
  readonly flipped: boolean;
}

/** One frequency of one group, set in `symbol`. */
interface Frequency extends GroupSymbol {
  readonly index: number;
  /** Number of this matrix among all groups and frequencies. */
  readonly serial: number;
}

/** Fᴴx for the left singular vector x; where Fᵀ is held, x's conjugate already is the right singular vector. */
function rightVector({ symbol, rows, terms, flipped }: Frequency, x: Float64Array): Float64Array {
  if (flipped) return x.map((value, i) => (i % 2 === 0 ? value : -value));
  const { re, im } = symbol.matrix();
  const v = new Float64Array(2 * terms);
  for (let row = 0; row < rows; row++) {
    const a = x[2 * row]!;
    const b = x[2 * row + 1]!;
    for (let col = 0; col < terms; col++) {
      const at = row * terms + col;
      v[2 * col]! += re[at]! * a + im[at]! * b;
      v[2 * col + 1]! += re[at]! * b - im[at]! * a;
    }
  }
  return v;
}

class GridTask {
  readonly #kernel: KernelTensor;
  readonly #grid: SymbolGrid;
  readonly #options: SymbolBoundOptions;
  readonly #phases: PhaseTable;
  readonly #frequencies: number[][];
  readonly #scale: number;
  readonly #error: number;
  readonly #parts: number;
  /** Largest rigorous lower bound so far, scaled, before dividing by √aliases. */
  #lower = 0;
  /** Certified upper bounds so far, by group or one for all, on the same scale. */
  readonly #uppers: Float64Array;
  /** What each frequency so far was certified against (proof), or the level below which to stop (probable). */
  readonly #levels: Float64Array;
  #examined = 0;
  /** Where `lower` was found, and the left singular vector that proves it. */
  #best: { readonly at: Frequency; readonly x: Float64Array } | null = null;

  constructor(kernel: KernelTensor, grid: SymbolGrid, options: SymbolBoundOptions) {
    this.#kernel = kernel;
    this.#grid = grid;
    this.#options = options;
    this.#phases = new PhaseTable(grid, kernel.size);
    this.#frequencies = shuffled(baseFrequencies(grid), options.seed);
    this.#parts = options.parts ?? 1;
    let max = 0;
    for (const w of kernel.values) max = Math.max(max, Math.abs(w));
    this.#scale = max > 0 ? scaleToUnit(max) : 1;
    this.#uppers = new Float64Array(options.perGroup ? kernel.groups : 1);
    this.#levels = new Float64Array(this.#uppers.length);
    this.#error = symbolError(kernel.size.length, this.#phases.taps, this.#phases.aliases);
  }

  run(): void {
    const { groups } = this.#kernel;
    const matrices = Array.from({ length: groups }, (_, group) => this.#groupSymbol(group));
    for (let index = 0; index < this.#frequencies.length; index++) {
      this.#phases.set(this.#frequencies[index]!);
      for (let group = 0; group < groups; group++) {
        const serial = index * groups + group;
        if (serial % this.#parts !== (this.#options.part ?? 0)) continue;
        const { symbol } = matrices[group]!;
        symbol.setFrequency(this.#phases.cos, this.#phases.sin, this.#phases.aliases);
        this.#examine({ ...matrices[group]!, index, serial });
        this.#examined++;
      }
    }
  }

  result(): SymbolBound {
    const { aliases } = this.#phases;
    const rootDown = sqrtDown(aliases);
    const unscaled = (x: number) => x / this.#scale;
    const groupUppers = this.#uppers.map((upper) =>
      mulUp(up(unscaled(divUp(upper, rootDown))), this.#grid.factor),
    );
    return {
      lower: down(unscaled(down(this.#lower / sqrtUp(aliases)))),
      upper: Math.max(...groupUppers),
      groupUppers,
      frequencies: this.#examined,
      peak: this.#peak(),
    };
  }

  #peak(): SymbolPeak | null {
    if (this.#best === null) return null;
    const { at, x } = this.#best;
    const frequency = this.#frequencies[at.index]!;
    this.#phases.set(frequency);
    at.symbol.setFrequency(this.#phases.cos, this.#phases.sin, this.#phases.aliases);
    const turns = frequency.map((m, a) => m / this.#grid.periods[a]!);
    return { group: at.group, turns, vector: rightVector(at, x) };
  }

  #groupSymbol(group: number): GroupSymbol {
    const { values, rows, cols } = this.#groupMatrix(group);
    let sum = 0;
    for (const w of values) sum += w * w;
    // The last term covers entries that became subnormal when scaled, or whose squares did.
    const frobenius = addUp(sqrtUp(sumOfSquaresUp(sum, values.length)), mulUp(values.length, 2 ** -500));
    const { taps, aliases } = this.#phases;
    const maker = rows * cols <= PLAIN_ENTRIES ? plainKernels : kernels();
    const symbol = maker.symbol(values, rows, cols, taps, this.#lattice(rows));
    const flipped =
      rows !== this.#kernel.channelsOut / this.#kernel.groups || cols !== this.#kernel.channelsIn;
    return { symbol, rows, terms: cols * aliases, eta: mulUp(this.#error, frobenius), group, flipped };
  }

  /** Where Gram matrices will be formed, what lets the kernels share work among frequencies. */
  #lattice(rows: number): TapLattice | undefined {
    if (this.#options.guarantee !== "proof" && rows > PROVED_ROWS) return undefined;
    return { size: this.#kernel.size, frequencies: this.#frequencies.length / this.#parts };
  }

  /** One group's kernel, scaled; at stride 1 with the shorter side as rows (F and Fᵀ have the same norm). */
  #groupMatrix(group: number): { values: Float64Array; rows: number; cols: number } {
    const { values, channelsOut, channelsIn, groups } = this.#kernel;
    const taps = this.#phases.taps;
    const rows = channelsOut / groups;
    const from = values.subarray(group * rows * channelsIn * taps, (group + 1) * rows * channelsIn * taps);
    if (this.#phases.aliases > 1 || rows <= channelsIn) {
      return { values: from.map((w) => w * this.#scale), rows, cols: channelsIn };
    }
    const flipped = new Float64Array(from.length);
    for (let o = 0; o < rows; o++)
      for (let i = 0; i < channelsIn; i++)
        for (let q = 0; q < taps; q++)
          flipped[(i * rows + o) * taps + q] = from[(o * channelsIn + i) * taps + q]! * this.#scale;
    return { values: flipped, rows: channelsIn, cols: rows };
  }

  #examine(at: Frequency): void {
    if (this.#options.guarantee === "proof" || at.rows <= PROVED_ROWS) this.#prove(at);
    else this.#probe(at);
  }

  /** Where the group's level and upper bound are kept. */
  #slot(at: Frequency): number {
    return this.#options.perGroup ? at.group : 0;
  }

  #raiseUpper(at: Frequency, upper: number): void {
    const slot = this.#slot(at);
    this.#uppers[slot] = Math.max(this.#uppers[slot]!, upper);
  }

  /** Certifies ‖F‖ ≤ level at the current frequency, raising the level as far as needed. */
  #prove(at: Frequency): void {
    const { symbol, rows, terms, eta } = at;
    const growth = mulUp(SQRT2_UP, gamma(2 * rows + 4));
    // Every entry of the trace is a sum of 2·terms squares; the last term is for those that underflow.
    const trace = addUp(up(symbol.formGram().trace * (1 + (2 * terms + rows + 4) * 2 ** -52)), 2 ** -900);
    const byTrace = addUp(sqrtUp(trace), eta);
    if (rows === 1 || byTrace <= this.#levels[this.#slot(at)]!) {
      this.#raiseUpper(at, byTrace);
      if (rows === 1 && byTrace > this.#lower) this.#raiseLower(at, Float64Array.of(1, 0));
      return;
    }
    const shift = this.#certifiedShift(at, trace);
    const square = shift === null ? trace : certifiedSquare(shift, rows, growth, symbol.gramError, trace);
    this.#raiseUpper(at, addUp(sqrtUp(Math.min(square, trace)), eta));
  }

  /** The smallest tried shift, at least the level squared, whose Cholesky runs to its end; raises the level to it. */
  #certifiedShift(at: Frequency, trace: number): number | null {
    const { symbol } = at;
    const slot = this.#slot(at);
    const level = this.#levels[slot]!;
    if (level > 0 && symbol.shiftedCholesky(level ** 2) === null) return level ** 2;
    const { guess } = this.#lanczos(at, 1e-9, GUESS_RESOLUTION);
    let raise = RESOLUTION;
    for (let attempt = 0; attempt < MAX_RAISES; attempt++) {
      const shift = Math.max(level, guess * (1 + raise)) ** 2;
      if (!(shift < trace)) return null;
      if (symbol.shiftedCholesky(shift) === null) {
        this.#levels[slot] = Math.sqrt(shift);
        return shift;
      }
      raise *= 4;
    }
    return null;
  }

  /** Lanczos at the current frequency until its bound is met or falls below the level. */
  #probe(at: Frequency): void {
    const total = this.#kernel.groups * this.#frequencies.length;
    const share = this.#options.failureProbability / total;
    const interval = this.#lanczos(at, share, RESOLUTION);
    this.#raiseUpper(at, addUp(interval.upper, at.eta));
    const slot = this.#slot(at);
    this.#levels[slot] = Math.max(this.#levels[slot]!, interval.guess);
  }

  /** The current frequency's norm; on ℝ²ᵐ, where each singular value of F appears twice. */
  #lanczos(at: Frequency, failure: number, resolution: number): { guess: number; upper: number } {
    const { symbol, rows } = at;
    const start = new RandomStream(deriveSeed(this.#options.seed, at.serial)).direction(2 * rows);
    const lanczos = new Lanczos(start, failure);
    for (;;) {
      const product = new Float64Array(2 * rows);
      symbol.gram(lanczos.vector, product);
      lanczos.step(product);
      if (lanczos.closed || lanczos.steps >= LANCZOS_LIMIT) break;
      if (lanczos.upper() <= Math.max(this.#levels[this.#slot(at)]!, lanczos.sigma) * (1 + resolution)) break;
    }
    if (lanczos.sigma > this.#lower) this.#raiseLower(at, lanczos.ritzVector());
    lanczos.release();
    return { guess: lanczos.sigma, upper: lanczos.upper() };
  }

  /** ‖F‖² ≥ xᵀFFᴴx/‖x‖² less the rounding of the product. */
  #raiseLower(at: Frequency, x: Float64Array): void {
    const { symbol, rows, terms, eta } = at;
    const y = new Float64Array(2 * rows);
    symbol.gram(x, y);
    let inner = 0;
    let square = 0;
    for (let i = 0; i < x.length; i++) {
      inner += x[i]! * y[i]!;
      square += x[i]! * x[i]!;
    }
    // |fl(FFᴴx) − FFᴴx| ≤ 2√2·γ·‖F‖_F²‖x‖ and ‖F‖_F² ≤ rows·‖F‖²: a relative error of the result.
    const relative = mulUp(mulUp(mulUp(3, SQRT2_UP), gamma(2 * (terms + rows) + 4)), rows);
    const quotient = down(down(inner) / up(square * (1 + 2 * (x.length + 2) * 2 ** -52)));
    const lower = down(sqrtDown(down(quotient / (1 + 2 * relative))) - eta);
    if (!(lower > this.#lower)) return;
    this.#lower = lower;
    this.#best = { at, x };
  }
}
