import { describe, expect, it } from "vitest";
import { storedType } from "../dequantized.ts";
import { storedTensor } from "../derived.ts";
import { planFromOnnx } from "../plan-from-onnx.ts";
import { Scope } from "../scope.ts";
import { inferShapes } from "../shapes/infer.ts";
import { storedWeight } from "../stored-weight.ts";
import { matrixOfUse } from "../testing/linear.ts";
import {
  codes,
  embeddingError,
  error,
  FLOAT32,
  type Initializer,
  integers,
  model,
  type Node,
  node,
  onlyUse,
  reason,
  scales,
  toIndex,
} from "../testing/quantized.ts";
import { float, int, int64, ints, openTestModel } from "../testing/run-onnx.ts";

describe("DequantizeLinear before an operator is the operator that runs", () => {
  const forms = {
    tensor: { shape: [], attributes: {} },
    "one element": { shape: [1], attributes: {} },
    rows: { shape: [5], attributes: { axis: int(0) } },
    columns: { shape: [7], attributes: { axis: int(-1) } },
    "axis 1 by default": { shape: [7], attributes: {} },
    "blocks of rows": { shape: [3, 7], attributes: { axis: int(0), block_size: int(2) } },
    "blocks of columns": { shape: [5, 4], attributes: { axis: int(1), block_size: int(2) } },
  };
  for (const dtype of ["int8", "uint8", "int16", "uint16", "int4", "uint4", "int2", "uint2", "int32"]) {
    for (const [name, { shape, attributes }] of Object.entries(forms)) {
      it(`${dtype}, ${name}`, async () => {
        const zero = dtype === "int32" ? [] : [codes("z", dtype, shape, 3)];
        const tested = model(
          [
            {
              ...node("DequantizeLinear", ["q", "s", ...zero.map((z) => z.name)], attributes),
              outputs: ["w"],
            },
            node("MatMul", ["x", "w"]),
          ],
          [1, 5],
          [codes("q", dtype, [5, 7]), scales("s", shape), ...zero],
          dtype.endsWith("2") ? 25 : 21,
        );
        const use = await onlyUse(tested);
        expect(storedType(use.weight)).toBe(dtype);
        expect(use.problems.join()).toContain(dtype === "int32" ? "rounded to float64" : "");
        expect(use.roundsActivations).toBeUndefined();
        expect(await error(tested)).toBeLessThan(FLOAT32);
      });
    }
  }

  it("integers in typed fields, two of 4 bits to a value", async () => {
    for (const dtype of ["int4", "uint4", "int8", "uint16"]) {
      for (const storage of ["packed", "unpacked"] as const) {
        const tested = model(
          [{ ...node("DequantizeLinear", ["q", "s", "z"]), outputs: ["w"] }, node("MatMul", ["x", "w"])],
          [1, 5],
          [
            { ...codes("q", dtype, [5, 7]), storage },
            scales("s", [7]),
            { ...codes("z", dtype, [7], 3), storage },
          ],
        );
        expect(await error(tested), `${dtype} ${storage}`).toBeLessThan(FLOAT32);
      }
    }
  });

  it("float8, whose zero points are zero", async () => {
    const bytes = Uint8Array.from(integers(35, 0, 0x77, 4));
    for (const dtype of ["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"]) {
      const tested = model(
        [{ ...node("DequantizeLinear", ["q", "s", "z"]), outputs: ["w"] }, node("MatMul", ["x", "w"])],
        [1, 5],
        [
          { name: "q", dtype, shape: [5, 7], data: bytes },
          scales("s", [7]),
          { name: "z", dtype, shape: [7], data: new Uint8Array(7) },
        ],
      );
      expect((await onlyUse(tested)).problems).toEqual([]);
      expect(await error(tested), dtype).toBeLessThan(FLOAT32);
    }
  });

  it("through Transpose, Reshape, Identity and Squeeze on either side of it", async () => {
    const tested = model(
      [
        { opType: "Identity", inputs: ["q"], outputs: ["q0"] },
        { opType: "Transpose", inputs: ["q0"], outputs: ["q1"], attributes: { perm: ints([1, 2, 0]) } },
        { ...node("DequantizeLinear", ["q1", "s", "z"], { axis: int(2) }), outputs: ["w0"] },
        { opType: "Reshape", inputs: ["w0", "shape"], outputs: ["w1"] },
        node("Gemm", ["x", "w1"], { alpha: float(2) }),
      ],
      [1, 6],
      [codes("q", "uint8", [5, 2, 3]), scales("s", [5]), codes("z", "uint8", [5], 2), int64("shape", [6, 5])],
    );
    expect(await error(tested)).toBeLessThan(FLOAT32);
    const [ours] = await matrixOfUse(await onlyUse(tested));
    expect([ours.rows, ours.cols]).toEqual([5, 6]);
  });

  it("scales through Unsqueeze, Squeeze and a widening Cast", async () => {
    const half = {
      name: "h",
      dtype: "float16",
      shape: [7],
      data: Uint16Array.from([1, 2, 3, 4, 5, 6, 7], (i) => 0x2c00 + 37 * i),
    };
    const tested = model(
      [
        { opType: "Cast", inputs: ["h"], outputs: ["c"], attributes: { to: int(1) } },
        { opType: "Unsqueeze", inputs: ["c", "axes"], outputs: ["u"] },
        { opType: "Squeeze", inputs: ["u", "axes"], outputs: ["s"] },
        { ...node("DequantizeLinear", ["q", "s"]), outputs: ["w"] },
        node("MatMul", ["x", "w"]),
      ],
      [1, 5],
      [codes("q", "int8", [5, 7]), half, int64("axes", [0])],
    );
    expect(await error(tested)).toBeLessThan(FLOAT32);
  });

  for (const transposed of [false, true]) {
    it(transposed ? "ConvTranspose" : "Conv with one scale per channel, in groups", async () => {
      const kernel = transposed ? [3, 2, 3] : [4, 2, 3];
      const opType = transposed ? "ConvTranspose" : "Conv";
      const attributes = { pads: ints([1, 1]), strides: ints([2]), ...(transposed ? {} : { group: int(2) }) };
      const tested = model(
        [
          { ...node("DequantizeLinear", ["q", "s", "z"], { axis: int(0) }), outputs: ["w"] },
          node(opType, ["x", "w"], attributes),
        ],
        [1, transposed ? 3 : 4, 5],
        [codes("q", "int8", kernel), scales("s", [kernel[0]]), codes("z", "int8", [kernel[0]], 2)],
      );
      expect(await error(tested)).toBeLessThan(FLOAT32);
    });
  }

  it("Gather of a dequantised table is an embedding", async () => {
    const plan = await planFromOnnx(
      await openTestModel({
        opset: 21,
        inputs: [{ name: "x", shape: [2], dtype: "int64" }],
        initializers: [codes("q", "int4", [5, 7]), scales("s", [5])],
        nodes: [
          { ...node("DequantizeLinear", ["q", "s"], { axis: int(0) }), outputs: ["w"] },
          node("Gather", ["w", "x"]),
        ],
        outputs: [{ name: "y" }],
      }),
    );
    expect(plan.uses.map((use) => [use.operator, use.layout])).toEqual([
      ["embedding", { kind: "matrix", count: 1, rows: 5, cols: 7 }],
    ]);
  });
});

