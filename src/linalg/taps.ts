import type { Boundary, ConvolutionGeometry } from "./geometry.ts";

/** Marks a tap that reads the zeros around the input. */
const OUTSIDE = -1;

/**
 * Where a convolution reads: the input pixel under each kernel tap at each output position, one channel's view,
 * shared by all channels. Worked out for a tile of positions at a time, so that a large image needs no large table.
 */
export class Taps {
  /** Kernel taps, the product of the kernel's spatial sizes. */
  readonly count: number;
  /** Output positions, the product of the output's spatial sizes. */
  readonly positions: number;
  /** Input pixels of a channel; also the index that stands for "outside, reads zero". */
  readonly pixels: number;
  readonly #inputSize: readonly number[];
  readonly #kernelSize: readonly number[];
  readonly #outputSize: readonly number[];
  readonly #geometry: ConvolutionGeometry;

  /** Sizes must fit the geometry (see `checkKernel` and `convolutionOutputSize`). */
  constructor(
    inputSize: readonly number[],
    kernelSize: readonly number[],
    outputSize: readonly number[],
    geometry: ConvolutionGeometry,
  ) {
    this.#inputSize = inputSize;
    this.#kernelSize = kernelSize;
    this.#outputSize = outputSize;
    this.#geometry = geometry;
    this.count = product(kernelSize);
    this.positions = product(outputSize);
    this.pixels = product(inputSize);
  }

  /** table[q·count + t] = the pixel under tap q at output position from + t, or `pixels` for a zero outside. */
  fill(from: number, count: number, table: Int32Array): void {
    const length = this.count * count;
    table.fill(0, 0, length);
    let tapStep = 1;
    let positionStep = 1;
    let pixelStep = 1;
    for (let axis = this.#kernelSize.length - 1; axis >= 0; axis--) {
      const k = this.#kernelSize[axis]!;
      for (let q = 0; q < this.count; q++) {
        const row = table.subarray(q * count, (q + 1) * count);
        this.#addAxis(row, axis, Math.floor(q / tapStep) % k, from, positionStep, pixelStep);
      }
      tapStep *= k;
      positionStep *= this.#outputSize[axis]!;
      pixelStep *= this.#inputSize[axis]!;
    }
    for (let at = 0; at < length; at++) if (table[at] === OUTSIDE) table[at] = this.pixels;
  }

  /** Adds one axis's share of the flat pixel index to the row of tap q; `step`s are the axis's strides in flat indices. */
  #addAxis(
    row: Int32Array,
    axis: number,
    q: number,
    from: number,
    positionStep: number,
    pixelStep: number,
  ): void {
    const { boundary, strides, dilations, padding } = this.#geometry;
    const n = this.#inputSize[axis]!;
    const positions = this.#outputSize[axis]!;
    const stride = strides[axis]!;
    const first = q * dilations[axis]! - padding[axis]![0];
    let position = Math.floor(from / positionStep) % positions;
    let rest = positionStep - (from % positionStep);
    for (let t = 0; t < row.length; t++) {
      let coordinate = first + position * stride;
      if (coordinate < 0 || coordinate >= n) coordinate = seenCoordinate(coordinate, n, boundary);
      if (coordinate < 0) row[t] = OUTSIDE;
      else if (row[t] !== OUTSIDE) row[t] = row[t]! + coordinate * pixelStep;
      if (--rest > 0) continue;
      rest = positionStep;
      if (++position === positions) position = 0;
    }
  }
}

/** The input coordinate that a read outside, at c < 0 or c ≥ n, sees; OUTSIDE for a zero. */
function seenCoordinate(c: number, n: number, boundary: Boundary): number {
  if (boundary === "zero") return OUTSIDE;
  if (boundary === "circular") return ((c % n) + n) % n;
  if (boundary === "replicate") return c < 0 ? 0 : n - 1;
  return c < 0 ? -c : 2 * (n - 1) - c;
}

/** ∏ sizes, 1 for none. */
export function product(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all * size, 1);
}
