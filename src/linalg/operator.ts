/**
 * A linear map ℝ^cols → ℝ^rows, known by what it does.
 * `adjoint` must be the exact transpose: ⟨A x, y⟩ = ⟨x, Aᵀ y⟩ for all x, y.
 */
export interface LinearOperator {
  /** Length of `apply`'s result. */
  readonly rows: number;
  /** Length of `apply`'s argument. */
  readonly cols: number;
  /** y = A x in float64; a new array of length `rows`. */
  apply(x: Float64Array): Float64Array;
  /** x = Aᵀ y in float64; a new array of length `cols`. */
  adjoint(y: Float64Array): Float64Array;
}
