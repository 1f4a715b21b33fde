import type { TensorEntry } from "../formats/model.ts";
import type { OnnxNode } from "../formats/onnx/types.ts";
import { tensorAttribute } from "./attributes.ts";
import { isElementType, readElements, unreadable } from "./dequantized-elements.ts";
import { applyOperation } from "./evaluate.ts";
import { fusedActivation } from "./fused-activation.ts";
import { NetworkError } from "./network.ts";
import type { BoundInput } from "./operators/rule.ts";
import { ruleOf } from "./operators/table.ts";
import type { Scope } from "./scope.ts";
import { readNumbers } from "./shapes/contents.ts";
import { isKnown } from "./shapes/value.ts";

/** Values that do not depend on the network's input, computed when first needed, each once. */
export class FoldedConstants {
  readonly #opset: number;
  readonly #stored = new Map<TensorEntry, Promise<BoundInput>>();
  readonly #folded = new Map<OnnxNode, Promise<readonly BoundInput[]>>();

  constructor(opset: number) {
    this.#opset = opset;
  }

  /** The numbers of a stored tensor. @throws NetworkError for a type that holds no plain numbers. */
  stored(tensor: TensorEntry): Promise<BoundInput> {
    const known = this.#stored.get(tensor);
    if (known !== undefined) return known;
    const read = readStored(tensor);
    this.#stored.set(tensor, read);
    return read;
  }

  /** The outputs of a node all of whose inputs are constant. */
  folded(
    node: OnnxNode,
    scope: Scope,
    inputs: readonly ({ read(): Promise<BoundInput> } | undefined)[],
  ): Promise<readonly BoundInput[]> {
    const known = this.#folded.get(node);
    if (known !== undefined) return known;
    const made = this.#fold(node, scope, inputs);
    this.#folded.set(node, made);
    return made;
  }

  async #fold(
    node: OnnxNode,
    scope: Scope,
    sources: readonly ({ read(): Promise<BoundInput> } | undefined)[],
  ): Promise<readonly BoundInput[]> {
    const name = `${scope.prefix}${node.name}`;
    const stored = node.opType === "Constant" ? tensorAttribute(node, "value") : undefined;
    if (stored !== undefined) return [await this.stored(stored)];
    const fail = (why: string) => new NetworkError(name, `constant ${node.opType} cannot be folded: ${why}`);
    const rule = ruleOf(node)?.operation;
    if (rule === undefined) throw fail("no rule runs this operator");
    if (fusedActivation(node) !== undefined) throw fail("its activation is a node of its own");
    const inputs: (BoundInput | undefined)[] = [];
    for (const source of sources) inputs.push(await source?.read());
    // What ConstantOfShape fills with is a tensor, but no input.
    const fill = node.opType === "ConstantOfShape" ? tensorAttribute(node, "value") : undefined;
    if (fill !== undefined) inputs.push(await this.stored(fill));
    const outputs = node.outputs.map((output) => (output === "" ? undefined : scope.value(output)));
    if (!outputs.every((v) => v === undefined || isKnown(v.shape))) throw fail("its shape is unknown");
    const shapes = outputs.map((v) => v && { shape: v.shape as readonly number[], dtype: v.dtype });
    const signals = signalsOf(node, inputs);
    const operation = rule({
      node,
      opset: this.#opset,
      inputs: inputs.map((v, i) => (v && signals.includes(i) ? { shape: v.shape, dtype: v.dtype } : v)),
      signals,
      outputs: shapes,
    });
    if (typeof operation === "string") throw fail(operation);
    const result = applyOperation(
      operation,
      signals.map((i) => inputs[i]!.data!),
    );
    let offset = 0;
    return shapes.map((v) => {
      const shape = v?.shape ?? [0];
      const size = shape.reduce((a, b) => a * b, 1);
      offset += size;
      return { shape, dtype: v?.dtype ?? "unknown", data: result.slice(offset - size, offset) };
    });
  }
}

/** Which inputs of a constant node its operation takes as arguments; all others are bound as constants. */
function signalsOf(node: OnnxNode, inputs: readonly (BoundInput | undefined)[]): readonly number[] {
  if (inputs[0] === undefined) return [];
  return node.opType === "Where" ? [1, 2] : [0];
}

async function readStored(tensor: TensorEntry): Promise<BoundInput> {
  const { shape, dtype } = tensor;
  const data = (await readNumbers(tensor)) ?? (await packedNumbers(tensor));
  if (data === undefined)
    throw new NetworkError(tensor.name, `stored as ${dtype}, which holds no plain numbers`);
  return { shape, dtype, data };
}

/** Elements of types that only quantised models store. */
async function packedNumbers(tensor: TensorEntry): Promise<Float64Array | undefined> {
  if (!isElementType(tensor.dtype) || unreadable(tensor) !== null) return undefined;
  const count = tensor.shape.reduce((a, b) => a * b, 1);
  return readElements({ tensor, type: tensor.dtype }, 0, count);
}
