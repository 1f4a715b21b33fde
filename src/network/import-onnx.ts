import { isFloatType } from "../formats/dtype.ts";
import type { Model } from "../formats/model.ts";
import type { OnnxModel, OnnxNode } from "../formats/onnx/types.ts";
import { graphAttribute } from "./attributes.ts";
import { FoldedConstants } from "./folded-constants.ts";
import { FUSED_OPSET, fusedActivation } from "./fused-activation.ts";
import type { InputShapes } from "./input-shapes.ts";
import { effectiveNodes } from "./live-nodes.ts";
import { type MaxMinPair, maxMinPairs } from "./max-min.ts";
import { type Network, NetworkError, type NetworkInput, type NetworkNode, type Ref } from "./network.ts";
import { isKnownDomain } from "./operators/domain.ts";
import type { BoundInput } from "./operators/rule.ts";
import { ruleOf } from "./operators/table.ts";
import { isRead, Scope } from "./scope.ts";
import { inferShapes, opsetOf } from "./shapes/infer.ts";
import { isKnown, knownContents } from "./shapes/value.ts";
import { steepnessOf } from "./steepness-of.ts";

/** How an ONNX model becomes a network that can be run. */
export interface ImportOptions {
  /** Sizes of inputs that the file leaves open, by input name; "" for the only input. A dynamic batch is 1. */
  readonly inputs?: InputShapes | undefined;
  /** Numbers of inputs that are not floating-point (a sampling rate, token ids), by input name. */
  readonly values?: Readonly<Record<string, ArrayLike<number>>> | undefined;
  /** Bytes the weights may take while the network is in use, 24 each; default 2 GiB. */
  readonly memory?: number | undefined;
}

const DEFAULT_MEMORY = 2 * 2 ** 30;

/** A weight is read as float64, turned into the matrix that acts, and held by the kernels, as float32 at best. */
const BYTES_PER_WEIGHT = 24;

/** Operators that look at no numbers of their inputs. */
const SHAPE_ONLY: ReadonlySet<string> = new Set(["Shape", "Size", "Constant"]);

/** A value while the graph is walked: computed from the network's input, constant, or not known before it runs. */
type Found =
  | { readonly kind: "signal"; readonly ref: Ref; readonly shape: readonly number[]; readonly dtype: string }
  | { readonly kind: "constant"; read(): Promise<BoundInput> }
  | { readonly kind: "unknown"; readonly why: string };

/** Names of one graph, those of the graphs around it behind them. */
interface Frame {
  readonly scope: Scope;
  readonly found: Map<string, Found>;
  readonly parent: Frame | null;
}

/**
 * The function an ONNX model computes, from its float inputs to its float outputs: shapes known, constants folded,
 * branches with a known condition taken, dead nodes left out.
 * @throws NetworkError naming the node that cannot be run, with the reason; InputShapeError when `inputs`
 * contradicts the file; FormatError when a weight cannot be read; TypeError when the model has no ONNX graph.
 */
export async function importOnnx(model: Model, options: ImportOptions = {}): Promise<Network> {
  if (model.onnx === undefined) throw new TypeError(`importOnnx needs an ONNX model, got ${model.format}`);
  const bytes = BYTES_PER_WEIGHT * model.tensors.reduce((n, t) => n + t.shape.reduce((a, b) => a * b, 1), 0);
  const memory = options.memory ?? DEFAULT_MEMORY;
  if (bytes > memory) {
    throw new NetworkError(
      "network",
      `running it takes ${bytes} bytes for its weights, more than the ${memory} allowed; raise --memory`,
    );
  }
  const fixed = new Map(Object.entries(options.values ?? {}).map(([k, v]) => [k, Array.from(v)] as const));
  const shapes = await inferShapes(model.onnx, options.inputs, 1, fixed);
  return new Importer(model.onnx, new Scope(model.onnx.graph, shapes, null), fixed).run();
}

class Importer {
  readonly #model: OnnxModel;
  readonly #root: Frame;
  readonly #fixed: ReadonlyMap<string, readonly number[]>;
  readonly #constants: FoldedConstants;
  readonly #inputs: NetworkInput[] = [];
  readonly #nodes: NetworkNode[] = [];

  constructor(model: OnnxModel, scope: Scope, fixed: ReadonlyMap<string, readonly number[]>) {
    this.#model = model;
    this.#root = { scope, found: new Map(), parent: null };
    this.#fixed = fixed;
    this.#constants = new FoldedConstants(opsetOf(model));
  }

