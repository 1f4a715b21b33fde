import { describe, expect, it } from "vitest";
import { planFromOnnx } from "../plan-from-onnx.ts";
import { matrixOfUse } from "../testing/linear.ts";
import {
  codes,
  DYNAMIC,
  error,
  type Initializer,
  integers,
  model,
  type Node,
  node,
  numbers,
  ofType,
  onlyUse,
  product,
  reason,
  scales,
} from "../testing/quantized.ts";
import { float, float32, int, ints, openTestModel, string } from "../testing/run-onnx.ts";

/** x rounded to uint8 in steps of 1/255, so that unit vectors are exact. */
const quantizedInput: Node = { opType: "QuantizeLinear", inputs: ["x", "xs", "xz"], outputs: ["xq"] };
const inputScale = [float32("xs", [1 / 255], []), ofType("xz", "uint8", [0], [])];
/** Outputs in steps of 1/16 around 0. */
const STEP = 1 / 16;
const outputScale = [float32("ys", [STEP], []), ofType("yz", "uint8", [128], [])];
const dequantizedOutput: Node = { opType: "DequantizeLinear", inputs: ["yq", "ys", "yz"], outputs: ["y"] };

/** Differences of two outputs, each rounded to the nearest step. */
const ROUNDED = STEP * 1.001;

