/** What a convolution sees beyond the edge of its input. */
export type Boundary = "zero" | "circular" | "reflect" | "replicate";

/**
 * Geometry of a D-dimensional convolution (D = kernel axes). Cross-correlation, as every framework's "Conv":
 * y[o, p] = Σ_{i,q} W[o, i, q] · x[i, p·stride + q·dilation − padBefore].
 */
export interface ConvolutionGeometry {
  /** Spatial size of the input, per axis; undefined when unknown (then only size-free bounds apply). */
  readonly inputSize?: readonly number[] | undefined;
  /** Per axis, ≥ 1. */
  readonly strides: readonly number[];
  /** Per axis [before, after], ≥ 0; may be asymmetric and larger than the kernel. */
  readonly padding: readonly (readonly [number, number])[];
  /** Per axis, ≥ 1. */
  readonly dilations: readonly number[];
  /** Channel groups; rows of the kernel are split into this many blocks. */
  readonly groups: number;
  readonly boundary: Boundary;
}
