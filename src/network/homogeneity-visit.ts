import { isFloatType } from "../formats/dtype.ts";
import type { TensorEntry } from "../formats/model.ts";
import type { OnnxNode } from "../formats/onnx/types.ts";
import { subgraphsOf } from "./attributes.ts";
import { isKnownZero, sourcesOf } from "./homogeneity-constants.ts";
import { labelOf, type Operand, type Step } from "./homogeneity-graph.ts";
import { tensorsOf } from "./shapes/contents.ts";
import { knownContents } from "./shapes/value.ts";

/** What must happen to a stored tensor, and which node asks for it. */
export interface Demand {
  readonly tensor: TensorEntry;
  readonly multiplier: number;
  readonly reader: string;
}

/** What stands in the way: the operator itself, a constant that cannot follow, or one that is an attribute. */
export type Obstacle = "operator" | "constant" | "attribute";

/** A node that stands in the way of rescaling: its output is not a multiple of what it was. */
export class NotHomogeneous extends Error {
  override readonly name = "NotHomogeneous";
  readonly step: Step;
  readonly because: string;
  readonly obstacle: Obstacle;

  constructor(step: Step, because: string, obstacle: Obstacle) {
    super(`${labelOf(step)}: ${because}`);
    this.step = step;
    this.because = because;
    this.obstacle = obstacle;
  }
}

/** A node that adds or compares values which would be multiplied by different numbers. */
export class UnequalBranches extends Error {
  override readonly name = "UnequalBranches";
  readonly step: Step;
  readonly branches: readonly { readonly key: string; readonly scale: number }[];

  constructor(step: Step, branches: UnequalBranches["branches"]) {
    super(`${labelOf(step)} takes values multiplied by ${branches.map((b) => shown(b.scale)).join(" and ")}`);
    this.step = step;
    this.branches = branches;
  }
}

/** Products of the same factors, taken in another order, agree to a few units of 2⁻⁵³. */
const CLOSE = 2 ** -40;

export function sameScale(a: number, b: number): boolean {
  return Math.abs(a - b) <= CLOSE * Math.max(Math.abs(a), Math.abs(b));
}

/** A multiplier in a message: four digits tell it. */
function shown(multiplier: number): string {
  return String(Number(multiplier.toPrecision(4)));
}

/** What a rule asks about one node, and what it says must become of the node's constants. */
export class Visit {
  readonly step: Step;
  readonly opset: number;
  readonly demands: Demand[] = [];
  /** Stored tensors whose factor multiplies the output. */
  readonly weights: TensorEntry[] = [];
  /** Values that multiply the output by r when all of them are multiplied by r; null where that is not so simple. */
  carriers: readonly string[] | null = null;
  readonly #scales: ReadonlyMap<string, number>;
  readonly #factorOf: (tensor: TensorEntry) => number;
  readonly #seen = new Set<number>();

  constructor(
    step: Step,
    opset: number,
    scales: ReadonlyMap<string, number>,
    factorOf: (tensor: TensorEntry) => number,
  ) {
    this.step = step;
    this.opset = opset;
    this.#scales = scales;
    this.#factorOf = factorOf;
  }

  get node(): OnnxNode {
    return this.step.node;
  }

  get outputIsFloat(): boolean {
    return isFloatType(this.step.scope.value(this.node.outputs[0]).dtype);
  }

  /** Stops the walk. @param because one clause that reads on after the node's name and a colon. */
  stop(because: string, obstacle: Obstacle = "operator"): never {
    throw new NotHomogeneous(this.step, because, obstacle);
  }

  /** The contents of a small constant input. */
  contents(index: number): readonly number[] | undefined {
    const operand = this.step.operands[index];
    if (operand?.kind !== "constant") return undefined;
    return knownContents(operand.scope.value(operand.name));
  }

  isSignal(index: number): boolean {
    return this.step.operands[index]?.kind === "signal";
  }

  /** The number that multiplies a value: a signal's scale, or the factor of a constant's stored numbers. */
  part(index: number): number {
    const operand = this.step.operands[index];
    this.#seen.add(index);
    if (operand === undefined) return 1;
    return operand.kind === "signal" ? this.#scaleOf(operand.key) : this.#factor(index, operand);
  }

