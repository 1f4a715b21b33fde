import { isFloatType } from "../formats/dtype.ts";
import { FormatError } from "../formats/errors.ts";
import type { TensorEntry } from "../formats/model.ts";
import type { OnnxNode } from "../formats/onnx/types.ts";
import { type DerivedTensor, derivedTensor } from "./derived.ts";
import { FoldedConstants } from "./folded-constants.ts";
import { fusedActivation } from "./fused-activation.ts";
import { NetworkError } from "./network.ts";
import type { BoundInput } from "./operators/rule.ts";
import { ruleOf } from "./operators/table.ts";
import type { Scope } from "./scope.ts";
import { elementCount, isKnown, knownContents } from "./shapes/value.ts";
import type { ComputedWeight, StoredWeight } from "./stored-weight.ts";
import { storedView } from "./strided-view.ts";

/** A weight that the graph computes from stored tensors: W/σ of spectral normalization, g·v/‖v‖, W + B·A. */
export interface FoldedTensor extends DerivedTensor {
  /** What stands between the file and the weight. */
  readonly computedBy: string;
}

export function isFolded(entry: TensorEntry): entry is FoldedTensor {
  return "computedBy" in entry;
}

/** Elements of all values on the way together, which folding holds as float64: 256 MiB. */
const MAX_ELEMENTS = 2 ** 25;

/** Nodes on the way; exporters write about ten. */
const MAX_NODES = 256;

/**
 * The weight that arithmetic on constants gives, computed in float64 whenever it is read; null where an operator on the
 * way has no rule that runs it, a shape is unknown, or the values are too large to be held.
 */
export function foldedWeight(scope: Scope, name: string, computed: ComputedWeight): StoredWeight | null {
  const { shape, dtype } = scope.value(name);
  const stored = foremost(computed.tensors);
  const sources = sourcesOf(scope, name);
  if (!computed.folds || stored === undefined || sources === null) return null;
  if (!isKnown(shape) || !isFloatType(dtype)) return null;
  const others = sources.filter((tensor) => tensor !== stored);
  const derived = derivedTensor(
    { stored, others, recipe: `folded ${scope.prefix}${name}`, shape },
    elementsOf(scope, name, stored),
  );
  const tensor: FoldedTensor = { ...derived, computedBy: computed.because };
  const note = `${computed.because}; the bound is for the result in float64`;
  return { tensor, view: storedView(shape), notes: [note] };
}

/** The largest tensor; of several the last that was found, which is on the way through first inputs. */
function foremost(tensors: readonly TensorEntry[]): TensorEntry | undefined {
  const size = ({ shape }: TensorEntry) => shape.reduce((a, b) => a * b, 1);
  return tensors.reduce<TensorEntry | undefined>(
    (most, tensor) => (most === undefined || size(tensor) >= size(most) ? tensor : most),
    undefined,
  );
}

/** The stored tensors that a value is computed from; null when it cannot be folded. */
function sourcesOf(scope: Scope, name: string): readonly TensorEntry[] | null {
  const sources = new Set<TensorEntry>();
  const seen = new Set<OnnxNode>();
  let room = MAX_ELEMENTS;
  const queue: { readonly scope: Scope; readonly name: string }[] = [{ scope, name }];
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    const value = at.scope.value(at.name);
    room -= elementCount(value.shape) ?? Number.POSITIVE_INFINITY;
    if (room < 0) return null;
    const tensor = at.scope.tensor(at.name);
    if (tensor !== undefined) sources.add(tensor);
    if (tensor !== undefined || knownContents(value) !== undefined) continue;
    const site = at.scope.producer(at.name);
    if (site === undefined || !isRun(site.node) || seen.size > MAX_NODES) return null;
    if (seen.has(site.node)) continue;
    seen.add(site.node);
    for (const input of site.node.inputs) if (input !== "") queue.push({ scope: site.scope, name: input });
  }
  return [...sources];
}

/** True when a rule runs the operator; whether it runs this very node is seen when it is folded. */
function isRun(node: OnnxNode): boolean {
  return ruleOf(node)?.operation !== undefined && fusedActivation(node) === undefined;
}

/** Reads elements of a folded value; the whole is kept as long as there is room for it. */
function elementsOf(scope: Scope, name: string, { name: tensor, range }: TensorEntry) {
  let held: WeakRef<Float64Array> | undefined;
  return async (first: number, last: number): Promise<Float64Array> => {
    let values = held?.deref();
    if (values === undefined) {
      try {
        values = (await constantOf(new FoldedConstants(scope.opset), scope, name).read()).data!;
      } catch (error) {
        if (!(error instanceof NetworkError)) throw error;
        throw new FormatError("unsupported", error.message, {
          file: range?.source.name ?? "the model",
          tensor,
        });
      }
      held = new WeakRef(values);
    }
    return values.slice(first, last);
  };
}

/** A constant value, computed when it is read. */
function constantOf(constants: FoldedConstants, scope: Scope, name: string): { read(): Promise<BoundInput> } {
  const tensor = scope.tensor(name);
  if (tensor !== undefined) return { read: () => constants.stored(tensor) };
  const value = scope.value(name);
  const { shape, dtype } = value;
  const contents = knownContents(value);
  if (contents !== undefined && isKnown(shape)) {
    return { read: async () => ({ shape, dtype, data: Float64Array.from(contents) }) };
  }
  return {
    async read() {
      const { node, scope: place } = scope.producer(name)!;
      const inputs = node.inputs.map((input) =>
        input === "" ? undefined : constantOf(constants, place, input),
      );
      return (await constants.folded(node, place, inputs))[node.outputs.indexOf(name)]!;
    },
  };
}
