import type { RunMatrix } from "../../linalg/eclipse.ts";
import { explicitMatrix } from "../../linalg/explicit.ts";
import { matrixFrobeniusUp } from "../../linalg/frobenius.ts";
import { addUp, gamma, mulUp } from "../../linalg/rounding.ts";
import type { Network } from "../network.ts";
import type { Operation } from "../operators/operation.ts";
import {
  isExact,
  magnitudeOperator,
  type Region,
  regionOperator,
  regionRoundings,
  sizeOf,
} from "./regions.ts";

/** Largest matrix written out where its dense parts are at hand, 2²³ entries (64 MiB), and its longest short side. */
const DENSE_ENTRIES = 2 ** 23;
const DENSE_SHORT_SIDE = 1024;

/** The same where a convolution or another operator has to be run once per row or column. */
const OTHER_ENTRIES = 2 ** 18;
const OTHER_SHORT_SIDE = 512;

/** True when the region's matrix from `source` is small enough to be written out. */
export function isSmall(network: Network, region: Region, source: number): boolean {
  const [rows, cols] = [region.sink.size, sizeOf(network, source)];
  const dense = region.nodes.every((k) => isDense(network.nodes[k].operation));
  const [entries, side] = dense ? [DENSE_ENTRIES, DENSE_SHORT_SIDE] : [OTHER_ENTRIES, OTHER_SHORT_SIDE];
  return rows * cols <= entries && Math.min(rows, cols) <= side;
}

/** Entries moved or scaled one by one, or multiplied by a matrix at hand. */
function isDense(operation: Operation): boolean {
  return (
    operation.kind === "affine" && operation.parts.every((part) => part.roundings <= 2 || "entries" in part)
  );
}

/**
 * The matrix of a region from one source, with how far it may be (in the Frobenius norm) from the true one; null where
 * it overflows.
 */
export function regionMatrix(network: Network, region: Region, source: number): RunMatrix | null {
  const operator = regionOperator(network, region, source);
  const { rows, cols } = operator;
  const entries = explicitMatrix(operator);
  if (isExact(network, region)) return { rows, cols, entries, error: 0 };
  const magnitudes = explicitMatrix(magnitudeOperator(network, region, source));
  const g = gamma(regionRoundings(network, region));
  const error = mulUp(mulUp(g, addUp(1, mulUp(4, g))), matrixFrobeniusUp(magnitudes));
  return Number.isFinite(error) && entries.every(Number.isFinite) ? { rows, cols, entries, error } : null;
}