  /** For outputs that are linear in each of these inputs: the product of their numbers. */
  product(...indices: readonly number[]): number {
    const scale = indices.reduce((product, index) => product * this.part(index), 1);
    const signals = this.#keysOf(indices);
    this.carriers = signals.length === 1 ? signals : null;
    return scale;
  }

  /** For outputs that are multiplied with these inputs together: their common scale, which constants follow. */
  alike(indices: readonly number[]): number {
    const branches = this.#keysOf(indices).map((key) => ({ key, scale: this.#scaleOf(key) }));
    const scale = branches[0]?.scale ?? 1;
    if (!branches.every((branch) => sameScale(branch.scale, scale))) {
      throw new UnequalBranches(this.step, branches);
    }
    this.carriers = branches.map(({ key }) => key);
    for (const index of indices) {
      this.#seen.add(index);
      if (!this.isSignal(index)) this.shift(index, scale);
    }
    return scale;
  }

  /** An additive input: a constant is multiplied along, a signal must be multiplied so already. */
  shift(index: number, scale: number): void {
    const operand = this.step.operands[index];
    this.#seen.add(index);
    if (operand === undefined) return;
    if (operand.kind === "signal") {
      this.carriers = null;
      const own = this.#scaleOf(operand.key);
      if (!sameScale(own, scale)) {
        this.stop(
          `it adds "${operand.key}", multiplied by ${shown(own)}, to a result multiplied by ${shown(scale)}`,
        );
      }
    } else {
      this.#demand(operand, scale);
    }
  }

  /** The rule of a node whose output follows no rule: allowed where nothing it reads is multiplied. */
  fixed(because: string): number {
    for (const [index, operand] of this.step.operands.entries()) {
      if (operand?.kind !== "signal") continue;
      this.#seen.add(index);
      if (!sameScale(this.#scaleOf(operand.key), 1)) this.stop(because);
    }
    return 1;
  }

  /** What no rule spoke of stays as it is. */
  finish(): void {
    for (const [index, operand] of this.step.operands.entries()) {
      if (operand === undefined || this.#seen.has(index)) continue;
      if (operand.kind === "constant") this.#demand(operand, 1);
      else if (!sameScale(this.#scaleOf(operand.key), 1)) {
        this.stop(
          `"${operand.key}", its input ${index}, is multiplied by ${shown(this.#scaleOf(operand.key))}`,
        );
      }
    }
    const reader = labelOf(this.step);
    for (const { graph } of subgraphsOf(this.node)) {
      for (const tensor of tensorsOf(graph)) this.demands.push({ tensor, multiplier: 1, reader });
    }
  }

  #scaleOf(key: string): number {
    return this.#scales.get(key) ?? this.stop(`no node gives "${key}"`);
  }

  #keysOf(indices: readonly number[]): readonly string[] {
    return indices.flatMap((index) => {
      const operand = this.step.operands[index];
      return operand?.kind === "signal" ? [operand.key] : [];
    });
  }

  #factor(index: number, operand: Operand & { kind: "constant" }): number {
    const sources = sourcesOf(operand);
    const factors = "moved" in sources ? sources.moved.map(this.#factorOf) : [];
    const factor = factors[0] ?? 1;
    if (!("moved" in sources) || factors.some((f) => f !== factor)) {
      this.#seen.delete(index);
      return 1;
    }
    this.#demand(operand, factor);
    this.weights.push(...sources.moved);
    return factor;
  }

  #demand(operand: Operand & { kind: "constant" }, multiplier: number): void {
    if (isKnownZero(operand)) return;
    const sources = sourcesOf(operand);
    const reader = labelOf(this.step);
    if ("moved" in sources) {
      for (const tensor of sources.moved) this.demands.push({ tensor, multiplier, reader });
    } else if (sameScale(multiplier, 1)) {
      for (const tensor of sources.computed) this.demands.push({ tensor, multiplier: 1, reader });
    } else {
      this.stop(
        `its constant "${operand.name}" would have to be multiplied by ${shown(multiplier)}, but ${sources.because}`,
        "constant",
      );
    }
  }
}
