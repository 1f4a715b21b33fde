import { describe, expect, it } from "vitest";
import type { NodeDescription } from "../formats/onnx/encode.ts";
import { type Balance, BranchesDiffer, balance } from "./homogeneity-branches.ts";
import { signalGraph } from "./homogeneity-graph.ts";
import { checkRescaling, type Factors } from "./testing/rescaled.ts";
import {
  float32,
  type Initializers,
  int,
  openTestModel,
  randomNumbers,
  type TestModel,
} from "./testing/run-onnx.ts";

const random = randomNumbers(5);
const matrix = (name: string) => float32(name, Array.from({ length: 16 }, random), [4, 4]);
const vector = (name: string) => float32(name, Array.from({ length: 4 }, random));

const dense = (name: string, input: string, output: string): NodeDescription => ({
  name,
  opType: "Gemm",
  inputs: [input, `${name}.w`, `${name}.b`],
  outputs: [output],
});

const op = (name: string, opType: string, inputs: readonly string[], output: string): NodeDescription => ({
  name,
  opType,
  inputs,
  outputs: [output],
  ...(opType === "Concat" ? { attributes: { axis: int(1) } } : {}),
});

function modelOf(nodes: readonly NodeDescription[], extra: Initializers = []): TestModel {
  const layers = nodes.filter(({ opType }) => opType === "Gemm").map(({ name }) => name!);
  return {
    opset: 17,
    inputs: [{ name: "x", shape: [1, 4] }],
    outputs: [{ name: "y" }],
    initializers: [...layers.flatMap((name) => [matrix(`${name}.w`), vector(`${name}.b`)]), ...extra],
    nodes,
  };
}

async function balanced(model: TestModel, factors: Factors, fixed: readonly string[] = []): Promise<Balance> {
  const graph = await signalGraph(await openTestModel(model));
  return balance(
    graph,
    (tensor) => factors[tensor.name] ?? 1,
    ({ name }) => name.endsWith(".w") && !fixed.includes(name),
  );
}

const loweredBy = ({ lowered }: Balance) =>
  Object.fromEntries([...lowered].map(([{ name }, { by, join }]) => [name, [Number(by.toFixed(6)), join]]));

/** x → stem → relu → (a → relu → b) + c. */
const shortcut = [
  dense("stem", "x", "s"),
  op("relu", "Relu", ["s"], "r"),
  dense("a", "r", "t"),
  op("relu2", "Relu", ["t"], "u"),
  dense("b", "u", "v"),
  dense("c", "r", "w"),
  op("join", "Add", ["v", "w"], "y"),
];

/** x → stem → relu → r; r + b(relu(a(r))). */
const residual = [
  ...shortcut.slice(0, 5),
  op("join", "Add", ["v", "r"], "j"),
  op("relu3", "Relu", ["j"], "z"),
  dense("head", "z", "y"),
];