  async run(): Promise<Network> {
    const { graph } = this.#model;
    for (const info of graph.inputs) this.#root.found.set(info.name, this.#input(info.name));
    await this.#walk(this.#root);
    const outputs = graph.outputs.flatMap(({ name }) => {
      const found = this.#lookup(this.#root, name);
      if (found.kind === "unknown") throw new NetworkError(name, found.why);
      return found.kind === "signal" && isFloatType(found.dtype)
        ? [{ name, shape: found.shape, ref: found.ref }]
        : [];
    });
    if (outputs.length === 0) {
      throw new NetworkError("network", "no floating-point output depends on a floating-point input");
    }
    return { inputs: this.#inputs, outputs, nodes: this.#nodes };
  }

  #input(name: string): Found {
    const { shape, dtype } = this.#root.scope.value(name);
    const numbers = this.#fixed.get(name);
    if (numbers !== undefined) {
      const dims = known(name, shape);
      const wanted = dims.reduce((a, b) => a * b, 1);
      if (numbers.length !== wanted) {
        throw new NetworkError(name, `this input takes ${wanted} numbers, got ${numbers.length}`);
      }
      return {
        kind: "constant",
        read: async () => ({ shape: dims, dtype, data: Float64Array.from(numbers) }),
      };
    }
    if (!isFloatType(dtype)) {
      return {
        kind: "unknown",
        why: `it depends on the input "${name}" (${dtype}), whose numbers must be given`,
      };
    }
    const dims = known(name, shape);
    const size = dims.reduce((a, b) => a * b, 1);
    this.#inputs.push({ name, shape: dims, size });
    return { kind: "signal", ref: { node: -this.#inputs.length, offset: 0, size }, shape: dims, dtype };
  }

  #lookup(frame: Frame, name: string): Found {
    const found = frame.found.get(name);
    if (found !== undefined) return found;
    const tensor = frame.scope.graph.initializers.get(name);
    if (tensor !== undefined) {
      const read = () => this.#constants.stored(tensor);
      const constant: Found = { kind: "constant", read };
      frame.found.set(name, constant);
      return constant;
    }
    if (frame.parent === null) return { kind: "unknown", why: `no node gives the value "${name}"` };
    return this.#lookup(frame.parent, name);
  }

  async #walk(frame: Frame): Promise<void> {
    const live = effectiveNodes(frame.scope);
    const pairs = maxMinPairs(live);
    for (const node of live) {
      const pair = pairs.get(node);
      if (pair !== undefined && this.#signalPair(frame, pair)) {
        if (node === pair.first) await this.#bind(frame, pair.merged);
      } else {
        await this.#visit(frame, node);
      }
    }
  }

  /** Pairs of constants are folded like any other node. */
  #signalPair(frame: Frame, { merged }: MaxMinPair): boolean {
    return merged.inputs.every((name) => this.#lookup(frame, name).kind === "signal");
  }

