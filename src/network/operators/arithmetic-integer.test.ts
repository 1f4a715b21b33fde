import { describe, expect, it } from "vitest";
import type { NodeDescription } from "../../formats/onnx/encode.ts";
import { FoldedConstants } from "../folded-constants.ts";
import { importOnnx } from "../import-onnx.ts";
import { Scope } from "../scope.ts";
import { inferShapes } from "../shapes/infer.ts";
import { checkModel } from "../testing/check-operation.ts";
import { float32, int, openTestModel, run, sessionFor, string, type TestModel } from "../testing/run-onnx.ts";
import { ruleOf } from "./table.ts";

const ARRAYS = {
  bool: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  float32: Float32Array,
} as const;

type Type = keyof typeof ARRAYS | "int64" | "uint64";

interface Given {
  readonly type: Type;
  readonly data: readonly number[];
  readonly shape?: readonly number[];
}

function stored(name: string, { type, data, shape = [data.length] }: Given) {
  if (type === "int64") return { name, dtype: type, shape, data: BigInt64Array.from(data.map(BigInt)) };
  if (type === "uint64") return { name, dtype: type, shape, data: BigUint64Array.from(data.map(BigInt)) };
  return { name, dtype: type, shape, data: ARRAYS[type].from(data) };
}

interface Options {
  readonly opset?: number;
  readonly attributes?: NonNullable<NodeDescription["attributes"]>;
}

function model(
  opType: string,
  operands: readonly Given[],
  { opset = 18, attributes = {} }: Options,
): TestModel {
  const initializers = operands.map((given, i) => stored(`c${i}`, given));
  const inputs = initializers.map((c) => c.name);
  return {
    opset,
    inputs: [],
    initializers,
    nodes: [{ opType, name: "node", inputs, outputs: ["out"], attributes }],
    outputs: [{ name: "out", dtype: typeOf(opType, operands) }],
  };
}

const PREDICATES = "Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor Not IsNaN IsInf".split(" ");

function typeOf(opType: string, operands: readonly Given[]): string {
  return PREDICATES.includes(opType) ? "bool" : operands[opType === "Where" ? 1 : 0].type;
}

/** A node of stored numbers, folded. */
async function folded(test: TestModel) {
  const { onnx } = await openTestModel(test);
  if (onnx === undefined) throw new TypeError("no graph");
  const scope = new Scope(onnx.graph, await inferShapes(onnx), null);
  const constants = new FoldedConstants(test.opset);
  const [node] = onnx.graph.nodes;
  const read = (name: string) => () => {
    const tensor = onnx.graph.initializers.get(name);
    if (tensor === undefined) throw new TypeError(name);
    return constants.stored(tensor);
  };
  const [out] = await constants.folded(
    node,
    scope,
    node.inputs.map((name) => ({ read: read(name) })),
  );
  return out;
}

const i64 = (data: readonly number[], shape?: readonly number[]): Given => ({
  type: "int64",
  data,
  ...(shape && { shape }),
});
const of = (type: Type, data: readonly number[], shape?: readonly number[]): Given => ({
  type,
  data,
  ...(shape && { shape }),
});

const NUMBERS = i64([7, -7, 0, 12]);
const DIVISORS = i64([3, 3, -2, -5]);
const TRUE = of("bool", [1, 0, 1, 0]);
const ALSO = of("bool", [1, 1, 0, 0]);

