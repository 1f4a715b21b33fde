import { inputIndex, type Network, type Ref } from "./network.ts";
import type { Operation } from "./operators/operation.ts";

/** Everything a run of a network computed: what derivatives at that point need. Not to be written to. */
export interface Tape {
  readonly inputs: readonly Float64Array[];
  /** One result per node. */
  readonly values: readonly Float64Array[];
}

/** y = f(x) of one operation. The result may share memory with an argument. */
export function applyOperation(operation: Operation, x: readonly Float64Array[]): Float64Array {
  switch (operation.kind) {
    case "affine":
      return shifted(combine(operation.parts, x), operation.offset, operation.parts.length > 0);
    case "elementwise":
      return x[0].map((value, i) => operation.unit(i).value(value));
    case "general":
      return operation.forward(x);
  }
}

function combine(
  parts: readonly { apply(x: Float64Array): Float64Array }[],
  x: readonly Float64Array[],
): Float64Array {
  const [first, ...rest] = parts.map((part, i) => part.apply(x[i]));
  if (rest.length === 0) return first;
  const sum = first.slice();
  for (const term of rest) for (let i = 0; i < sum.length; i++) sum[i] += term[i];
  return sum;
}

function shifted(y: Float64Array, offset: Float64Array | undefined, shared: boolean): Float64Array {
  if (offset === undefined) return y;
  const sum = shared ? y.slice() : y;
  for (let i = 0; i < sum.length; i++) sum[i] += offset[i];
  return sum;
}

function tangentOf(
  operation: Operation,
  x: readonly Float64Array[],
  y: Float64Array,
  dx: readonly Float64Array[],
): Float64Array {
  switch (operation.kind) {
    case "affine":
      return combine(operation.parts, dx);
    case "elementwise":
      return x[0].map((value, i) => operation.unit(i).slope(value) * dx[0][i]);
    case "general":
      return operation.jvp(x, y, dx);
  }
}

function cotangentsOf(
  operation: Operation,
  x: readonly Float64Array[],
  y: Float64Array,
  dy: Float64Array,
): readonly Float64Array[] {
  switch (operation.kind) {
    case "affine":
      return operation.parts.map((part) => part.adjoint(dy));
    case "elementwise":
      return [x[0].map((value, i) => operation.unit(i).slope(value) * dy[i])];
    case "general":
      return operation.vjp(x, y, dy);
  }
}

/** The vector a reference reads: a view, unless it is the whole. */
export function readRef(
  ref: Ref,
  inputs: readonly Float64Array[],
  values: readonly Float64Array[],
): Float64Array {
  const at = inputIndex(ref);
  const whole = at === null ? values[ref.node] : inputs[at];
  return whole.length === ref.size ? whole : whole.subarray(ref.offset, ref.offset + ref.size);
}

/**
 * Runs the network in float64.
 * @param inputs one flat row-major vector per network input.
 * @throws RangeError when their number or lengths are not the network's.
 */
export function forward(network: Network, inputs: readonly Float64Array[]): Tape {
  checkInputs(network, inputs);
  const values: Float64Array[] = [];
  for (const node of network.nodes) {
    values.push(
      applyOperation(
        node.operation,
        node.inputs.map((ref) => readRef(ref, inputs, values)),
      ),
    );
  }
  return { inputs, values };
}

/** @throws RangeError when the number of vectors or their lengths are not those of the network's inputs. */
export function checkInputs(network: Network, inputs: readonly Float64Array[]): void {
  const wanted = network.inputs.map((input) => input.size);
  const given = inputs.map((x) => x.length);
  if (wanted.length !== given.length || wanted.some((n, i) => n !== given[i])) {
    throw new RangeError(`the network takes vectors of [${wanted}] numbers, got [${given}]`);
  }
}

/** The outputs of a run, one vector per network output. */
export function outputsOf(network: Network, tape: Tape): readonly Float64Array[] {
  return network.outputs.map(({ ref }) => readRef(ref, tape.inputs, tape.values));
}

/** J·dx: how the outputs move, to first order, when the inputs move by dx. */
export function jvp(network: Network, tape: Tape, dx: readonly Float64Array[]): readonly Float64Array[] {
  const tangents: Float64Array[] = [];
  network.nodes.forEach((node, k) => {
    const x = node.inputs.map((ref) => readRef(ref, tape.inputs, tape.values));
    const moves = node.inputs.map((ref) => readRef(ref, dx, tangents));
    tangents.push(tangentOf(node.operation, x, tape.values[k], moves));
  });
  return network.outputs.map(({ ref }) => readRef(ref, dx, tangents));
}

/** Jᵀ·dy: the gradient of ⟨dy, outputs⟩ with respect to the inputs. */
export function vjp(network: Network, tape: Tape, dy: readonly Float64Array[]): readonly Float64Array[] {
  const gradients = network.inputs.map((input) => new Float64Array(input.size));
  const cotangents: (Float64Array | undefined)[] = network.nodes.map(() => undefined);
  const add = (ref: Ref, change: Float64Array) => {
    const at = inputIndex(ref);
    if (at === null) cotangents[ref.node] ??= new Float64Array(network.nodes[ref.node].size);
    const target = at === null ? cotangents[ref.node]! : gradients[at];
    for (let i = 0; i < ref.size; i++) target[ref.offset + i] += change[i];
  };
  network.outputs.forEach(({ ref }, i) => void add(ref, dy[i]));
  for (let k = network.nodes.length - 1; k >= 0; k--) {
    const dyk = cotangents[k];
    if (dyk === undefined) continue;
    const node = network.nodes[k];
    const x = node.inputs.map((ref) => readRef(ref, tape.inputs, tape.values));
    cotangentsOf(node.operation, x, tape.values[k], dyk).forEach(
      (change, i) => void add(node.inputs[i], change),
    );
    cotangents[k] = undefined;
  }
  return gradients;
}