describe("tables of small integers", () => {
  it("Gather before DequantizeLinear, as quantize_dynamic writes it", async () => {
    const tested = model(
      [
        toIndex,
        { ...node("Gather", ["q", "ids"]), outputs: ["g"] },
        node("DequantizeLinear", ["g", "s", "z"]),
      ],
      [5],
      [codes("q", "uint8", [5, 7]), scales("s", []), codes("z", "uint8", [], 2)],
    );
    expect(await embeddingError(tested, 5)).toBeLessThan(FLOAT32);
  });
});

describe("numbers that float64 cannot hold", () => {
  it("are given to a layer that says so, and to nothing that asks for exact ones", async () => {
    const tested = model(
      [{ ...node("DequantizeLinear", ["q", "s"]), outputs: ["w"] }, node("MatMul", ["x", "w"])],
      [1, 5],
      [codes("q", "int32", [5, 7]), scales("s", [])],
    );
    const { onnx } = await openTestModel(tested);
    const scope = new Scope(onnx!.graph, await inferShapes(onnx!), null);
    expect(storedWeight(scope, "w")).toMatchObject({
      because: expect.stringContaining("rounded to float64"),
    });
    expect(storedWeight(scope, "w", true)).toMatchObject({
      notes: [expect.stringContaining("rounded to float64")],
    });
  });
});

