import { describe, expect, it } from "vitest";
import { forward, outputsOf } from "../evaluate.ts";
import { importOnnx } from "../import-onnx.ts";
import { checkModel } from "../testing/check-operation.ts";
import { codes, type Graph, graph, type Initializer, whole } from "../testing/quantized-models.ts";
import { float, float32, int, ints, openTestModel } from "../testing/run-onnx.ts";

describe("integer products", () => {
  const quantized = (x: readonly number[], rest: Graph["nodes"], initializers: readonly Initializer[]) =>
    graph({
      x,
      nodes: [
        ["QuantizeLinear", ["x", "s", "z"], ["q"]],
        ...rest,
        ["Cast", ["i"], ["f"], { to: int(1) }],
        ["Mul", ["f", "s"], ["y"]],
      ],
      initializers: [float32("s", [0.02], []), whole("z", "uint8", [], [100]), ...initializers],
    });

  it("MatMulInteger without zero points, with a constant one, and of batches", async () => {
    const w = codes("w", "uint8", [4, 3], 6);
    await checkModel(quantized([2, 4], [["MatMulInteger", ["q", "w"], ["i"]]], [w]));
    await checkModel(quantized([2, 4], [["MatMulInteger", ["q", "w", "z"], ["i"]]], [w]));
    const batch = [codes("w", "int8", [2, 4, 3], 6)];
    await checkModel(quantized([2, 1, 4], [["MatMulInteger", ["q", "w", "z"], ["i"]]], batch));
  });

  it("ConvInteger", async () => {
    const initializers = [codes("w", "uint8", [2, 1, 3, 3], 7), whole("wz", "uint8", [], [90])];
    const attributes = { pads: ints([1, 1, 0, 1]), group: int(2), strides: ints([2, 1]) };
    const nodes: Graph["nodes"] = [["ConvInteger", ["q", "w", "z", "wz"], ["i"], attributes]];
    await checkModel(quantized([1, 2, 5, 4], nodes, initializers));
  });
});

describe("operators on quantised tensors", () => {
  const scales = [
    float32("s", [0.02], []),
    whole("z", "uint8", [], [100]),
    float32("ys", [0.05], []),
    whole("yz", "uint8", [], [120]),
  ];
  const around = (
    x: readonly number[],
    node: Graph["nodes"][number],
    initializers: readonly Initializer[],
    more: Partial<Graph> = {},
  ) =>
    graph({
      x,
      nodes: [
        ["QuantizeLinear", ["x", "s", "z"], ["q"]],
        node,
        ["DequantizeLinear", ["r", "ys", "yz"], ["y"]],
      ],
      initializers: [...scales, ...initializers],
      ...more,
    });

  it("QLinearConv", async () => {
    const inputs = ["q", "s", "z", "w", "ws", "wz", "ys", "yz"];
    const one = [
      codes("w", "uint8", [4, 2, 3, 3], 5),
      float32("ws", [0.002], []),
      whole("wz", "uint8", [], [130]),
    ];
    await checkModel(around([1, 2, 5, 5], ["QLinearConv", inputs, ["r"], { pads: ints([1, 1, 1, 1]) }], one));
    const channels = [
      codes("w", "int8", [4, 1, 3, 3], 5),
      float32("ws", [0.002, 0.001, 0.004, 0.003]),
      whole("wz", "int8", [4], [0, 0, 0, 0]),
      whole("b", "int32", [4], [100, -2000, 3000, 50]),
    ];
    const attributes = { group: int(2), strides: ints([2, 2]) };
    await checkModel(around([2, 2, 5, 5], ["QLinearConv", [...inputs, "b"], ["r"], attributes], channels));
  });

  it("QLinearConv with its channels last", async () => {
    const inputs = ["q", "s", "z", "w", "ws", "wz", "ys", "yz"];
    const w = [
      codes("w", "uint8", [4, 2, 3, 3], 5),
      float32("ws", [0.002], []),
      whole("wz", "uint8", [], [130]),
    ];
    const model = around([1, 5, 4, 2], ["QLinearConv", inputs, ["r"], { channels_last: int(1) }], w, {
      domain: "com.microsoft",
    });
    const nodes = model.nodes.map((n) =>
      n.opType === "QLinearConv" ? { ...n, domain: "com.microsoft" } : n,
    );
    await checkModel({ ...model, nodes });
  });

  it("QLinearMatMul", async () => {
    const one = [codes("w", "uint8", [4, 3], 5), float32("ws", [0.003], []), whole("wz", "uint8", [], [130])];
    const right = ["q", "s", "z", "w", "ws", "wz", "ys", "yz"];
    await checkModel(around([2, 4], ["QLinearMatMul", right, ["r"]], one));
    const columns = [
      codes("w", "int8", [4, 3], 5),
      float32("ws", [0.003, 0.001, 0.002]),
      whole("wz", "int8", [3], [3, -5, 0]),
    ];
    await checkModel(around([2, 4], ["QLinearMatMul", right, ["r"]], columns));
    const left = ["w", "ws", "wz", "q", "s", "z", "ys", "yz"];
    await checkModel(around([3, 2], ["QLinearMatMul", left, ["r"]], one));
    const signals = ["q", "s", "z", "q", "s", "z", "ys", "yz"];
    await checkModel(around([3, 3], ["QLinearMatMul", signals, ["r"]], []));
  });

  it("QLinearAdd, QLinearMul, QLinearSigmoid, QLinearLeakyRelu", async () => {
    const domain = "com.microsoft";
    const w = [codes("w", "uint8", [3], 5), float32("ws", [0.01], []), whole("wz", "uint8", [], [130])];
    for (const op of ["QLinearAdd", "QLinearMul"]) {
      await checkModel(
        around([2, 3], [op, ["q", "s", "z", "w", "ws", "wz", "ys", "yz"], ["r"]], w, { domain }),
      );
      await checkModel(
        around([2, 3], [op, ["q", "s", "z", "q", "s", "z", "ys", "yz"], ["r"]], [], { domain }),
      );
    }
    const unary = ["q", "s", "z", "ys", "yz"];
    await checkModel(around([2, 3], ["QLinearSigmoid", unary, ["r"]], [], { domain }));
    await checkModel(
      around([2, 3], ["QLinearLeakyRelu", unary, ["r"], { alpha: float(0.3) }], [], { domain }),
    );
  });

  it("round what a real network would give", async () => {
    const inputs = ["q", "s", "z", "w", "ws", "wz", "ys", "yz"];
    const w = [codes("w", "uint8", [4, 3], 5), float32("ws", [0.003], []), whole("wz", "uint8", [], [130])];
    const network = await importOnnx(
      await openTestModel(around([1, 4], ["QLinearMatMul", inputs, ["r"]], w)),
    );
    const [y] = outputsOf(network, forward(network, [Float64Array.of(1, -1, 0.5, 0)]));
    // Whole numbers of steps of 0.05.
    y.forEach((v) => void expect(Math.abs(v / Math.fround(0.05) - Math.round(v / 0.05))).toBeLessThan(1e-6));
  });
});
