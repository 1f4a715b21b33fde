import { describe, expect, it } from "vitest";
import { sourceTensors, storedTensor } from "./derived.ts";
import { isFolded } from "./folded-weight.ts";
import { planFromOnnx } from "./plan-from-onnx.ts";
import { error, type Initializer, type Node } from "./testing/quantized.ts";
import { float32, int, ints, openTestModel, randomNumbers, type TestModel } from "./testing/run-onnx.ts";

/** What onnxruntime's float32 arithmetic may add to entries below 100. */
const FLOAT32_WEIGHTS = 100 * 2 ** -20;

const [OUT, IN] = [4, 6];

function random(name: string, shape: readonly number[], seed = 1): Initializer {
  const next = randomNumbers(seed);
  return float32(name, Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next), shape);
}

/** A model y = x Wᵀ, W the last value that `nodes` make. */
function linear(
  nodes: readonly Node[],
  initializers: readonly Initializer[],
  last: Omit<Node, "outputs"> = {
    opType: "Gemm",
    name: "layer",
    inputs: ["x", "W"],
    attributes: { transB: int(1) },
  },
): TestModel {
  return {
    opset: 13,
    domains: { "com.example": 1 },
    inputs: [{ name: "x", shape: [1, IN] }],
    initializers,
    nodes: [...nodes, { ...last, outputs: ["y"] }],
    outputs: [{ name: "y" }],
  };
}

/** W/uᵀWv with W stored, and once more transposed, as PyTorch exports its spectral normalization. */
function spectralNormalization(): TestModel {
  const v = random("v", [IN, 1], 2);
  return linear(
    [
      { opType: "Transpose", inputs: ["raw"], outputs: ["rawT"], attributes: { perm: ints([1, 0]) } },
      { opType: "MatMul", inputs: ["raw", "v"], outputs: ["Wv"] },
      { opType: "Mul", inputs: ["u", "Wv"], outputs: ["products"] },
      {
        opType: "ReduceSum",
        inputs: ["products"],
        outputs: ["sigma"],
        attributes: { keepdims: int(0) },
      },
      { opType: "Div", name: "divide", inputs: ["raw", "sigma"], outputs: ["W"] },
    ],
    [random("raw", [OUT, IN]), v, random("u", [OUT, 1], 3)],
  );
}

async function planOf(model: TestModel) {
  return planFromOnnx(await openTestModel(model));
}

describe("weights that the graph computes are audited as onnxruntime computes them", () => {
  it.each([
    ["W/σ of spectral normalization", spectralNormalization()],
    [
      "g·v/‖v‖ of weight normalization",
      linear(
        [
          { opType: "ReduceL2", inputs: ["v"], outputs: ["norm"], attributes: { axes: ints([1]) } },
          { opType: "Mul", inputs: ["v", "g"], outputs: ["scaled"] },
          { opType: "Div", inputs: ["scaled", "norm"], outputs: ["W"] },
        ],
        [random("v", [OUT, IN]), random("g", [OUT, 1], 2)],
      ),
    ],
    [
      "W + B·A of a low-rank update",
      linear(
        [
          { opType: "MatMul", inputs: ["B", "A"], outputs: ["BA"] },
          { opType: "Add", inputs: ["base", "BA"], outputs: ["W"] },
        ],
        [random("base", [OUT, IN]), random("B", [OUT, 2], 2), random("A", [2, IN], 3)],
      ),
    ],
    [
      "two halves joined",
      linear(
        [{ opType: "Concat", inputs: ["a", "b"], outputs: ["W"], attributes: { axis: int(0) } }],
        [random("a", [2, IN]), random("b", [OUT - 2, IN], 2)],
      ),
    ],
  ])("%s", async (_name, model) => {
    const { uses, skipped } = await planOf(model);
    expect(uses.map(({ name }) => name)).toEqual(["layer"]);
    expect(skipped.filter(({ warn }) => warn)).toEqual([]);
    expect(await error(model)).toBeLessThan(FLOAT32_WEIGHTS);
  });

  it("a convolution kernel", async () => {
    const kernel = { opType: "Mul", inputs: ["raw", "factor"], outputs: ["W"] };
    const model: TestModel = {
      ...linear([kernel], [random("raw", [3, 2, 3, 3]), float32("factor", [2, 3, 4], [3, 1, 1, 1])], {
        opType: "Conv",
        name: "layer",
        inputs: ["x", "W"],
        attributes: { pads: ints([1, 1, 1, 1]) },
      }),
      inputs: [{ name: "x", shape: [1, 2, 5, 5] }],
    };
    const { uses } = await planOf(model);
    expect(uses.map(({ operator }) => operator)).toEqual(["conv"]);
    expect(await error(model)).toBeLessThan(FLOAT32_WEIGHTS);
  });
});

it("is named after the stored weight, says what it goes through, and gives any part of its elements", async () => {
  const { uses, skipped } = await planOf(spectralNormalization());
  const { weight, problems } = uses[0]!;
  if (!isFolded(weight)) throw new Error("the weight is not folded");
  expect(weight.name).toBe("raw");
  expect(storedTensor(weight).dtype).toBe("float32");
  expect(
    sourceTensors(weight)
      .map(({ name }) => name)
      .sort(),
  ).toEqual(["raw", "u", "v"]);
  expect(problems).toEqual([
    'goes through Div "divide" before it is used; the bound is for the result in float64',
  ]);
  expect(skipped.map(({ tensor, because }) => [tensor.name, because])).toEqual([
    ["v", "one of the tensors that the weight of layer is computed from"],
    ["u", "one of the tensors that the weight of layer is computed from"],
  ]);
  const whole = await weight.read(0, weight.byteLength);
  expect(weight.byteLength).toBe(8 * OUT * IN);
  expect(await weight.read(13, 101)).toEqual(whole.slice(13, 101));
  await expect(weight.read(0, weight.byteLength + 1)).rejects.toThrow(RangeError);
});

describe("stay refused, with the reason", () => {
  const reason = async (model: TestModel) => {
    const { uses, skipped } = await planOf(model);
    expect(uses).toEqual([]);
    return skipped.filter(({ warn }) => warn).map(({ because }) => because);
  };

  it("an operator without a rule", async () => {
    const node = { opType: "Mystery", name: "m", domain: "com.example", inputs: ["raw"], outputs: ["W"] };
    const because = await reason(linear([node], [random("raw", [OUT, IN])]));
    expect(because).toEqual(['the weight of Gemm "layer": goes through Mystery "m" before it is used']);
  });

  it("a random weight", async () => {
    const nodes = [
      { opType: "RandomNormalLike", inputs: ["raw"], outputs: ["noise"] },
      { opType: "Add", name: "noisy", inputs: ["raw", "noise"], outputs: ["W"] },
    ];
    expect((await planOf(linear(nodes, [random("raw", [OUT, IN])]))).uses).toEqual([]);
  });

  it("more elements than are held", async () => {
    const side = 2 ** 12;
    const raw = { name: "raw", dtype: "float32", shape: [side, side], data: new Float32Array(side * side) };
    const nodes = [{ opType: "Mul", name: "times", inputs: ["raw", "raw"], outputs: ["W"] }];
    const model = { ...linear(nodes, [raw as Initializer]), inputs: [{ name: "x", shape: [1, side] }] };
    expect(await reason(model)).toEqual([
      'the weight of Gemm "layer": goes through Mul "times" before it is used',
    ]);
  });
});
