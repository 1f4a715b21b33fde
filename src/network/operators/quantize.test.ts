import { describe, expect, it } from "vitest";
import type { AttributeDescription } from "../../formats/onnx/encode.ts";
import { importOnnx } from "../import-onnx.ts";
import { planFromOnnx } from "../plan-from-onnx.ts";
import { checkModel } from "../testing/check-operation.ts";
import { codes, type Graph, graph, type Initializer, whole } from "../testing/quantized-models.ts";
import { float32, int, openTestModel } from "../testing/run-onnx.ts";
import { roundHalfEven } from "./quantizer.ts";

type Attributes = Readonly<Record<string, AttributeDescription>>;

describe("rounding", () => {
  it("is to the nearest whole number, ties to even", () => {
    const xs = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.4999, 3, -7, 1e15 + 0.5];
    expect(xs.map((x) => roundHalfEven(x) + 0)).toEqual([0, 2, 2, 0, -2, -2, 0, 3, -7, 1e15]);
  });
});

describe("QuantizeLinear and DequantizeLinear", () => {
  const both = (extra: Attributes = {}, zero = true): Graph["nodes"] => [
    ["QuantizeLinear", zero ? ["x", "s", "z"] : ["x", "s"], ["q"], extra],
    ["DequantizeLinear", zero ? ["q", "s", "z"] : ["q", "s"], ["y"], extra],
  ];

  for (const opset of [10, 13, 19, 21]) {
    for (const dtype of ["uint8", "int8"] as const) {
      it(`one scale, ${dtype}, operator set ${opset}`, async () => {
        const zero = dtype === "uint8" ? 120 : -5;
        const initializers = [float32("s", [0.013], []), whole("z", dtype, [], [zero])];
        await checkModel(graph({ opset, x: [2, 3], nodes: both(), initializers }), { range: [-4, 4] });
      });
    }
  }

  it("16 bits", async () => {
    for (const dtype of ["uint16", "int16"] as const) {
      const initializers = [float32("s", [0.0005], []), whole("z", dtype, [], [300])];
      await checkModel(graph({ opset: 21, x: [2, 3], nodes: both(), initializers }));
    }
  });

  it("no zero point", async () => {
    await checkModel(graph({ x: [2, 3], nodes: both({}, false), initializers: [float32("s", [0.02], [])] }));
  });

  it("scales along an axis", async () => {
    for (const axis of [1, 0, -1]) {
      const size = [2, 3, 4].at(axis)!;
      const scales = Array.from({ length: size }, (_, i) => 0.01 * (i + 1));
      const initializers = [
        float32("s", scales),
        whole(
          "z",
          "int8",
          [size],
          scales.map((s) => Math.round(300 * s)),
        ),
      ];
      await checkModel(graph({ x: [2, 3, 4], nodes: both({ axis: int(axis) }), initializers }));
    }
  });

  it("scales in blocks", async () => {
    const initializers = [
      float32("s", [0.01, 0.02, 0.03, 0.04], [2, 2]),
      whole("z", "int8", [2, 2], [1, -2, 3, -4]),
    ];
    const nodes = both({ axis: int(1), block_size: int(2) });
    await checkModel(graph({ opset: 21, x: [2, 3], nodes, initializers }));
  });

  it("is affine when its input is whole, and rounding has no slope", async () => {
    const initializers = [float32("s", [0.02], []), whole("z", "uint8", [], [7])];
    const model = await openTestModel(graph({ x: [3], nodes: both(), initializers }));
    const network = await importOnnx(model);
    expect(network.nodes.map((n) => n.operation.kind)).toEqual(["general", "affine"]);
    const { graph: plan } = await planFromOnnx(model);
    expect(plan?.nodes[0].unbounded).toMatch(/rounds activations to integers/);
    expect(plan?.nodes[1].steps[0].factor).toEqual({ constant: Math.fround(0.02) });
  });

  it("says what does not fit", async () => {
    const negative = [float32("s", [-0.02], []), whole("z", "uint8", [], [7])];
    await expect(
      importOnnx(await openTestModel(graph({ x: [3], nodes: both(), initializers: negative }))),
    ).rejects.toThrow(/scales are not all positive/);
    const computed = graph({ x: [3], nodes: [["QuantizeLinear", ["x", "x"], ["y"]]], initializers: [] });
    const wanted = { ...computed, outputs: [{ name: "z" }] };
    const nodes = [
      ...computed.nodes,
      { opType: "Cast", inputs: ["y"], outputs: ["z"], attributes: { to: int(1) } },
    ];
    await expect(importOnnx(await openTestModel({ ...wanted, nodes }))).rejects.toThrow(
      /scale or zero point depends/,
    );
  });
});