const ROWS: readonly (readonly [op: string, operands: readonly Given[], options?: Options])[] = [
  ["Add", [NUMBERS, DIVISORS]],
  ["Add", [NUMBERS, i64([1], [])], { opset: 7 }],
  ["Add", [i64([1, 2], [2, 1]), i64([10, 20, 30])]],
  ["Sub", [NUMBERS, DIVISORS]],
  ["Mul", [NUMBERS, DIVISORS]],
  ["Mul", [of("int32", [2 ** 30 + 1, -5]), of("int32", [2 ** 30 + 3, 2 ** 30])]],
  ["Div", [NUMBERS, DIVISORS]],
  ["Div", [i64([2 ** 53 - 1, 2 ** 52 + 1]), i64([2, 3])]],
  ["Pow", [i64([2, -3, 5]), i64([5, 3, 0])], { opset: 13 }],
  ["Pow", [of("float32", [1.5, 4]), i64([2, -1])], { opset: 13 }],
  ["Pow", [i64([2, 9]), of("float32", [2, 0.5])], { opset: 13 }],
  ["Mod", [NUMBERS, DIVISORS], { opset: 10 }],
  ["Mod", [NUMBERS, DIVISORS], { opset: 13, attributes: { fmod: int(1) } }],
  ["Max", [NUMBERS, DIVISORS], { opset: 12 }],
  ["Min", [NUMBERS, DIVISORS, i64([0], [])], { opset: 12 }],
  ["Clip", [NUMBERS, i64([-2], []), i64([8], [])], { opset: 12 }],
  ["Abs", [NUMBERS]],
  ["Neg", [NUMBERS]],
  ["Sign", [NUMBERS]],
  ["Relu", [of("int32", [3, -3, 0])], { opset: 14 }],
  ["Equal", [NUMBERS, i64([7, 7, 0, 1])]],
  ["Equal", [TRUE, ALSO]],
  ["Equal", [of("float32", [0.5, 1]), of("float32", [0.5, 2])]],
  ["Greater", [NUMBERS, DIVISORS]],
  ["Greater", [of("float32", [0.5, 1, 2]), of("float32", [1], [])]],
  ["GreaterOrEqual", [of("float32", [0.5, 1, 2]), of("float32", [1], [])]],
  ["Less", [NUMBERS, DIVISORS]],
  ["Less", [i64([1], []), i64([0, 1, 2])]],
  ["LessOrEqual", [of("float32", [0.5, 1, 2]), of("float32", [1], [])]],
  ["And", [TRUE, ALSO]],
  ["Or", [TRUE, ALSO]],
  ["Xor", [TRUE, ALSO]],
  ["And", [TRUE, of("bool", [1, 0], [2, 1])]],
  ["Not", [TRUE]],
  ["IsNaN", [of("float32", [1, Number.NaN, Infinity])]],
  ["IsInf", [of("float32", [1, -Infinity, Infinity, Number.NaN])]],
  ["IsInf", [of("float32", [1, -Infinity, Infinity])], { attributes: { detect_negative: int(0) } }],
  ["IsInf", [of("float32", [1, -Infinity, Infinity])], { attributes: { detect_positive: int(0) } }],
  [
    "BitShift",
    [of("uint8", [1, 200, 7]), of("uint8", [1, 2, 9])],
    { attributes: { direction: string("LEFT") } },
  ],
  [
    "BitShift",
    [of("uint64", [1024, 3]), of("uint64", [3, 1])],
    { attributes: { direction: string("RIGHT") } },
  ],
  ["BitwiseAnd", [of("int32", [-1, 12, 5]), of("int32", [6, 10, -4])]],
  ["BitwiseOr", [of("uint8", [1, 12]), of("uint8", [6, 128])]],
  ["BitwiseXor", [of("int64", [-1, 12]), of("int64", [6, -10])]],
  ["BitwiseNot", [of("int32", [0, 5, -7])]],
  ["BitwiseNot", [of("uint16", [0, 5])]],
  ["Where", [TRUE, NUMBERS, DIVISORS]],
  ["Where", [TRUE, of("float32", [1, 2, 3, 4]), of("float32", [9], [])], { opset: 9 }],
  ["Where", [TRUE, of("uint8", [1, 2, 3, 4]), of("uint8", [5])]],
  // Arithmetic of stored real numbers folds through the operations of several signals.
  ["Add", [of("float32", [1, 2]), of("float32", [3], [])]],
  ["Sub", [of("float32", [3], []), of("float32", [1, 2])]],
  ["Mul", [of("float32", [1, 2]), of("float32", [3, 4], [2, 1])]],
  ["Div", [of("float32", [1, 2]), of("float32", [3, 0], [2, 1])]],
  ["Pow", [of("float32", [1, 2]), of("float32", [3], [])]],
  ["Mean", [of("float32", [1, 2]), of("float32", [3], [])]],
  ["Sum", [of("float32", [1, 2]), of("float32", [3], []), of("float32", [4], [1])]],
  ["Max", [of("float32", [1, 4]), of("float32", [3], [])]],
  ["PRelu", [of("float32", [1, -4]), of("float32", [3], [1])]],
  ["Clip", [of("float32", [1, -4, 9]), of("float32", [0], []), of("float32", [5], [])]],
  ["Sigmoid", [of("float32", [1, -4])]],
];

describe("constants folded, against the runtime", () => {
  it.each(ROWS.map(([op, operands, options = {}]) => [op, operands, options] as const))(
    "%s %j",
    async (op, operands, options) => {
      const test = model(op, operands, options);
      const session = await sessionFor(test);
      const { out } = await run(session, {});
      await session.release();
      const ours = await folded(test);
      expect(ours.shape).toEqual(out.dims);
      expect(ours.dtype).toBe(typeOf(op, operands));
      expect([...(ours.data ?? [])]).toEqual([...out.data].map((y) => expect.closeTo(y, 6)));
    },
  );

  it("divides by division, so that whole quotients stay whole", async () => {
    const ours = await folded(model("Div", [of("float32", [49, 98, 10]), of("float32", [49, 49, 5])], {}));
    expect([...(ours.data ?? [])]).toEqual([1, 2, 2]);
  });

  it("narrow integers run over, which onnxruntime does not add", async () => {
    const ours = await folded(model("Add", [of("uint8", [200, 1]), of("uint8", [100, 2])], {}));
    expect([...(ours.data ?? [])]).toEqual([44, 3]);
    const signed = await folded(model("Sub", [of("int8", [-100]), of("int8", [100])], {}));
    expect([...(signed.data ?? [])]).toEqual([56]);
  });

  it("never throws on numbers that are none", () => {
    const node = {
      opType: "BitwiseAnd",
      domain: "",
      name: "n",
      inputs: ["a", "b"],
      outputs: ["o"],
      attributes: new Map(),
    };
    const shape = { shape: [2], dtype: "int32" };
    const operation = ruleOf(node)?.operation?.({
      node,
      opset: 18,
      inputs: [shape, { ...shape, data: Float64Array.of(2 ** 70, Infinity) }],
      signals: [0],
      outputs: [shape],
    });
    if (operation === undefined || typeof operation === "string" || operation.kind !== "general") {
      throw new TypeError("not general");
    }
    expect([...operation.forward([Float64Array.of(Number.NaN, 1.5)])]).toEqual([0, 0]);
  });
});

