import type { TensorEntry } from "../formats/model.ts";
import { type Origin, type Rescaling, rescale } from "./homogeneity.ts";
import { sourcesOf } from "./homogeneity-constants.ts";
import { labelOf, type SignalGraph, type Step } from "./homogeneity-graph.ts";
import { UnequalBranches } from "./homogeneity-visit.ts";

/** A network whose branches are multiplied alike wherever they meet. */
export interface Balance {
  readonly rescaling: Rescaling;
  /** Weights that had to be made smaller for it, what to multiply their factor by (< 1), and the node it is for. */
  readonly lowered: ReadonlyMap<TensorEntry, { readonly by: number; readonly join: string }>;
}

/** One of the values that meet. */
export interface MeetingBranch {
  readonly key: string;
  readonly scale: number;
  /** The node that gives it. */
  readonly from: string;
}

/** Branches that meet multiplied by different numbers, where nothing can be lowered to make them equal. */
export class BranchesDiffer extends Error {
  override readonly name = "BranchesDiffer";
  readonly join: string;
  readonly low: MeetingBranch;
  readonly high: MeetingBranch;
  /** Why the higher branch cannot be lowered, as a sentence without its full stop. */
  readonly because: string;
  /** Nodes whose weights multiply the lower branch alone. */
  readonly layers: readonly string[];

  constructor(fields: Pick<BranchesDiffer, "join" | "low" | "high" | "because" | "layers">) {
    super(`the branches of ${fields.join} cannot be multiplied alike: ${fields.because}`);
    this.join = fields.join;
    this.low = fields.low;
    this.high = fields.high;
    this.because = fields.because;
    this.layers = fields.layers;
  }
}

/** Who reads a value, and who reads a stored tensor. */
interface Readers {
  readonly ofValue: ReadonlyMap<string, readonly string[]>;
  readonly ofTensor: ReadonlyMap<TensorEntry, number>;
}

/**
 * Follows factors through a network as `rescale` does; where branches meet that would be multiplied by different
 * numbers, the last weights of the higher ones are lowered until all have the lowest. A weight is lowered only where
 * it acts on nothing else, so joins settled before stay settled.
 * @param canLower weights whose factor may be lowered.
 * @throws BranchesDiffer where a branch cannot be lowered; NotHomogeneous as `rescale`.
 */
export function balance(
  graph: SignalGraph,
  factorOf: (tensor: TensorEntry) => number,
  canLower: (tensor: TensorEntry) => boolean,
): Balance {
  const lowered = new Map<TensorEntry, { by: number; join: string }>();
  const readers = readersOf(graph);
  for (;;) {
    const origins = new Map<string, Origin>();
    const factor = (tensor: TensorEntry) => factorOf(tensor) * (lowered.get(tensor)?.by ?? 1);
    try {
      return { rescaling: rescale(graph, factor, origins), lowered };
    } catch (error) {
      if (!(error instanceof UnequalBranches)) throw error;
      const found = new Levers(origins, readers, canLower);
      const low = error.branches.reduce((a, b) => (b.scale < a.scale ? b : a));
      for (const high of error.branches) {
        if (high.scale === low.scale) continue;
        const levers = found.of(high.key);
        if (typeof levers === "string") {
          const changed = (step: Step) => weightsOf(step, origins).some((tensor) => factor(tensor) !== 1);
          throw differ(error.step, { low, high, because: levers, changed }, origins);
        }
        for (const tensor of levers) {
          const before = lowered.get(tensor)?.by ?? 1;
          lowered.set(tensor, { by: (before * low.scale) / high.scale, join: labelOf(error.step) });
        }
      }
    }
  }
}

/** Weights to multiply so that one value, and nothing else, is multiplied by the same number. */
class Levers {
  readonly #origins: ReadonlyMap<string, Origin>;
  readonly #readers: Readers;
  readonly #canLower: (tensor: TensorEntry) => boolean;

  constructor(
    origins: ReadonlyMap<string, Origin>,
    readers: Readers,
    canLower: (tensor: TensorEntry) => boolean,
  ) {
    this.#origins = origins;
    this.#readers = readers;
    this.#canLower = canLower;
  }

  /** The weights, or why there are none. */
  of(key: string): readonly TensorEntry[] | string {
    const origin = this.#origins.get(key);
    if (origin === undefined) return `"${key}" is an input of the network`;
    const { step, carriers, weights } = origin;
    const readers = step.gives.flatMap((given) => this.#readers.ofValue.get(given ?? "") ?? []);
    if (readers.length > 1)
      return `"${key}" is read by ${readers.join(" and ")}, which would be lowered with it`;
    const lever = weights.find((w) => this.#canLower(w) && this.#readers.ofTensor.get(w) === 1);
    if (lever !== undefined) return [lever];
    if (carriers === null || carriers.length === 0)
      return `${labelOf(step)} has no weight that may be lowered`;
    const levers: TensorEntry[] = [];
    for (const carrier of carriers) {
      const more = this.of(carrier);
      if (typeof more === "string") return more;
      levers.push(...more);
    }
    return levers;
  }
}

function readersOf({ steps, outputs }: SignalGraph): Readers {
  const ofValue = new Map<string, string[]>();
  const ofTensor = new Map<TensorEntry, number>();
  const reads = (key: string, reader: string) => {
    const known = ofValue.get(key) ?? [];
    ofValue.set(key, known);
    known.push(reader);
  };
  for (const step of steps) {
    for (const operand of step.operands) {
      if (operand?.kind === "signal") reads(operand.key, labelOf(step));
      if (operand?.kind !== "constant") continue;
      const sources = sourcesOf(operand);
      for (const tensor of "moved" in sources ? sources.moved : sources.computed) {
        ofTensor.set(tensor, (ofTensor.get(tensor) ?? 0) + 1);
      }
    }
  }
  for (const { name, operand } of outputs) {
    if (operand.kind === "signal") reads(operand.key, `the output "${name}"`);
  }
  return { ofValue, ofTensor };
}

function differ(
  step: Step,
  {
    low,
    high,
    because,
    changed,
  }: {
    readonly low: UnequalBranches["branches"][number];
    readonly high: UnequalBranches["branches"][number];
    readonly because: string;
    readonly changed: (step: Step) => boolean;
  },
  origins: ReadonlyMap<string, Origin>,
): BranchesDiffer {
  const common = ancestors(high.key, origins);
  const own = [...ancestors(low.key, origins)].filter((s) => !common.has(s));
  const from = (key: string) => {
    const origin = origins.get(key);
    return origin === undefined ? "the network's input" : labelOf(origin.step);
  };
  return new BranchesDiffer({
    join: labelOf(step),
    low: { ...low, from: from(low.key) },
    high: { ...high, from: from(high.key) },
    because,
    layers: own.filter(changed).map((s) => s.name),
  });
}

function weightsOf(step: Step, origins: ReadonlyMap<string, Origin>): readonly TensorEntry[] {
  const key = step.gives.find((given) => given !== undefined) ?? "";
  return origins.get(key)?.weights ?? [];
}

/** The nodes that a value is computed by, in the network's order. */
function ancestors(key: string, origins: ReadonlyMap<string, Origin>): ReadonlySet<Step> {
  const found = new Set<Step>();
  const queue = [key];
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    const step = origins.get(at)?.step;
    if (step === undefined || found.has(step)) continue;
    found.add(step);
    for (const operand of step.operands) if (operand?.kind === "signal") queue.push(operand.key);
  }
  return new Set([...found].reverse());
}
