import type { OnnxNode } from "../formats/onnx/types.ts";
import type { Operation, Sensitivity } from "./operators/operation.ts";

/** A stretch of a node's result, or of a network input where `node` is negative: −1 is input 0, −2 is input 1, … */
export interface Ref {
  readonly node: number;
  readonly offset: number;
  readonly size: number;
}

/** A floating-point input of a network. */
export interface NetworkInput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly size: number;
}

/** A floating-point output of a network. */
export interface NetworkOutput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly ref: Ref;
}

/** One operation of a network. */
export interface NetworkNode {
  /** As the file names it, with the path of the subgraphs it stands in. */
  readonly name: string;
  readonly op: string;
  /** Where its signals come from: earlier nodes or network inputs. */
  readonly inputs: readonly Ref[];
  /** Length of its result. */
  readonly size: number;
  readonly operation: Operation;
  /** How steep it is over all inputs, by its rule; of operations that are neither affine nor elementwise. */
  readonly steepness?: Sensitivity | { readonly unbounded: string };
  /** The node of the file it comes from, where it comes from one. */
  readonly source?: OnnxNode;
}

/**
 * A network that can be run, differentiated and bounded: shapes known, constants folded, nodes in an order in which
 * each comes after what it reads. Its function takes the float inputs to the float outputs; everything is float64.
 */
export interface Network {
  readonly inputs: readonly NetworkInput[];
  readonly outputs: readonly NetworkOutput[];
  readonly nodes: readonly NetworkNode[];
}

/** The network input that a reference reads, or null when it reads a node's result. */
export function inputIndex(ref: Ref): number | null {
  return ref.node < 0 ? -1 - ref.node : null;
}

/** A reference as a key: equal for equal references. */
export function refKey({ node, offset, size }: Ref): string {
  return `${node}:${offset}:${size}`;
}

/** A network that cannot be run here: which node (or input) is in the way, why, and what would help. */
export class NetworkError extends Error {
  override readonly name = "NetworkError";
  /** The node or input concerned. */
  readonly where: string;

  constructor(where: string, why: string) {
    super(`${where}: ${why}`);
    this.where = where;
  }
}