  async #visit(frame: Frame, node: OnnxNode): Promise<void> {
    const { scope } = frame;
    const whole = node.outputs.map((name) => (name === "" ? undefined : scope.value(name)));
    const known = isKnownDomain(node);
    const shapeOnly = known && SHAPE_ONLY.has(node.opType);
    const inputs = node.inputs.map((name) => (name === "" ? undefined : this.#lookup(frame, name)));
    if (node.opType === "If" && known) return this.#branch(frame, node);
    const signal = !shapeOnly && inputs.some((f) => f?.kind === "signal");
    const unknown = shapeOnly ? undefined : inputs.find((f) => f?.kind === "unknown");
    // Contents known from shape arithmetic need no operation; neither do values nobody can compute yet.
    const folded = whole.every(
      (v) => v === undefined || (knownContents(v) !== undefined && v.shape !== null),
    );
    if (folded && !signal) {
      node.outputs.forEach((name, i) => {
        const value = whole[i];
        if (value === undefined) return;
        const data = Float64Array.from(knownContents(value)!);
        const bound = { shape: value.shape as readonly number[], dtype: value.dtype, data };
        frame.found.set(name, { kind: "constant", read: async () => bound });
      });
    } else if (unknown?.kind === "unknown") {
      for (const name of node.outputs) frame.found.set(name, unknown);
    } else if (shapeOnly && node.opType !== "Constant") {
      const why = `the sizes that ${node.opType} "${scope.prefix}${node.name}" gives are unknown; give the input sizes`;
      for (const name of node.outputs) frame.found.set(name, { kind: "unknown", why });
    } else if (signal) {
      await this.#bindFused(frame, node);
    } else {
      const read = async (i: number) => (await this.#constants.folded(node, scope, inputs as Constants))[i];
      node.outputs.forEach((name, i) => {
        if (name !== "") frame.found.set(name, { kind: "constant", read: () => read(i) });
      });
    }
  }

  /** A fused activation becomes a node of its own. */
  async #bindFused(frame: Frame, node: OnnxNode): Promise<void> {
    await this.#bind(frame, node);
    const activation = fusedActivation(node);
    const result = node.outputs[0];
    if (activation === undefined || frame.found.get(result)?.kind !== "signal") return;
    await this.#bind(frame, { ...activation, inputs: [result] }, FUSED_OPSET);
  }

  /** A signal that meets no operation makes what follows unknown; only what the outputs need must be known. */
  async #bind(frame: Frame, node: OnnxNode, opset = opsetOf(this.#model)): Promise<void> {
    const { scope } = frame;
    const name = `${scope.prefix}${node.name}`;
    const fail = (why: string) => {
      const found: Found = { kind: "unknown", why: `${node.opType} "${name}" cannot be run: ${why}` };
      for (const output of node.outputs) frame.found.set(output, found);
    };
    const found = node.inputs.map((input) => (input === "" ? undefined : this.#lookup(frame, input)));
    const rule = ruleOf(node)?.operation;
    if (rule === undefined) return fail("no rule runs this operator");
    // Of several outputs those that nobody reads are not asked for.
    const several = node.outputs.length > 1;
    const outputs = node.outputs.map((output) =>
      output === "" || (several && !isRead(scope, output)) ? undefined : scope.value(output),
    );
    const open = outputs.findIndex((v) => v !== undefined && !isKnown(v.shape));
    if (open >= 0)
      return fail(`the shape of its output "${node.outputs[open]}" is unknown; give the input sizes`);
    const inputs: (BoundInput | undefined)[] = [];
    for (const f of found)
      inputs.push(f?.kind === "constant" ? await f.read() : (f as BoundInput | undefined));
    const signals = found.flatMap((f, i) => (f?.kind === "signal" ? [i] : []));
    const bound = rule({
      node,
      opset,
      inputs: inputs.map((v) => v && { shape: v.shape, dtype: v.dtype, ...(v.data ? { data: v.data } : {}) }),
      signals,
      outputs: outputs.map((v) => v && { shape: v.shape as readonly number[], dtype: v.dtype }),
    });
    if (typeof bound === "string") return fail(bound);
    const refs = signals.map((i) => (found[i] as { ref: Ref }).ref);
    let offset = 0;
    node.outputs.forEach((output, i) => {
      const value = outputs[i];
      if (value === undefined) return;
      const shape = value.shape as readonly number[];
      const size = shape.reduce((a, b) => a * b, 1);
      const ref = { node: this.#nodes.length, offset, size };
      frame.found.set(output, { kind: "signal", ref, shape, dtype: value.dtype });
      offset += size;
    });
    const steepness = bound.kind === "general" ? await steepnessOf(node, scope, opset, signals) : null;
    this.#nodes.push({
      name,
      op: node.opType,
      inputs: refs,
      size: offset,
      operation: bound,
      source: node,
      ...(steepness === null ? {} : { steepness }),
    });
  }

  async #branch(frame: Frame, node: OnnxNode): Promise<void> {
    const condition = this.#lookup(frame, node.inputs[0]);
    const name = `${frame.scope.prefix}${node.name}`;
    if (condition.kind !== "constant") {
      const why =
        condition.kind === "unknown"
          ? condition.why
          : `which branch If "${name}" takes depends on the network's input`;
      for (const output of node.outputs) frame.found.set(output, { kind: "unknown", why });
      return;
    }
    const label = (await condition.read()).data?.[0] ? "then_branch" : "else_branch";
    const graph = graphAttribute(node, label);
    if (graph === undefined) throw new NetworkError(name, `If has no ${label}`);
    const inner: Frame = { scope: frame.scope.inside(node, label, graph), found: new Map(), parent: frame };
    await this.#walk(inner);
    node.outputs.forEach((output, i) => {
      frame.found.set(output, this.#lookup(inner, graph.outputs[i]?.name ?? ""));
    });
  }
}

type Constants = readonly ({ read(): Promise<BoundInput> } | undefined)[];

function known(name: string, shape: readonly (number | null)[] | null): readonly number[] {
  if (isKnown(shape)) return shape;
  throw new NetworkError(name, `the size of this input is not fixed by the file; give --input ${name}=SHAPE`);
}
