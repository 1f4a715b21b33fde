import { intAttribute, intsAttribute } from "./attributes.ts";
import { sliceRange } from "./operators/select-slice.ts";
import type { Site } from "./scope.ts";
import { knownContents, normalizeAxis } from "./shapes/value.ts";

interface Part {
  readonly source: string;
  readonly axis: number;
  readonly first: number;
  readonly count: number;
  readonly size: number;
}

/** One axis of a constant cut by a Slice node of step 1; undefined when the node does anything else. */
function slicedPart({ node, scope }: Site): Part | undefined {
  if (node.opType !== "Slice") return undefined;
  const read = (input: number, name: string) =>
    intsAttribute(node, name) ?? knownContents(scope.value(node.inputs[input] ?? ""));
  const [starts, ends, axes] = [read(1, "starts"), read(2, "ends"), read(3, "axes") ?? [0]];
  const steps = node.inputs[4] ? knownContents(scope.value(node.inputs[4])) : [1];
  const { shape } = scope.value(node.inputs[0]);
  if (![starts, ends, axes, steps].every((list) => list?.length === 1) || steps?.[0] !== 1) return undefined;
  const axis = shape === null ? null : normalizeAxis(axes[0], shape.length);
  const size = axis === null ? null : shape![axis];
  if (axis === null || size === null) return undefined;
  return { source: node.inputs[0], axis, size, ...sliceRange(size, starts![0], ends![0], 1) };
}

/**
 * The name of the constant that a Concat puts together again in another order: all its inputs are slices of that one
 * value along the Concat's axis, and together they cover it exactly once. undefined for any other node.
 */
export function reorderedSource({ node, scope }: Site): string | undefined {
  if (node.opType !== "Concat") return undefined;
  const parts: Part[] = [];
  for (const name of node.inputs) {
    const site = scope.producer(name);
    const part = site && slicedPart(site);
    // Slices made in an outer graph might name another value of the same name there.
    if (part === undefined || site?.scope !== scope) return undefined;
    parts.push(part);
  }
  const [first] = parts;
  const rank = scope.value(node.outputs[0]).shape?.length ?? 0;
  const axis = normalizeAxis(intAttribute(node, "axis") ?? 1, rank);
  if (first === undefined || parts.some((p) => p.source !== first.source || p.axis !== axis))
    return undefined;
  let covered = 0;
  for (const part of parts.toSorted((a, b) => a.first - b.first)) {
    if (part.first !== covered) return undefined;
    covered += part.count;
  }
  return covered === first.size ? first.source : undefined;
}
