import { type FloatType, isFloatType } from "../formats/dtype.ts";
import { RandomStream } from "../linalg/random.ts";
import { gamma } from "../linalg/rounding.ts";
import { applyOperation, forward, outputsOf, readRef } from "../network/evaluate.ts";
import type { SignalGraph, Step } from "../network/homogeneity-graph.ts";
import { inputIndex, type Network, type NetworkNode, type Ref } from "../network/network.ts";
import type { Operation } from "../network/operators/operation.ts";
import { elementCount } from "../network/shapes/value.ts";
import { pacer } from "./certify-pause.ts";
import { PromiseError } from "./errors.ts";
import { formatNumber } from "./format-number.ts";
import { relativeChange } from "./output-change.ts";
import { FLOAT_RANGES } from "./preserve-ranges.ts";

/** Sizes of the random inputs that both networks are run on: Gaussian, of these standard deviations. */
const INPUT_SIZES: readonly number[] = [1, 1, 10];

/** How exactly float64 recomputes a node that is no sum of products, relative to its largest entry. */
const RECOMPUTED = 1e-9;

/** What the check needs to know of a rescaled network. */
export interface RescaledNetworks {
  readonly old: Network;
  /** The same network from the written file. */
  readonly renewed: Network;
  readonly graph: SignalGraph;
  readonly scales: ReadonlyMap<string, number>;
  readonly outputs: readonly { readonly name: string; readonly scale: number }[];
  /** Types of the tensors that were changed. */
  readonly types: ReadonlySet<FloatType>;
}

/**
 * Runs both networks on a few random inputs. Every node of the new one is held against the old one's at the same
 * point: its result must be the multiple it should be, to within what rounding its stored numbers can do there. By
 * induction the new outputs are the old ones times their constant, up to such roundings at every node; how far they
 * are from it in all is measured and returned.
 * @throws PromiseError naming the node where that fails.
 */
export async function checkPreserved(
  networks: RescaledNetworks,
  seed: bigint,
  signal: AbortSignal | undefined,
): Promise<{ readonly inputs: number; readonly difference: number }> {
  const { old, renewed, outputs } = networks;
  const random = new RandomStream(seed);
  const pause = pacer(signal);
  const nodes = new NodeChecks(networks);
  const scaleOf = new Map(outputs.map(({ name, scale }) => [name, scale]));
  const wanted = old.outputs.map(({ name }) => scaleOf.get(name) ?? 1);
  let difference = 0;
  for (const size of INPUT_SIZES) {
    const inputs = old.inputs.map((input) =>
      Float64Array.from({ length: input.size }, () => Math.fround(size * random.normal())),
    );
    await pause();
    const before = forward(old, inputs);
    await pause();
    const after = forward(renewed, inputs);
    for (const k of renewed.nodes.keys()) {
      await pause();
      nodes.check(k, inputs, after.values, before.values[k]!);
    }
    difference = Math.max(
      difference,
      relativeChange(outputsOf(old, before), outputsOf(renewed, after), wanted),
    );
  }
  return { inputs: INPUT_SIZES.length, difference };
}

/** A stretch of a node's result with one scale and one type. */
interface Stretch {
  readonly offset: number;
  readonly size: number;
  readonly scale: number;
  readonly dtype: string;
}

class NodeChecks {
  readonly #networks: RescaledNetworks;
  readonly #givers = new Map<string, Step>();
  readonly #stretches: readonly (readonly Stretch[])[];
  /** Largest relative and absolute rounding error of a changed number. */
  readonly #relative: number;
  readonly #absolute: number;

  constructor(networks: RescaledNetworks) {
    this.#networks = networks;
    for (const step of networks.graph.steps) {
      for (const key of step.gives) if (key !== undefined) this.#givers.set(key, step);
    }
    this.#stretches = networks.renewed.nodes.map((node) => this.#stretchesOf(node));
    const ranges = [...networks.types].map((type) => FLOAT_RANGES[type]);
    this.#relative = ranges.reduce((most, { step }) => Math.max(most, step), 2 ** -52);
    this.#absolute = ranges.reduce((most, { tiniest }) => Math.max(most, tiniest), 0);
  }