describe("balance", () => {
  it("lowers the last weight of the branch that would be larger", async () => {
    const model = modelOf(shortcut);
    const found = await balanced(model, { "stem.w": 0.5, "a.w": 0.5, "b.w": 0.5, "c.w": 0.5 });
    expect(loweredBy(found)).toEqual({ "c.w": [0.5, 'Add "join"'] });
    expect(found.rescaling.outputs).toEqual([{ name: "y", scale: 0.125 }]);
    const factors = { "stem.w": 0.5, "a.w": 0.5, "b.w": 0.5, "c.w": 0.25 };
    expect((await checkRescaling(model, factors)).scales).toEqual([0.125]);
  });

  it("lowers through what passes the factor on, and both sides of an inner join", async () => {
    const nodes = [
      dense("a", "x", "a1"),
      op("relu", "Relu", ["a1"], "a2"),
      dense("b", "x", "b1"),
      op("inner", "Add", ["a2", "b1"], "i"),
      op("shift", "Add", ["i", "k"], "k1"),
      dense("c", "x", "c1"),
      op("outer", "Concat", ["k1", "c1"], "y"),
    ];
    const found = await balanced(modelOf(nodes, [vector("k")]), { "c.w": 0.25 });
    expect(loweredBy(found)).toEqual({
      "a.w": [0.25, 'Concat "outer"'],
      "b.w": [0.25, 'Concat "outer"'],
    });
    const factors = { "a.w": 0.25, "b.w": 0.25, "c.w": 0.25 };
    expect((await checkRescaling(modelOf(nodes, [vector("k")]), factors)).by.k).toBe(0.25);
  });

  it("settles several joins one after another", async () => {
    const found = await balanced(modelOf(residual), { "a.w": 4, "b.w": 2, "stem.w": 0.5 });
    expect(loweredBy(found)).toEqual({ "b.w": [0.125, 'Add "join"'] });
    expect(found.rescaling.scales.get("j")).toBe(0.5);
  });

  it("says why an identity skip cannot be lowered, and which layers are the cause", async () => {
    const found = await balanced(modelOf(residual), { "a.w": 0.5, "b.w": 0.5 }).catch((e) => e);
    expect(found).toBeInstanceOf(BranchesDiffer);
    expect(found).toMatchObject({
      join: 'Add "join"',
      low: { key: "v", scale: 0.25, from: 'Gemm "b"' },
      high: { key: "r", scale: 1, from: 'Relu "relu"' },
      because: '"r" is read by Gemm "a" and Add "join", which would be lowered with it',
      layers: ["a", "b"],
    });
  });

  it.each<[string, readonly NodeDescription[], readonly string[], string]>([
    [
      "the input",
      [dense("a", "x", "v"), op("join", "Add", ["v", "x"], "y")],
      [],
      '"x" is an input of the network',
    ],
    [
      "a weight that was not selected",
      [dense("a", "x", "v"), dense("b", "x", "w"), op("join", "Add", ["v", "w"], "y")],
      ["b.w"],
      '"x" is an input of the network',
    ],
    [
      "a product of signals",
      [
        dense("a", "x", "v"),
        dense("b", "x", "w"),
        op("square", "Mul", ["w", "w"], "q"),
        op("join", "Add", ["v", "q"], "y"),
      ],
      [],
      'Mul "square" has no weight that may be lowered',
    ],
  ])("cannot lower %s", async (_, nodes, fixed, because) => {
    await expect(balanced(modelOf(nodes), { "a.w": 0.5 }, fixed)).rejects.toMatchObject({ because });
  });

  it("does not lower a weight that acts elsewhere too", async () => {
    const tied = { ...dense("b", "x", "w"), inputs: ["x", "b.w", "b.b"] };
    const twice = { ...tied, name: "again", inputs: ["v", "b.w"], outputs: ["z"] };
    const nodes = [dense("a", "x", "v"), tied, twice, op("join", "Add", ["z", "w"], "y")];
    await expect(balanced(modelOf(nodes), { "a.w": 0.5 })).rejects.toMatchObject({
      because: '"x" is an input of the network',
    });
  });

  it("random networks of joins: what it says is what the runtime computes", async () => {
    let settled = 0;
    for (let seed = 0; seed < 40; seed++) {
      const { model, factors } = randomNetwork(seed);
      const found = await balanced(model, factors).catch((error) => error);
      if (found instanceof BranchesDiffer) continue;
      settled += 1;
      const { lowered } = found as Balance;
      const final = { ...factors };
      for (const [{ name }, { by }] of lowered) {
        expect(by).toBeLessThan(1);
        final[name] = (final[name] ?? 1) * by;
      }
      await checkRescaling(model, final);
    }
    expect(settled).toBeGreaterThan(10);
  });
});

/** Layers, activations, sums and joins drawn at random, every value of four numbers. */
function randomNetwork(seed: number): {
  readonly model: TestModel;
  readonly factors: Record<string, number>;
} {
  const draw = randomNumbers(100 + seed);
  const pick = (n: number) => Math.floor(((draw() + 1) / 2) * n);
  const nodes: NodeDescription[] = [dense("n0", "x", "v0")];
  for (let k = 1; k < 9; k++) {
    const value = () => `v${Math.max(0, k - 1 - pick(3))}`;
    const kind = pick(5);
    if (kind < 2) nodes.push(dense(`n${k}`, value(), `v${k}`));
    else if (kind === 2) nodes.push(op(`n${k}`, "LeakyRelu", [value()], `v${k}`));
    else nodes.push(op(`n${k}`, kind === 3 ? "Add" : "Max", [value(), value()], `v${k}`));
  }
  nodes.push(op("last", "Identity", ["v8"], "y"));
  const factors = Object.fromEntries(nodes.map(({ name }) => [`${name}.w`, 1 + draw() * 0.9]));
  return { model: modelOf(nodes), factors };
}