describe("dequantised weights", () => {
  const product = (
    initializers: readonly Initializer[],
    attributes: Attributes = {},
    zero = true,
    opset = 21,
  ) =>
    graph({
      opset,
      x: [2, 4],
      nodes: [
        ["DequantizeLinear", zero ? ["w", "s", "z"] : ["w", "s"], ["m"], attributes],
        ["MatMul", ["x", "m"], ["y"]],
      ],
      initializers,
    });

  it("one scale", async () => {
    for (const dtype of ["uint8", "int8", "int16"] as const) {
      await checkModel(
        product([codes("w", dtype, [4, 3], 3), float32("s", [0.01], []), whole("z", dtype, [], [3])]),
      );
    }
    await checkModel(product([codes("w", "int32", [4, 3], 3), float32("s", [0.01], [])], {}, false));
  });

  it("along an axis", async () => {
    const of = (axis: number, n: number) =>
      product(
        [
          codes("w", "int8", [4, 3], 3),
          float32(
            "s",
            Array.from({ length: n }, (_, i) => 0.01 * (i + 1)),
          ),
          codes("z", "int8", [n], 8),
        ],
        { axis: int(axis) },
        true,
        13,
      );
    await checkModel(of(1, 3));
    await checkModel(of(0, 4));
  });

  it("in blocks", async () => {
    const scales = float32("s", [0.01, 0.02, 0.03, 0.04, 0.05, 0.06], [2, 3]);
    const initializers = [codes("w", "int8", [4, 3], 3), scales, codes("z", "int8", [2, 3], 8)];
    await checkModel(product(initializers, { axis: int(0), block_size: int(2) }));
  });

  it("of 4 bits", async () => {
    const packed = (
      name: string,
      dtype: string,
      shape: readonly number[],
      data: readonly number[],
    ): Initializer => ({
      name,
      dtype,
      shape,
      data: Uint8Array.from(data),
    });
    const initializers = [
      packed("w", "uint4", [4, 3], [0x21, 0x43, 0x65, 0x87, 0xa9, 0xcb]),
      float32("s", [0.1, 0.2, 0.3]),
      packed("z", "uint4", [3], [0x87, 0x09]),
    ];
    await checkModel(product(initializers, { axis: int(1) }));
    const signed = [
      packed("w", "int4", [4, 3], [0x21, 0x43, 0x65, 0x87, 0xa9, 0xcb]),
      float32("s", [0.1], []),
    ];
    await checkModel(product(signed, {}, false));
  });

  it("are exactly the stored numbers", async () => {
    const w = codes("w", "int8", [4, 3], 3);
    const s = [0.0123, 0.3, 7.7].map(Math.fround);
    const z = [3, -100, 127];
    const model = product([w, float32("s", s), whole("z", "int8", [3], z)], { axis: int(1) });
    const network = await importOnnx(
      await openTestModel({ ...model, inputs: [{ name: "x", shape: [1, 4] }] }),
    );
    const { operation } = network.nodes[0];
    const q = w.data as Int8Array;
    const exact = Array.from({ length: 12 }, (_, i) => {
      const [col, row] = [Math.floor(i / 4), i % 4];
      return (q[row * 3 + col] - z[col]) * s[col];
    });
    expect(operation).toMatchObject({ parts: [{ entries: Float64Array.from(exact) }] });
  });
});

/** Results of rounding near a tie may differ by one step from the runtime's, which computes in float32. */
describe("dynamic quantisation", () => {
  it("rounds to 255 steps between its least and its largest number", async () => {
    const nodes: Graph["nodes"] = [
      ["DynamicQuantizeLinear", ["x"], ["q", "s", "z"]],
      ["MatMulInteger", ["q", "w", "z", "wz"], ["i"]],
      ["Cast", ["i"], ["f"], { to: int(1) }],
      ["Mul", ["f", "s"], ["y"]],
    ];
    for (const x of [
      [2, 4],
      [1, 4],
    ]) {
      const initializers = [codes("w", "int8", [4, 3], 5), whole("wz", "int8", [], [3])];
      await checkModel(graph({ x, nodes, initializers }), { points: 3 });
      const columns = [codes("w", "uint8", [4, 3], 5), whole("wz", "uint8", [3], [3, 128, 0])];
      await checkModel(graph({ x, nodes, initializers: columns }), { points: 3 });
    }
  });

  it("gives its scale alone, which has a slope", async () => {
    const nodes: Graph["nodes"] = [["DynamicQuantizeLinear", ["x"], ["q", "y", "z"]]];
    for (const range of [
      [-2, 2],
      [1, 3],
      [-3, -1],
    ] as const) {
      await checkModel(graph({ x: [5], nodes, initializers: [] }), { range });
    }
  });

  it("takes zeros", async () => {
    const nodes: Graph["nodes"] = [["DynamicQuantizeLinear", ["x"], ["q", "y", "z"]]];
    await checkModel(graph({ x: [5], nodes, initializers: [] }), { range: [0, 0], points: 1, runtime: true });
  });
});
