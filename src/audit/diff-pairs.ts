import type { WeightUse } from "../network/use.ts";

/** Uses by name, each name once. */
export type Named = ReadonlyMap<string, WeightUse>;

/** Layers of two models that belong together, and those that stay alone. */
export interface Pairing {
  /** In the order of `a`, under the name that `a` has for them. */
  readonly pairs: readonly { readonly name: string; readonly uses: readonly [WeightUse, WeightUse] }[];
  readonly onlyA: readonly string[];
  readonly onlyB: readonly string[];
}

/**
 * Pairs layers by name; those left over by their tensor's name, where just one layer on each side has it (a graph
 * names its nodes, a checkpoint only its tensors); a single layer on each side (a .npy file names it after itself)
 * whatever the names.
 */
export function pairLayers(inA: Named, inB: Named): Pairing {
  const partner = new Map([...inA.keys()].filter((name) => inB.has(name)).map((name) => [name, name]));
  const [restA, restB] = [without(inA, inB), without(inB, inA)];
  const [tensorsA, tensorsB] = [byTensor(restA), byTensor(restB)];
  for (const [tensor, names] of tensorsA) {
    const others = tensorsB.get(tensor) ?? [];
    if (names.length === 1 && others.length === 1) partner.set(names[0]!, others[0]!);
  }
  const [namesA, namesB] = [[...inA.keys()], [...inB.keys()]];
  if (namesA.length === 1 && namesB.length === 1) partner.set(namesA[0]!, namesB[0]!);
  const taken = new Set(partner.values());
  return {
    pairs: namesA
      .filter((name) => partner.has(name))
      .map((name) => ({ name, uses: [inA.get(name)!, inB.get(partner.get(name)!)!] })),
    onlyA: namesA.filter((name) => !partner.has(name)),
    onlyB: namesB.filter((name) => !taken.has(name)),
  };
}

function without(uses: Named, others: Named): Named {
  return new Map([...uses].filter(([name]) => !others.has(name)));
}

/** Names of the layers that use each tensor. */
function byTensor(uses: Named): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const [name, { weight }] of uses) names.set(weight.name, [...(names.get(weight.name) ?? []), name]);
  return names;
}
