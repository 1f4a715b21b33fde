import { ArrayType } from "./array-type.ts";
import { hostData } from "./element-types.ts";
import { HostBuffer } from "./host-buffer.ts";
import type { LoweredFunction, NamedLeaf } from "./lowered.ts";
import type { ArrayStorage } from "./storage.ts";

/** A lowered function, ready to run on a device. */
export interface Session {
  /**
   * Runs once. Concurrent runs are independent of each other.
   * @param inputs one for each leaf of the arguments; the caller holds them until the promise settles.
   * @returns one for each leaf of the result, with the caller as its only holder.
   */
  run(inputs: readonly ArrayStorage[]): Promise<ArrayStorage[]>;
  /** Frees the runtime's memory; not while it runs. */
  release(): Promise<void>;
}

/** A device that runs ONNX models. */
export interface Engine {
  start(lowered: LoweredFunction): Promise<Session>;
}

/** A leaf of the arguments or of the result, and what the graph calls it. */
export interface GraphValue {
  readonly leaf: number;
  readonly name: string;
  readonly type: ArrayType;
}

/** The leaves of the arguments that the graph uses. */
export function graphInputs(lowered: LoweredFunction): GraphValue[] {
  return lowered.inputs.map(graphValue).filter(({ name }) => name !== "");
}

/** The leaves of the result. */
export function graphOutputs(lowered: LoweredFunction): GraphValue[] {
  return lowered.outputs.map(graphValue);
}

function graphValue({ name, shape, dtype }: NamedLeaf, leaf: number): GraphValue {
  return { leaf, name, type: new ArrayType(shape, dtype) };
}

/** A function whose result holds no elements: there is nothing to run. */
export class EmptySession implements Session {
  readonly #outputs: readonly GraphValue[];

  constructor(lowered: LoweredFunction) {
    this.#outputs = graphOutputs(lowered);
  }

  async run(): Promise<ArrayStorage[]> {
    return this.#outputs.map(({ type }) => new HostBuffer(type, hostData(type.dtype, 0)));
  }

  async release(): Promise<void> {}
}
