import { isFloatType } from "../formats/dtype.ts";
import type { TensorEntry } from "../formats/model.ts";
import { ruleOf } from "./operators/table.ts";
import type { Scope, Site } from "./scope.ts";
import type { SkippedTensor } from "./use.ts";
import { hasWeightRule } from "./weights/table.ts";

/** Nodes that read each stored tensor, subgraphs included. */
export type Readers = ReadonlyMap<TensorEntry, readonly Site[]>;

/** Operators whose several-dimensional constants are biases, scales, masks or offsets, never matrices. */
const ELEMENTWISE: ReadonlySet<string> = new Set(
  "Add Sub Mul Div Pow Min Max Sum Mean PRelu Where Concat And Or Xor Equal Less Greater Clip".split(" "),
);

const READERS_SHOWN = 3;

/** Operators that pass a constant's numbers on, moved or rescaled: who reads their output reads the constant. */
const PASSING: ReadonlySet<string> = new Set(
  "Identity Cast Transpose Reshape Squeeze Unsqueeze Flatten DequantizeLinear".split(" "),
);

/** Constant nodes followed back to a tensor. */
const MAX_STEPS = 64;

/** The constant node that passes a stored tensor's numbers on as its first output; undefined for other values. */
function passing(scope: Scope, name: string): Site | undefined {
  const site = scope.isConstant(name) ? scope.producer(name) : undefined;
  return site !== undefined && PASSING.has(site.node.opType) ? site : undefined;
}

/** The stored tensor whose numbers a value holds. */
function sourceOf(scope: Scope, name: string): TensorEntry | undefined {
  let place = scope;
  let current = name;
  for (let step = 0; step < MAX_STEPS; step++) {
    const tensor = place.tensor(current);
    if (tensor !== undefined) return tensor;
    const site = passing(place, current);
    if (site === undefined) return undefined;
    place = site.scope;
    current = site.node.inputs[0] ?? "";
  }
  return undefined;
}

export function readersOf(sites: Iterable<Site>): Readers {
  const readers = new Map<TensorEntry, Site[]>();
  for (const site of sites) {
    const passes = passing(site.scope, site.node.outputs[0] ?? "") !== undefined;
    for (const name of new Set(passes ? site.node.inputs.slice(1) : site.node.inputs)) {
      const tensor = name === "" ? undefined : sourceOf(site.scope, name);
      if (tensor === undefined) continue;
      const known = readers.get(tensor);
      if (known === undefined) readers.set(tensor, [site]);
      else known.push(site);
    }
  }
  return readers;
}

function readerNames(sites: readonly Site[]): string {
  const names = [...new Set(sites.map((s) => s.node.opType))];
  return names.slice(0, READERS_SHOWN).join(", ") + (names.length > READERS_SHOWN ? ", …" : "");
}

/** Why a tensor that no weight rule claimed is no linear operator. */
export function leftover(tensor: TensorEntry, readers: Readers): SkippedTensor {
  const sites = readers.get(tensor) ?? [];
  const real = isFloatType(tensor.dtype) && tensor.unsupported === undefined;
  const say = (because: string, warn = false): SkippedTensor => ({ tensor, because, warn });
  const unknown = sites.find((s) => ruleOf(s.node) === undefined && !hasWeightRule(s));
  if (sites.length === 0) return say("no node of the graph reads it");
  if (tensor.shape.length < 2) {
    return say(
      real ? `a vector or scalar read by ${readerNames(sites)}` : `${tensor.dtype} values, no weight`,
    );
  }
  if (unknown !== undefined) {
    return say(`read by ${unknown.node.opType} "${unknown.node.name}", an operator without a rule`, true);
  }
  if (!real) return say(`${tensor.dtype} values read by ${readerNames(sites)}`);
  if (sites.every((s) => ELEMENTWISE.has(s.node.opType))) {
    return say(`added, multiplied or joined element by element (${readerNames(sites)})`);
  }
  return say(`read by ${readerNames(sites)}, not as a linear operator`);
}
