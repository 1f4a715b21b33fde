import type { TensorEntry } from "../../formats/model.ts";
import type { OnnxGraph, OnnxModel, OnnxNode } from "../../formats/onnx/types.ts";
import { subgraphsOf } from "../attributes.ts";
import { declaredShape, type InputShapes, inputShapes } from "../input-shapes.ts";
import { ruleOf } from "../operators/table.ts";
import { smallContents } from "./contents.ts";
import { fillGaps, ofShape, UNKNOWN, type Value, withContents } from "./value.ts";

/** No operator has more axes; a hostile file could otherwise grow shapes without end. */
const MAX_RANK = 32;

/** Folded elements kept over the whole model (32 MiB of numbers); beyond it only shapes are kept. */
const MAX_KEPT_CONTENTS = 1 << 22;

/** Subgraphs nested deeper than this are not entered; each level may be visited twice (loops). */
const MAX_DEPTH = 8;

/** What shape inference found in one graph. */
export interface GraphShapes {
  /** The version of ONNX's operators that the model uses; 0 when it does not say. */
  readonly opset: number;
  /** The value called `name` here, in this graph or one around it. */
  value(name: string): Value;
  /** The same for a subgraph of one of this graph's nodes. */
  inside(graph: OnnxGraph): GraphShapes;
}

class Inference implements GraphShapes {
  readonly #engine: Engine;
  readonly #parent: Inference | null;
  readonly #depth: number;
  readonly #values = new Map<string, Value>();
  readonly #inner = new Map<OnnxGraph, Inference>();

  constructor(engine: Engine, parent: Inference | null) {
    this.#engine = engine;
    this.#parent = parent;
    this.#depth = parent === null ? 0 : parent.#depth + 1;
  }

  get opset(): number {
    return this.#engine.opset;
  }

  value(name: string): Value {
    for (let scope: Inference | null = this; scope !== null; scope = scope.#parent) {
      const found = scope.#values.get(name);
      if (found !== undefined) return found;
    }
    return UNKNOWN;
  }

  inside(graph: OnnxGraph): GraphShapes {
    return this.#inner.get(graph) ?? new Inference(this.#engine, this);
  }

  run(graph: OnnxGraph, formal: (index: number) => Value | undefined): readonly Value[] {
    graph.inputs.forEach((info, i) => {
      const value = formal(i) ?? UNKNOWN;
      const dtype = info.dtype === "unknown" ? value.dtype : info.dtype;
      const shape = fillGaps(value.shape, declaredShape(info));
      this.#values.set(info.name, withContents(shape, dtype, value.contents));
    });
    for (const [name, tensor] of graph.initializers) this.#values.set(name, this.#engine.stored(tensor));
    const outputs = new Map(graph.outputs.map((o) => [o.name, o]));
    for (const node of graph.nodes) {
      const results = this.#apply(node);
      node.outputs.forEach((name, i) => {
        if (name === "") return;
        const info = graph.values.get(name) ?? outputs.get(name);
        this.#values.set(name, this.#engine.kept(results[i] ?? UNKNOWN, declaredShape(info), info?.dtype));
      });
    }
    return graph.outputs.map((o) => this.value(o.name));
  }

  #apply(node: OnnxNode): readonly Value[] {
    const rule = ruleOf(node)?.shape;
    if (rule === undefined) {
      // An unknown operator's subgraphs still hold weights; they see this graph, and nothing of their own inputs.
      for (const { graph } of subgraphsOf(node)) this.#body(graph, []);
      return [];
    }
    return rule({
      node,
      opset: this.#engine.opset,
      inputs: node.inputs.map((name) => (name === "" ? undefined : this.value(name))),
      stored: (tensor) => this.#engine.stored(tensor),
      body: (graph, formal) => this.#body(graph, formal),
    });
  }

  #body(graph: OnnxGraph, formal: readonly (Value | undefined)[]): readonly Value[] {
    if (this.#depth >= MAX_DEPTH) return [];
    const inner = new Inference(this.#engine, this);
    this.#inner.set(graph, inner);
    return inner.run(graph, (i) => formal[i]);
  }
}

/** Version of the ai.onnx operator set a model uses; 0 when it names none. */
export function opsetOf(model: OnnxModel): number {
  return model.opsets.get("") ?? model.opsets.get("ai.onnx") ?? 0;
}

class Engine {
  readonly opset: number;
  readonly #contents: ReadonlyMap<TensorEntry, readonly number[]>;
  #room = MAX_KEPT_CONTENTS;

  constructor(model: OnnxModel, contents: ReadonlyMap<TensorEntry, readonly number[]>) {
    this.opset = opsetOf(model);
    this.#contents = contents;
  }

  stored(tensor: TensorEntry): Value {
    return withContents(tensor.shape, tensor.dtype, this.#contents.get(tensor));
  }

  /** A result within this engine's limits, its gaps filled from what the file declares. */
  kept(value: Value, declared: Value["shape"], dtype: string | undefined): Value {
    const shape = fillGaps(value.shape, declared);
    const type = value.dtype === "unknown" ? (dtype ?? "unknown") : value.dtype;
    if (shape !== null && shape.length > MAX_RANK) return ofShape(null, type);
    if (value.contents === undefined || this.#room < value.contents.length) return ofShape(shape, type);
    this.#room -= value.contents.length;
    return withContents(shape, type, value.contents);
  }
}

/**
 * Shapes of every value of an ONNX model as far as its operators and declarations tell, small integer tensors
 * folded. A dynamic batch (the first of two or more axes of an input) is `batch`; other dynamic sizes are unknown
 * unless `inputs` gives them.
 * @param fixed contents of inputs whose numbers are known, by input name.
 * @throws InputShapeError when a given input shape contradicts the file.
 */
export async function inferShapes(
  model: OnnxModel,
  inputs: InputShapes = new Map(),
  batch = 1,
  fixed: ReadonlyMap<string, readonly number[]> = new Map(),
): Promise<GraphShapes> {
  const given = inputShapes(model.graph, inputs, batch);
  const engine = new Engine(model, await smallContents(model.graph));
  const inference = new Inference(engine, null);
  inference.run(model.graph, (i) => {
    const info = model.graph.inputs[i];
    return withContents(given.get(info.name) ?? null, info.dtype, fixed.get(info.name));
  });
  return inference;
}