describe("whole numbers computed from a network's input", () => {
  const shape = { shape: [2], dtype: "int64" };
  const node = {
    opType: "Add",
    domain: "",
    name: "n",
    inputs: ["a", "b"],
    outputs: ["o"],
    attributes: new Map(),
  };
  const operation = ruleOf(node)?.operation?.({
    node,
    opset: 18,
    inputs: [shape, { ...shape, data: Float64Array.of(10, 20) }],
    signals: [0],
    outputs: [shape],
  });

  it("have slope 0 and are known where their operands are", () => {
    if (operation === undefined || typeof operation === "string" || operation.kind !== "general") {
      throw new TypeError("not general");
    }
    const x = Float64Array.of(1, 2);
    const y = operation.forward([x]);
    expect([...y]).toEqual([11, 22]);
    expect([...operation.jvp([x], y, [x])]).toEqual([0, 0]);
    expect(operation.vjp([x], y, y).map((v) => [...v])).toEqual([[0, 0]]);
    const point = { lo: x, hi: x };
    expect(operation.image?.([point])).toEqual({ lo: y, hi: y });
    expect(operation.local?.([point])).toEqual({ constants: [0], join: "sum" });
    const wide = { lo: x, hi: Float64Array.of(1, 3) };
    expect([...(operation.image?.([wide]).lo ?? [])]).toEqual([-Infinity, -Infinity]);
    expect(operation.local?.([wide])).toBeNull();
  });
});

describe("comparisons of a network's values", () => {
  it.each(["Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal"])(
    "%s is decided over an interval or not",
    (op) => {
      const node = {
        opType: op,
        domain: "",
        name: "n",
        inputs: ["a", "b"],
        outputs: ["o"],
        attributes: new Map(),
      };
      const real = { shape: [3], dtype: "float32" };
      const operation = ruleOf(node)?.operation?.({
        node,
        opset: 18,
        inputs: [real, { shape: [], dtype: "float32", data: Float64Array.of(1) }],
        signals: [0],
        outputs: [{ shape: [3], dtype: "bool" }],
      });
      if (operation === undefined || typeof operation === "string" || operation.kind !== "elementwise") {
        throw new TypeError("not elementwise");
      }
      const f = operation.unit(0);
      for (const [lo, hi] of [
        [0, 0.5],
        [0, 1],
        [0.5, 2],
        [1, 1],
        [1, 2],
        [1.5, Infinity],
      ]) {
        const values = new Set([lo, (lo + Math.min(hi, 9)) / 2, hi].map((x) => f.value(x)));
        const [least, most] = f.image(lo, hi);
        for (const value of values) expect(value >= least && value <= most).toBe(true);
        if (least === most) expect(f.slopes(lo, hi)).toEqual([0, 0]);
        else expect(f.slopes(lo, hi)).toEqual([-Infinity, Infinity]);
        expect(f.slope(lo)).toBe(0);
      }
      expect(f.image(0, 0.5)[0]).toBe(f.image(0, 0.5)[1]);
      expect(f.image(1.5, 2)[0]).toBe(f.image(1.5, 2)[1]);
    },
  );
});

describe("a condition computed from constants", () => {
  it("is folded and chooses entries of a signal", async () => {
    const test: TestModel = {
      opset: 18,
      inputs: [{ name: "x", shape: [3] }],
      initializers: [
        stored("i", i64([0, 1, 2])),
        stored("two", i64([2], [])),
        stored("one", i64([1], [])),
        float32("other", [-7], []),
      ],
      nodes: [
        { opType: "Add", name: "add", inputs: ["i", "one"], outputs: ["j"] },
        { opType: "Greater", name: "compare", inputs: ["j", "two"], outputs: ["c"] },
        { opType: "Not", name: "not", inputs: ["c"], outputs: ["d"] },
        { opType: "Where", name: "choose", inputs: ["d", "x", "other"], outputs: ["y"] },
      ],
      outputs: [{ name: "y" }],
    };
    const network = await checkModel(test);
    expect(network.nodes.map((n) => n.op)).toEqual(["Where"]);
    expect((await importOnnx(await openTestModel(test))).nodes).toHaveLength(1);
  });
});