describe("what cannot be dequantised says why", () => {
  const dequantized = (
    inputs: readonly string[],
    initializers: readonly Initializer[],
    attributes: Node["attributes"] = {},
    before: readonly Node[] = [],
  ) =>
    model(
      [
        ...before,
        { ...node("DequantizeLinear", inputs, attributes), outputs: ["w"] },
        node("MatMul", ["x", "w"]),
      ],
      [1, 5],
      [codes("q", "int8", [5, 7]), ...initializers],
    );

  it("scales of the wrong shape, missing, computed, quantised or of another type", async () => {
    const start = 'the weight of MatMul "matmul": at DequantizeLinear "dequantizelinear" ';
    expect(await reason(dequantized(["q", "s"], [scales("s", [3])]))).toBe(
      `${start}its scale of shape [3] does not fit the weight, [5,7]`,
    );
    expect(await reason(dequantized(["q", "s", "z"], [scales("s", []), codes("z", "int8", [3])]))).toBe(
      `${start}its zero point of shape [3] does not fit the weight, [5,7]`,
    );
    expect(await reason(dequantized(["q", "s"], [scales("s", [5, 3])], { block_size: int(4) }))).toContain(
      "[5,3] does not fit",
    );
    expect(
      await reason(
        dequantized(["q", "s"], [{ name: "s", dtype: "float64", shape: [], data: Float64Array.of(1) }]),
      ),
    ).toBe(`${start}its scale is float64`);
    const mul = { opType: "Mul", name: "twice", inputs: ["t", "t"], outputs: ["s"] };
    expect(await reason(dequantized(["q", "s"], [scales("t", [])], {}, [mul]))).toBe(
      `${start}its scale goes through Mul "twice" before it is used`,
    );
    const again = { ...node("DequantizeLinear", ["t", "ts"]), name: "again", outputs: ["s"] };
    expect(
      await reason(dequantized(["q", "s"], [codes("t", "int8", []), scales("ts", [])], {}, [again])),
    ).toContain('its scale goes through DequantizeLinear "again"');
  });

  it("dequantised numbers that go to an operator without a rule", async () => {
    const tested = model(
      [
        { ...node("DequantizeLinear", ["q", "s"]), outputs: ["w"] },
        node("Mystery", ["x", "w"], {}, "com.example"),
      ],
      [1, 5],
      [codes("q", "int8", [5, 7]), scales("s", [])],
    );
    expect(await reason(tested)).toBe('read by Mystery "mystery", an operator without a rule');
  });

  it("a table of integers whose rows are not dequantised at once", async () => {
    const tested = model(
      [
        toIndex,
        { ...node("Gather", ["q", "ids"]), outputs: ["g"] },
        { opType: "Cast", inputs: ["g"], outputs: ["y"], attributes: { to: int(1) } },
      ],
      [5],
      [codes("q", "int8", [5, 7])],
    );
    expect(await reason(tested)).toBe(
      'the weight of Gather "gather": int8 numbers whose scale cannot be found',
    );
  });
});

describe("tensors beside a quantised weight are no weights", () => {
  it("blocked scales and zero points are remarks, dequantised biases are what reads them", async () => {
    const plan = await planFromOnnx(
      await openTestModel(
        model(
          [
            {
              ...node("DequantizeLinear", ["q", "s", "z"], { axis: int(0), block_size: int(2) }),
              outputs: ["w"],
            },
            { ...node("MatMul", ["x", "w"]), outputs: ["m"] },
            { ...node("DequantizeLinear", ["b", "bs"]), name: "bias", outputs: ["bw"] },
            node("Add", ["m", "bw"]),
          ],
          [1, 5],
          [
            codes("q", "int4", [5, 7]),
            scales("s", [3, 7]),
            codes("z", "int4", [3, 7]),
            codes("b", "int8", [1, 7]),
            scales("bs", []),
          ],
        ),
      ),
    );
    expect(plan.uses.map((use) => storedTensor(use.weight).name)).toEqual(["q"]);
    expect(plan.skipped.map((s) => [s.tensor.name, s.because, s.warn])).toEqual([
      ["s", "one of the tensors that the weight of matmul is computed from", false],
      ["z", "one of the tensors that the weight of matmul is computed from", false],
      ["b", "int8 values read by Add", false],
      ["bs", "a vector or scalar read by DequantizeLinear", false],
    ]);
  });
});
