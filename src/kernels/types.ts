/**
 * What the compute kernels offer, in one interface with two implementations that must agree: `wasm.ts`
 * (AssemblyScript SIMD) and `plain.ts` (the plain-JS twin, also the fallback where WebAssembly SIMD is missing).
 * All arithmetic is float64, whatever the storage: a float32 pass perturbs the Lanczos recurrence by more than
 * the start overlap δ ~ 1e-11 on which the probable bound rests.
 */

/** Storage types the passes read directly. Float8 values are exact in bfloat16 and are widened to it first. */
export type StorageType = "float64" | "float32" | "float16" | "bfloat16";

/** What one scan of a block's entries tells; `finite` false means NaN or ±∞ is stored (the rest is then meaningless). */
export interface BlockScan {
  readonly finite: boolean;
  /** max |a|, exact. */
  readonly maxAbs: number;
  /** Σ (a·scale)², float64, any summation order. `scale` is the power of two passed to `scan`. */
  readonly sumOfSquares: number;
}

/**
 * A block of matrix rows (rows × cols, row-major) held in the kernels' own memory for the whole of a computation.
 * Vectors are plain Float64Arrays outside that memory; every method copies in and out.
 */
export interface RowBlock {
  readonly type: StorageType;
  readonly rows: number;
  readonly cols: number;
  /** Leaves the memory to the next block; the block must not be used afterwards. Unreleased blocks are collected. */
  release(): void;
  /** Copies little-endian element bytes to the position of element `offset` (in elements; row-major). */
  load(bytes: Uint8Array, offset: number): void;
  /** One pass over the entries. Sums squares of a·scale, so that neither 1e30 nor 1e-40 over- or underflows. */
  scan(scale: number): BlockScan;
  /** y = A v (length rows). */
  apply(v: Float64Array, y: Float64Array): void;
  /** w = Aᵀ y (length cols). */
  adjoint(y: Float64Array, w: Float64Array): void;
  /** The fused Lanczos pass w = Aᵀ(A v), each row read from memory once. */
  gram(v: Float64Array, w: Float64Array): void;
  /** Block product Y = A X: X is cols × count row-major, Y is rows × count row-major. */
  applyBlock(x: Float64Array, count: number, y: Float64Array): void;
  /** Block product X = Aᵀ Y, same layouts. */
  adjointBlock(y: Float64Array, count: number, x: Float64Array): void;
  /** Fused block product Z = Aᵀ(A X), X and Z cols × count row-major. */
  gramBlock(x: Float64Array, count: number, z: Float64Array): void;
}

/** Outcome of a Cholesky factorisation: null when every pivot was > 0, else the index of the first that was not. */
export type FailedPivot = number | null;

export interface Kernels {
  readonly name: "wasm" | "plain";
  /** Zero-filled block. @throws RangeError when rows·cols does not fit in the kernels' address space. */
  rowBlock(type: StorageType, rows: number, cols: number): RowBlock;
  /**
   * Gram matrix in float64: G = (c·A)(c·A)ᵀ, lower triangle of the rows × rows row-major result (upper unspecified).
   * `scale` c is a power of two, so scaling is exact. No Strassen; any summation order.
   */
  gramMatrix(block: RowBlock, scale: number): Float64Array;
  /**
   * Cholesky of H = shift·I − G with only G's lower triangle read: entries −Gᵢⱼ off the diagonal, fl(shift − Gᵢᵢ)
   * on it. `g` (n × n, row-major) is not changed. Plain or blocked, no inverted blocks, so that Rump's a-priori
   * error bound holds (numerics: γ_{n+2} tr H).
   */
  shiftedCholesky(g: Float64Array, n: number, shift: number): FailedPivot;
  /**
   * A symbol calculator for a real convolution kernel: rows × cols × taps, row-major float64 (taps fastest).
   * For weights cosᵩ, sinᵩ per tap: Re = Σ W cos, Im = −Σ W sin.
   * @param lattice tell it when Gram matrices of many frequencies will be formed: work may then be shared among them.
   */
  symbol(kernel: Float64Array, rows: number, cols: number, taps: number, lattice?: TapLattice): SymbolKernel;
}

/** How the taps lie. It is only made use of: results are right for waves of any kind. */
export interface TapLattice {
  /** Taps per axis, row-major; their product is the number of taps. */
  readonly size: readonly number[];
  /** About how many times `formGram` will be called. */
  readonly frequencies: number;
}

/** Symbols F(ω) of one convolution kernel, and what a proof needs of them, one frequency at a time. */
export interface SymbolKernel {
  /**
   * Sets the current matrix to the rows × (cols·aliases) complex matrix [F(ω₀) F(ω₁) …], where alias j has
   * cos[j·taps + q], sin[j·taps + q]. Later calls replace it.
   */
  setFrequency(cos: Float64Array, sin: Float64Array, aliases: number): void;
  /** Copies the current matrix out (rows × cols·aliases, row-major), for tests. */
  matrix(): { re: Float64Array; im: Float64Array };
  /**
   * y = F Fᴴ x: x and y hold `rows` complex numbers, interleaved re, im.
   */
  gram(x: Float64Array, y: Float64Array): void;
  /**
   * Hermitian Gram G = F Fᴴ of the current matrix (rows × rows), then Cholesky of shift·I − G, all kept inside.
   * G is right within `gramError`; the factorisation is made of real operations, plain or blocked, no inverted blocks.
   * Call `formGram` once per frequency, then `shiftedCholesky` for as many shifts as needed.
   * @returns trace ‖F‖_F², as a float64 sum of the 2·cols·aliases squares of each row, then of the rows' sums.
   */
  formGram(): { trace: number };
  /**
   * An upper bound of ‖fl(G) − G‖_F / ‖F‖_F² (so of the spectral norm too) for the Gram matrix last formed, where
   * F is the current matrix as `matrix` returns it. Holds unless numbers overflow or underflow. ∞ after
   * `setFrequency`, until `formGram`.
   */
  readonly gramError: number;
  /** Copies the Gram matrix out (rows × rows, row-major; upper triangle unspecified), for tests. */
  gramMatrix(): { re: Float64Array; im: Float64Array };
  shiftedCholesky(shift: number): FailedPivot;
}
