import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { openModel } from "../../formats/open.ts";
import { OnnxGraph } from "./graph.ts";

const numbers = (...data: number[]) => ({ data: Float32Array.from(data), shape: [data.length] });

async function graphOf(bytes: Uint8Array) {
  const model = await openModel(bytes);
  return { model, graph: model.onnx!.graph };
}

describe("OnnxGraph", () => {
  it("gives a dynamic batch axis, and names that say where a node belongs", async () => {
    const graph = new OnnxGraph([2]);
    const bias = graph.weight("1.0.bias", numbers(1, 2));
    const sum = graph.node("Add", [graph.input.name, bias]);
    const negated = graph.node("Neg", [bias]);
    const product = graph.node("Mul", [graph.node("Relu", [sum]), negated]);
    const made = await graphOf(graph.encode({ name: product, shape: [2] }));
    expect(made.graph.inputs).toMatchObject([{ name: "input", shape: ["batch", 2], dtype: "float32" }]);
    expect(made.graph.outputs).toMatchObject([{ name: "output", shape: ["batch", 2] }]);
    expect(made.graph.nodes.map(({ name }) => name)).toEqual(["/1/0/Add", "/1/0/Neg", "/Relu", "/1/0/Mul"]);
    expect(made.graph.nodes.at(-1)!.outputs).toEqual(["output"]);
  });

  it("makes names unique and tells which a layer got", async () => {
    const graph = new OnnxGraph([1]);
    const asked = ["input", "w", "w"].map((name) => graph.weight(name, numbers(1)));
    expect(asked).toEqual(["input_1", "w", "w_1"]);
    expect([...graph.weights]).toEqual([
      ["input", "input_1"],
      ["w", "w"],
    ]);
    const sum = asked.reduce((x, name) => graph.node("Add", [x, name]), graph.input.name);
    const { graph: made } = await graphOf(graph.encode({ name: sum, shape: [1] }));
    expect(new Set(made.nodes.map(({ name }) => name)).size).toBe(3);
  });

  it("gives the input itself where a network does nothing, and an output that other nodes read", async () => {
    const empty = new OnnxGraph([3]);
    const copied = await run(empty.encode(empty.input), [1, 2, 3]);
    expect(copied).toEqual([1, 2, 3]);
    const graph = new OnnxGraph([3]);
    const relu = graph.node("Relu", [graph.input.name]);
    graph.node("Neg", [relu]);
    expect(await run(graph.encode({ name: relu, shape: [3] }), [1, -2, 3])).toEqual([1, 0, 3]);
  });

  it("takes ids where the input only chooses rows", () => {
    const table = { data: new Float32Array(10), shape: [5, 2] };
    const ids = new OnnxGraph([3]);
    const rows = ids.node("Gather", [ids.weight("0.weight", table), ids.input.name]);
    ids.node("Gather", [
      ids.weight("1.weight", { data: new Float32Array(8), shape: [4, 2] }),
      ids.input.name,
    ]);
    expect(ids.inputKind).toEqual({ kind: "ids", count: 4 });
    ids.node("Relu", [rows]);
    expect(ids.inputKind.kind).toBe("ids");
    ids.node("Relu", [ids.input.name]);
    expect(ids.inputKind).toEqual({ kind: "numbers" });
    expect(new OnnxGraph([3]).inputKind).toEqual({ kind: "numbers" });
  });
});

async function run(bytes: Uint8Array, x: number[]): Promise<number[]> {
  const session = await ort.InferenceSession.create(bytes);
  const { output } = await session.run({ input: new ort.Tensor("float32", x, [1, x.length]) });
  return [...(output!.data as Float32Array)];
}