describe("operators on integers apply the dequantised weight", () => {
  for (const [form, scale] of [
    ["one scale", []],
    ["one per channel", [4]],
  ] as const) {
    it(`QLinearConv, ${form}`, async () => {
      const inputs = ["xq", "xs", "xz", "q", "s", "z", "ys", "yz"];
      const tested = model(
        [
          quantizedInput,
          { ...node("QLinearConv", inputs, { pads: ints([1, 1, 1, 1]), group: int(2) }), outputs: ["yq"] },
          dequantizedOutput,
        ],
        [1, 4, 3, 4],
        [
          ...inputScale,
          codes("q", "int8", [4, 2, 3, 3]),
          scales("s", scale),
          ofType("z", "int8", integers(product(scale), 0, 0), scale),
          ...outputScale,
        ],
      );
      expect((await onlyUse(tested)).roundsActivations).toBe(true);
      expect(await error(tested)).toBeLessThan(ROUNDED);
    });

    it(`ConvInteger as quantize_dynamic writes it, ${form}`, async () => {
      const shape = scale.length === 0 ? [] : [1, 4, 1, 1];
      const tested = model(
        [
          { opType: "DynamicQuantizeLinear", inputs: ["x"], outputs: ["xq", "xs", "xz"] },
          {
            opType: "ConvInteger",
            name: "c",
            inputs: ["xq", "q", "xz", "z"],
            outputs: ["i"],
            attributes: { strides: ints([2, 1]) },
          },
          { opType: "Cast", inputs: ["i"], outputs: ["f"], attributes: { to: int(1) } },
          { opType: "Mul", inputs: ["xs", "s"], outputs: ["xss"] },
          { opType: "Mul", inputs: ["f", "xss"], outputs: ["m"] },
          { opType: "Add", inputs: ["m", "bias"], outputs: ["y"] },
        ],
        [1, 2, 4, 4],
        [
          codes("q", "uint8", [4, 2, 3, 3]),
          codes("z", "uint8", [], 3),
          scales("s", shape),
          scales("bias", [1, 4, 1, 1], 2),
        ],
      );
      expect(await error(tested)).toBeLessThan(DYNAMIC);
    });
  }

  it("QLinearConv of com.microsoft with its channels last", async () => {
    const nodes: Node[] = [
      quantizedInput,
      {
        ...node(
          "QLinearConv",
          ["xq", "xs", "xz", "q", "s", "z", "ys", "yz"],
          { channels_last: int(1) },
          "com.microsoft",
        ),
        outputs: ["yq"],
      },
      dequantizedOutput,
    ];
    const tested = model(
      nodes,
      [1, 3, 4, 2],
      [
        ...inputScale,
        codes("q", "int8", [4, 2, 2, 2]),
        scales("s", [4]),
        ofType("z", "int8", [0, 0, 0, 0]),
        ...outputScale,
      ],
    );
    const { layout } = await onlyUse(tested);
    expect(layout.kind === "convolution" && layout.geometry.inputSize).toEqual([3, 4]);
  });

  for (const [form, scale] of [
    ["one scale", []],
    ["one per column", [7]],
  ] as const) {
    const zero = (seed: number) => codes("z", "uint8", scale, seed);

    it(`QLinearMatMul, ${form}`, async () => {
      const inputs = ["xq", "xs", "xz", "q", "s", "z", "ys", "yz"];
      const tested = model(
        [quantizedInput, { ...node("QLinearMatMul", inputs), outputs: ["yq"] }, dequantizedOutput],
        [1, 5],
        [
          ...inputScale,
          codes("q", "int8", [5, 7]),
          scales("s", scale),
          ofType("z", "int8", integers(product(scale), -9, 9), scale),
          ...outputScale,
        ],
      );
      expect(await error(tested)).toBeLessThan(ROUNDED);
    });

    for (const [order, muls] of Object.entries({
      "scales multiplied first": [
        { opType: "Mul", inputs: ["xs", "s"], outputs: ["xss"] },
        { opType: "Mul", inputs: ["f", "xss"], outputs: ["y"] },
      ],
      "one scale after the other": [
        { opType: "Mul", inputs: ["s", "f"], outputs: ["fs"] },
        { opType: "Mul", inputs: ["fs", "xs"], outputs: ["y"] },
      ],
    } satisfies Record<string, Node[]>)) {
      it(`MatMulInteger as quantize_dynamic writes it, ${form}, ${order}`, async () => {
        const tested = model(
          [
            { opType: "DynamicQuantizeLinear", inputs: ["x"], outputs: ["xq", "xs", "xz"] },
            { opType: "MatMulInteger", name: "m", inputs: ["xq", "q", "xz", "z"], outputs: ["i"] },
            { opType: "Cast", inputs: ["i"], outputs: ["f"], attributes: { to: int(1) } },
            ...muls,
          ],
          [1, 5],
          [codes("q", "uint8", [5, 7]), zero(3), scales("s", scale)],
        );
        expect(await error(tested)).toBeLessThan(DYNAMIC);
      });
    }

    it(`MatMulIntegerToFloat, ${form}`, async () => {
      const tested = model(
        [
          { opType: "DynamicQuantizeLinear", inputs: ["x"], outputs: ["xq", "xs", "xz"] },
          node("MatMulIntegerToFloat", ["xq", "q", "xs", "s", "xz", "z", "bias"], {}, "com.microsoft"),
        ],
        [1, 5],
        [codes("q", "uint8", [5, 7]), zero(4), scales("s", scale), scales("bias", [7])],
      );
      expect(await error(tested)).toBeLessThan(DYNAMIC);
    });

    it(`DynamicQuantizeMatMul, ${form}`, async () => {
      const tested = model(
        [node("DynamicQuantizeMatMul", ["x", "q", "s", "z"], {}, "com.microsoft")],
        [1, 5],
        [codes("q", "uint8", [5, 7]), zero(5), scales("s", scale)],
      );
      expect(await error(tested)).toBeLessThan(DYNAMIC);
    });

    for (const transB of [0, 1]) {
      it(`QGemm, ${form}, transB ${transB}`, async () => {
        const inputs = ["xq", "xs", "xz", "q", "s", "z"];
        const tested = model(
          [
            quantizedInput,
            node("QGemm", inputs, { transB: int(transB), alpha: float(0.5) }, "com.microsoft"),
          ],
          [1, 5],
          [...inputScale, codes("q", "uint8", transB ? [7, 5] : [5, 7]), scales("s", scale), zero(6)],
        );
        expect(await error(tested)).toBeLessThan(DYNAMIC);
      });
    }
  }

  it("a stored first operand of QLinearMatMul, with scales per row", async () => {
    const inputs = ["q", "s", "z", "xq", "xs", "xz", "ys", "yz"];
    const tested = model(
      [quantizedInput, { ...node("QLinearMatMul", inputs), outputs: ["yq"] }, dequantizedOutput],
      [5, 1],
      [
        ...inputScale,
        codes("q", "int8", [7, 5]),
        scales("s", [7]),
        ofType("z", "int8", integers(7, -9, 9)),
        ...outputScale,
      ],
    );
    const [ours] = await matrixOfUse(await onlyUse(tested));
    const [q, s, z] = ["q", "s", "z"].map(
      (name) => tested.initializers!.find((t) => t.name === name)!.data as Float32Array,
    );
    expect([...ours.data]).toEqual([...q].map((v, i) => (v - z[Math.floor(i / 5)]) * s[Math.floor(i / 5)]));
  });
});

