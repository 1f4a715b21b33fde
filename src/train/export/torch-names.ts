import type { PlainArray, PlainTree } from "../graph-builder.ts";
import { isPlainArray } from "../values.ts";

/** PyTorch's names of a layer's arrays, where they are not ours: of normalisation, and of recurrent layers with one level. */
const NAMES: Readonly<Record<string, string>> = {
  runningMean: "running_mean",
  runningVariance: "running_var",
  input: "weight_ih_l0",
  recurrent: "weight_hh_l0",
  inputBias: "bias_ih_l0",
  recurrentBias: "bias_hh_l0",
};

/** The name that torch.nn.Sequential gives the array at a path of ours: "3.running_mean" for "3.runningMean". */
export function torchName(path: string): string {
  return path
    .split(".")
    .map((part) => NAMES[part] ?? part)
    .join(".");
}

/** The arrays of a tree by the names that torch.nn.Sequential gives them. */
export function torchArrays(values: PlainTree, path = ""): [name: string, array: PlainArray][] {
  if (isPlainArray(values)) return [[torchName(path), values]];
  const members: readonly (readonly [string, PlainTree])[] = Array.isArray(values)
    ? values.map((member, i) => [String(i), member] as const)
    : Object.entries(values);
  return members.flatMap(([name, member]) => torchArrays(member, path === "" ? name : `${path}.${name}`));
}
