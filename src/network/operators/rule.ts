import type { OnnxNode } from "../../formats/onnx/types.ts";
import type { ConstantRule } from "../constants/rule.ts";
import type { Scope } from "../scope.ts";
import type { ShapeRule } from "../shapes/rule.ts";
import type { Value } from "../shapes/value.ts";
import type { Operation, Sensitivity } from "./operation.ts";

/**
 * Everything the package knows of one operator. To add an operator, write its rule in the file of its family and
 * test it there.
 */
export interface OperatorRule {
  /** Shapes, types and small contents of the outputs. */
  readonly shape: ShapeRule;
  /**
   * Lipschitz constant (ℓ2, rounded up) with its reason, where one input depends on the network's; or why there is
   * none. A string is such a reason, for every node. Absent: nothing is known, so there is no bound.
   */
  readonly constant?: ConstantRule | string;
  /** The constant holds whichever input is the one that depends on the network's; otherwise only for input 0. */
  readonly anyInput?: true;
  /** The constants hold for all outputs taken together; otherwise for output 0 alone. */
  readonly jointOutputs?: true;
  /** The same where several inputs depend on the network's input. */
  readonly join?: JoinRule | string;
  /** Values and derivatives, where shapes are known. Absent: the operator cannot be run here. */
  readonly operation?: OperationRule;
}

/** Rules of one operator family: operator name → rule. */
export type OperatorRules = Readonly<Record<string, OperatorRule>>;

/** A node with several inputs that depend on the network's input. */
export interface JoinNode {
  readonly node: OnnxNode;
  readonly scope: Scope;
  readonly opset: number;
  /** Which inputs are signals, ascending. */
  readonly signals: readonly number[];
  /** What is known of every input; undefined where an optional one is omitted. */
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
}

/** How a join's output moves with its signals, with the reason, or why there is no finite constant. */
export type Join = (Sensitivity & { readonly because: string }) | { readonly unbounded: string };

export type JoinRule = (join: JoinNode) => Join | Promise<Join>;

/** An input of a node about to be bound. */
export interface BoundInput {
  readonly shape: readonly number[];
  readonly dtype: string;
  /** The elements of a constant, row-major in float64 (integers and booleans too); absent for a signal. */
  readonly data?: Float64Array;
}

/** A node whose shapes and constants are all known. */
export interface Binding {
  readonly node: OnnxNode;
  readonly opset: number;
  /** Inputs in order; undefined where an optional one is omitted. */
  readonly inputs: readonly (BoundInput | undefined)[];
  /** Which inputs are signals, ascending: the order of an operation's arguments. */
  readonly signals: readonly number[];
  /** Every output in order; undefined where nobody uses it. */
  readonly outputs: readonly ({ readonly shape: readonly number[]; readonly dtype: string } | undefined)[];
}

/**
 * Binds a node: its operation, whose result holds the outputs that are not undefined one after another. Or, as a
 * string, why it cannot be run with these attributes, one clause without a full stop.
 */
export type OperationRule = (binding: Binding) => Operation | string;