  /** Holds one node's result against the old node's at the new node's own arguments. */
  check(
    k: number,
    inputs: readonly Float64Array[],
    values: readonly Float64Array[],
    before: Float64Array,
  ): void {
    const node = this.#networks.renewed.nodes[k]!;
    const got = values[k]!;
    const x = node.inputs.map((ref) => readRef(ref, inputs, values));
    const unscaled = x.map((v, i) => divided(v, this.#scaleOf(node.inputs[i]!)));
    const want = applyOperation(this.#networks.old.nodes[k]!.operation, unscaled);
    const slack = this.#slack(node.operation, x, got);
    for (const stretch of this.#stretches[k]!) {
      const { offset, size, scale } = stretch;
      for (let i = offset; i < offset + size; i++) {
        if (Math.abs(got[i]! - scale * want[i]!) <= slack[i]!) continue;
        throw new PromiseError(
          `${node.op} "${node.name}" of the file as written gives ${formatNumber(got[i]!, 8)} where ` +
            `${formatNumber(scale * want[i]!, 8)} was to be kept; rounding explains ${formatNumber(slack[i]!)} of it`,
        );
      }
      this.#checkRange(node, stretch, got, before);
    }
  }

  #stretchesOf(node: NetworkNode): readonly Stretch[] {
    const { source, name, size } = node;
    const prefix = name.slice(0, name.length - (source?.name.length ?? 0));
    const keys = (source?.outputs ?? []).filter((output) => output !== "").map((output) => prefix + output);
    let offset = 0;
    return keys.map((key, i) => {
      const step = this.#givers.get(key);
      const value = step?.scope.value(key.slice(step.scope.prefix.length));
      const rest = size - offset;
      const own = i === keys.length - 1 ? rest : Math.min(rest, elementCount(value?.shape ?? null) ?? rest);
      const scale = this.#networks.scales.get(key) ?? 1;
      const stretch = { offset, size: own, scale, dtype: value?.dtype ?? "unknown" };
      offset += own;
      return stretch;
    });
  }

  #scaleOf(ref: Ref): number {
    if (inputIndex(ref) !== null) return 1;
    const stretches = this.#stretches[ref.node]!;
    return stretches.find(({ offset, size }) => ref.offset < offset + size)?.scale ?? 1;
  }

  /** How far rounding of the stored numbers, and float64, may move each entry of a node's result. */
  #slack(operation: Operation, x: readonly Float64Array[], got: Float64Array): Float64Array {
    if (operation.kind !== "affine") {
      const largest = got.reduce((most, y) => Math.max(most, Math.abs(y)), 0);
      return got.map(() => (4 * this.#relative + RECOMPUTED) * largest + this.#absolute);
    }
    const { parts, offset } = operation;
    // One rounding of a number stored as a tiny one may be as large as the type's smallest step.
    const reach = x.reduce((sum, v) => sum + v.reduce((s, a) => s + Math.abs(a), 0), 1);
    const slack = new Float64Array(got.length).fill(this.#absolute * reach);
    const add = (terms: Float64Array, roundings: number) => {
      const relative = 2 * (this.#relative + gamma(roundings + 4));
      for (let i = 0; i < slack.length; i++) slack[i] += relative * Math.abs(terms[i]!);
    };
    parts.forEach((part, p) => void add((part.magnitude ?? part).apply(x[p]!.map(Math.abs)), part.roundings));
    if (offset !== undefined) add(operation.offsetMagnitude ?? offset, operation.offsetRoundings ?? 0);
    return slack;
  }

  /** float64 does not see what the network's own type loses: values may not fall out of it. */
  #checkRange(
    node: NetworkNode,
    { offset, size, dtype }: Stretch,
    got: Float64Array,
    before: Float64Array,
  ): void {
    if (!isFloatType(dtype)) return;
    const largest = (v: Float64Array) =>
      v.subarray(offset, offset + size).reduce((most, y) => Math.max(most, Math.abs(y)), 0);
    const { smallest, largest: most } = FLOAT_RANGES[dtype];
    const [was, is] = [largest(before), largest(got)];
    const lost = (is < smallest && was >= smallest) || (is > most && was <= most);
    if (!lost) return;
    throw new PromiseError(
      `${labelOfNode(node)}: its values would be as ${is < smallest ? "small" : "large"} as ${formatNumber(is)}, ` +
        `which ${dtype} cannot hold; choose a --to nearer to the layers' norms`,
    );
  }
}

function labelOfNode({ op, name }: NetworkNode): string {
  return `${op} "${name}"`;
}

function divided(x: Float64Array, scale: number): Float64Array {
  return scale === 1 ? x : x.map((v) => v / scale);
}