describe("operators that are not linear as a whole hold dequantised matrices", () => {
  it("QAttention, one scale per column", async () => {
    const tested = model(
      [
        node(
          "QAttention",
          ["xq", "q", "b", "xs", "s", "", "xz", "z"],
          { num_heads: int(2) },
          "com.microsoft",
        ),
      ],
      [1, 3, 4],
      [
        codes("q", "int8", [4, 12]),
        scales("b", [12]),
        float32("xs", [0.1], []),
        scales("s", [12]),
        ofType("xz", "uint8", [0], []),
        codes("z", "int8", [12], 2),
      ],
    );
    const input = [{ name: "xq", shape: [1, 3, 4], dtype: "uint8" }];
    const use = await onlyUse({ ...tested, inputs: input });
    const [q, s, z] = ["q", "s", "z"].map((name) => numbers(tested, name));
    const [ours] = await matrixOfUse(use);
    expect([...ours.data]).toEqual(Array.from(q, (v, i) => (v - z[i % 12]) * s[i % 12]));
    expect(use.roundsActivations).toBe(true);
  });

  for (const perChannel of [false, true]) {
    it(`DynamicQuantizeLSTM, ${perChannel ? "a scale per gate" : "a scale per direction"}`, async () => {
      const [directions, inputs, hidden] = [2, 3, 2];
      const cols = 4 * hidden;
      const shape = perChannel ? [directions, cols] : [directions];
      const names = ["x", "W", "R", "", "", "", "", "", "ws", "wz", "rs", "rz"];
      const tested = model(
        [
          node(
            "DynamicQuantizeLSTM",
            names,
            { hidden_size: int(hidden), direction: string("bidirectional") },
            "com.microsoft",
          ),
        ],
        [5, 1, inputs],
        [
          codes("W", "int8", [directions, inputs, cols]),
          codes("R", "int8", [directions, hidden, cols], 2),
          scales("ws", shape),
          codes("wz", "int8", shape, 3),
          scales("rs", shape, 4),
          codes("rz", "int8", shape, 5),
        ],
      );
      const plan = await planFromOnnx(await openTestModel(tested));
      expect(plan.uses.map((use) => [use.weight.name, use.operator])).toEqual([
        ["W", "recurrent"],
        ["R", "recurrent"],
      ]);
      for (const [i, rows] of [inputs, hidden].entries()) {
        const [q, s, z] = [
          ["W", "ws", "wz"],
          ["R", "rs", "rz"],
        ][i].map((name) => numbers(tested, name));
        const matrices = await matrixOfUse(plan.uses[i]);
        const at = (e: number) => {
          const direction = Math.floor(e / (rows * cols));
          return perChannel ? direction * cols + (e % cols) : direction;
        };
        expect(matrices.flatMap((m) => [...m.data])).toEqual(
          Array.from(q, (v, e) => (v - z[at(e)]) * s[at(e)]),
        );
      }
    });
  }

  it("QEmbedLayerNormalization, three tables", async () => {
    const tables = ["word", "position", "segment"];
    const inputs = ["ids", "segments", ...tables, "gamma", "beta", ""];
    const tested = model(
      [
        node(
          "QEmbedLayerNormalization",
          [...inputs, ...tables.map((t) => `${t}s`), "gs", "bs", ...tables.map((t) => `${t}z`), "gz", "bz"],
          {},
          "com.microsoft",
        ),
      ],
      [1],
      [
        ...tables.flatMap((t, i) => [
          codes(t, "uint8", [4 + i, 3], i + 1),
          scales(`${t}s`, [], i + 1),
          codes(`${t}z`, "uint8", [], i + 1),
        ]),
        ...["gamma", "beta"].map((name) => codes(name, "uint8", [3])),
        ...["gs", "bs"].map((name) => scales(name, [])),
        ...["gz", "bz"].map((name) => codes(name, "uint8", [])),
      ],
    );
    const ids = ["ids", "segments"].map((name) => ({ name, shape: [1, 4], dtype: "int32" }));
    const plan = await planFromOnnx(await openTestModel({ ...tested, inputs: ids }));
    expect(plan.uses.map((use) => use.weight.name)).toEqual(tables);
    for (const use of plan.uses) {
      const { name } = use.weight;
      const [scale] = Array.from(numbers(tested, `${name}s`));
      const [zero] = Array.from(numbers(tested, `${name}z`));
      const [ours] = await matrixOfUse(use);
      expect([...ours.data]).toEqual(Array.from(numbers(tested, name), (v) => (v - zero) * scale));
    }
  });
});

