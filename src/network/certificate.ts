import type { Guarantee } from "../linalg/bound.ts";

/** What is known of a network's Lipschitz constant (ℓ2, from all inputs together to all outputs together). */
export interface NetworkBound {
  /** Certain under every guarantee; 0 where nothing better was found. */
  readonly lower: number;
  /** null where no finite bound is known. */
  readonly upper: number | null;
  readonly guarantee: Guarantee;
  /** Chance that `upper` is too small (`probable`); 0 at `proof`. */
  readonly failureProbability: number;
  readonly method: "eclipse-fast" | "product";
}

/** The answer for one point. */
export interface PointCertificate {
  /** Class with the largest output (the first of equals). */
  readonly predicted: number;
  /**
   * No change of the network's input of a smaller ℓ2 norm alters the prediction; rounded down, forward rounding
   * included. 0 where the prediction is not the label, or ties.
   */
  readonly radius: number;
}

/** Gives certified radii, one point at a time. */
export interface Certifier {
  /** The global bound it starts from. */
  readonly lipschitz: NetworkBound;
  /** @param x one flat vector, the network's only input. */
  certify(x: Float64Array, label: number): PointCertificate;
}