describe("an integer product without a scale of its own", () => {
  const integerProduct = (after: readonly Node[], extra: readonly Initializer[] = []) => ({
    ...model(
      [
        { opType: "DynamicQuantizeLinear", inputs: ["x"], outputs: ["xq", "xs", "xz"] },
        { opType: "MatMulInteger", name: "m", inputs: ["xq", "q", "xz"], outputs: ["i"] },
        ...after,
      ],
      [1, 5],
      [codes("q", "int8", [5, 7]), scales("s", []), ...extra],
    ),
  });
  const cast: Node = { opType: "Cast", inputs: ["i"], outputs: ["f"], attributes: { to: int(1) } };
  const mul = (a: string, b: string, y: string): Node => ({ opType: "Mul", inputs: [a, b], outputs: [y] });

  it("an integer product whose scale is not where quantize_dynamic puts it", async () => {
    const start = 'the weight of MatMulInteger "m": its scale cannot be found in the graph: ';
    const other: Node = { opType: "Identity", inputs: ["i"], outputs: ["y"] };
    expect(await reason(integerProduct([other]))).toBe(`${start}its integers are not converted by one Cast`);
    expect(
      await reason(
        integerProduct([cast, mul("xs", "s", "b"), mul("f", "b", "c"), { ...other, inputs: ["i"] }]),
      ),
    ).toContain("one Cast");
    expect(await reason(integerProduct([cast, { ...other, inputs: ["f"] }]))).toBe(
      `${start}the Cast is not followed by Mul with a scale`,
    );
    expect(await reason(integerProduct([cast, mul("f", "s", "a"), mul("a", "s", "y")]))).toBe(
      `${start}no factor is the scale of its dynamically quantised input`,
    );
    const second = { opType: "DynamicQuantizeLinear", inputs: ["x"], outputs: ["oq", "os", "oz"] };
    expect(await reason(integerProduct([second, cast, mul("os", "s", "b"), mul("f", "b", "y")]))).toContain(
      "no factor",
    );
    expect(
      await reason(integerProduct([cast, mul("xs", "v", "b"), mul("f", "b", "y")], [scales("v", [5])])),
    ).toBe('the weight of MatMulInteger "m": its scale of shape [5] does not fit the weight, [5,7]');
  });

  it("does not mistake a factor of the network for the scale", async () => {
    const half = float32("half", [0.5], []);
    const tested = integerProduct(
      [cast, mul("xs", "s", "b"), mul("f", "b", "c"), mul("c", "half", "y")],
      [half],
    );
    const [ours] = await matrixOfUse(await onlyUse(tested));
    const [scale] = Array.from(numbers(tested, "s"));
    expect([...ours.data]).toEqual(Array.from(numbers(tested, "q"), (v) => v * scale));
  });

  it("packed formats without a reader, wherever their numbers stand", async () => {
    const attributes = { K: int(8), N: int(4), block_size: int(16), quant_type: int(1) };
    const bnb4 = model(
      [node("MatMulBnb4", ["x", "q", "s"], attributes, "com.microsoft")],
      [1, 8],
      [codes("q", "uint8", [16]), scales("s", [2])],
    );
    expect(await reason(bnb4)).toBe(
      'the weight of MatMulBnb4 "matmulbnb4": packed in a way that is not read (uint8)',
    );
  });
});
