import { describe, expect, it } from "vitest";
import { planFromOnnx } from "./plan-from-onnx.ts";
import { largestSingularValue, matrixOfModel, matrixOfUse, normOfUse } from "./testing/linear.ts";
import {
  float,
  float32,
  int,
  int64,
  ints,
  openTestModel,
  randomNumbers,
  string,
  type TestModel,
} from "./testing/run-onnx.ts";

function weight(name: string, shape: readonly number[], seed = 1) {
  const random = randomNumbers(seed);
  return float32(name, Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, random), shape);
}

function picker(seed: number) {
  const random = randomNumbers(seed);
  return (low: number, high: number) => low + Math.floor(((random() + 1) / 2) * (high - low + 1));
}

const single = (
  node: TestModel["nodes"][number],
  x: readonly (number | string)[],
  initializers: NonNullable<TestModel["initializers"]>,
  domains?: TestModel["domains"],
): TestModel => ({
  opset: 13,
  inputs: [{ name: "x", shape: x }],
  nodes: [node],
  initializers,
  outputs: [{ name: "y" }],
  ...(domains ? { domains } : {}),
});

async function onlyUse(model: TestModel) {
  const plan = await planFromOnnx(await openTestModel(model));
  expect(plan.skipped.filter((s) => s.warn)).toEqual([]);
  expect(plan.uses).toHaveLength(1);
  return plan.uses[0];
}

function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let worst = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < Math.min(a.length, b.length); i++) worst = Math.max(worst, Math.abs(a[i] - b[i]));
  return worst;
}

/** A random convolution node over one or two axes; `x` is its input's shape. */
function convolutionModel(seed: number, transposed: boolean) {
  const pick = picker(seed);
  const axes = pick(1, 2);
  const list = (low: number, high: number) => Array.from({ length: axes }, () => pick(low, high));
  const kernel = list(1, 3);
  const strides = list(1, 3);
  const auto = ["NOTSET", "NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"][pick(0, 5)];
  const dilations = auto.startsWith("SAME") ? list(1, 1) : list(1, 2);
  const group = pick(1, 2);
  const size = kernel.map((k, i) => (transposed ? pick(2, 4) : dilations[i] * (k - 1) + 1 + pick(0, 4)));
  const pads = [...list(0, 2), ...list(0, 2)];
  const extra = strides.map((s) => pick(0, s - 1));
  // Padding may not eat the whole output of a transposed convolution.
  const fits = size.every(
    (n, i) => strides[i] * (n - 1) + dilations[i] * (kernel[i] - 1) + 1 - pads[i] - pads[i + axes] > 0,
  );
  const [first, second] = [2, 3];
  const shape = transposed ? [first * group, second, ...kernel] : [second * group, first, ...kernel];
  const channelsLast = pick(0, 1) === 1;
  const perm = [...kernel.map((_, i) => i + 2), 1, 0];
  const back = [axes + 1, axes, ...kernel.map((_, i) => i)];
  const attributes = {
    strides: ints(strides),
    dilations: ints(dilations),
    group: int(group),
    ...(auto === "NOTSET"
      ? { pads: ints(transposed && !fits ? pads.map(() => 0) : pads) }
      : { auto_pad: string(auto) }),
    ...(transposed && auto === "NOTSET" ? { output_padding: ints(extra) } : {}),
  };
  const node = {
    opType: transposed ? "ConvTranspose" : "Conv",
    name: "layer",
    inputs: ["x", "k"],
    outputs: ["y"],
    attributes,
  };
  const stored = weight("w", channelsLast ? perm.map((p) => shape[p]) : shape, seed);
  const model: TestModel = {
    opset: 13,
    inputs: [{ name: "x", shape: [1, 2 * group, ...size] }],
    initializers: [stored],
    nodes: [
      channelsLast
        ? { opType: "Transpose", inputs: ["w"], outputs: ["k"], attributes: { perm: ints(back) } }
        : { opType: "Identity", inputs: ["w"], outputs: ["k"] },
      node,
    ],
    outputs: [{ name: "y" }],
  };
  return model;
}

describe("convolution geometry is the operator the runtime computes", () => {
  it("Conv, 60 random ones, kernels stored either way round", async () => {
    for (let seed = 0; seed < 60; seed++) {
      const model = convolutionModel(seed, false);
      const [ours] = await matrixOfUse(await onlyUse(model));
      const theirs = await matrixOfModel(model);
      expect(difference(ours.data, theirs.data), `seed ${seed}`).toBeLessThan(1e-6);
    }
  });

  it("ConvTranspose is the adjoint of the planned convolution, 60 random ones", async () => {
    for (let seed = 0; seed < 60; seed++) {
      const model = convolutionModel(seed, true);
      const [ours] = await matrixOfUse(await onlyUse(model));
      const theirs = await matrixOfModel(model);
      expect(ours.rows, `seed ${seed}`).toBe(theirs.cols);
      const sigma = largestSingularValue(ours);
      expect(Math.abs(sigma - largestSingularValue(theirs)), `seed ${seed}`).toBeLessThanOrEqual(
        1e-5 * sigma,
      );
      // Outputs that no input reaches are left out of the plan; all others agree entry by entry.
      if (ours.cols !== theirs.rows) continue;
      const adjoint = Float64Array.from(
        theirs.data,
        (_, k) => ours.data[(k % ours.rows) * ours.cols + Math.floor(k / ours.rows)],
      );
      expect(difference(adjoint, theirs.data), `seed ${seed}`).toBeLessThan(1e-6);
    }
  });

  it("ConvTranspose with output padding beyond the stride, as PyTorch allows it", async () => {
    for (const [n, k, s, d, before, after, extra] of [
      [3, 3, 1, 2, 0, 0, 1],
      [3, 3, 1, 3, 1, 1, 2],
      [4, 2, 2, 3, 0, 2, 2],
      [3, 3, 2, 4, 2, 1, 3],
      [2, 2, 1, 3, 1, 0, 2],
    ]) {
      const size = s * (n - 1) + extra + d * (k - 1) + 1 - before - after;
      const attributes = {
        strides: ints([s]),
        dilations: ints([d]),
        pads: ints([before, after]),
        output_padding: ints([extra]),
      };
      const model = single(
        { opType: "ConvTranspose", name: "up", inputs: ["x", "w"], outputs: ["y"], attributes },
        [1, 1, n],
        [weight("w", [1, 1, k], k)],
      );
      const taps = model.initializers![0].data as Float32Array;
      const data = new Float64Array(size * n);
      for (let i = 0; i < n; i++) {
        for (let q = 0; q < k; q++) {
          const y = i * s + q * d - before;
          if (y >= 0 && y < size) data[y * n + i] += taps[q];
        }
      }
      const sigma = largestSingularValue({ rows: size, cols: n, data });
      expect(Math.abs((await normOfUse(await onlyUse(model))) - sigma)).toBeLessThan(1e-12 * sigma);
    }
  });

  it("ConvTranspose with output_shape", async () => {
    for (const [size, output] of [
      [4, 9],
      [4, 11],
      [3, 5],
      [5, 9],
    ]) {
      for (const auto of ["NOTSET", "SAME_UPPER", "SAME_LOWER"]) {
        const attributes = {
          strides: ints([2]),
          output_shape: ints([output]),
          ...(auto === "NOTSET" ? {} : { auto_pad: string(auto) }),
        };
        const model = single(
          { opType: "ConvTranspose", name: "up", inputs: ["x", "w"], outputs: ["y"], attributes },
          [1, 2, size],
          [weight("w", [2, 3, 4])],
        );
        const [ours] = await matrixOfUse(await onlyUse(model));
        const theirs = await matrixOfModel(model);
        expect(theirs.rows).toBe(3 * output);
        expect(ours.rows, `${auto} ${size} → ${output}`).toBe(theirs.cols);
        const sigma = largestSingularValue(theirs);
        expect(Math.abs(largestSingularValue(ours) - sigma), `${auto} ${size} → ${output}`).toBeLessThan(
          1e-5 * sigma,
        );
      }
    }
  });

  it("FusedConv and channels-last NhwcConv shapes", async () => {
    const plan = await planFromOnnx(
      await openTestModel(
        single(
          {
            opType: "NhwcConv",
            domain: "com.microsoft",
            name: "c",
            inputs: ["x", "w"],
            outputs: ["y"],
            attributes: { pads: ints([1, 1, 1, 1]) },
          },
          [1, 5, 6, 3],
          [weight("w", [4, 3, 3, 3])],
          { "com.microsoft": 1 },
        ),
      ),
    );
    const { layout } = plan.uses[0];
    expect(layout.kind === "convolution" && layout.geometry.inputSize).toEqual([5, 6]);
  });
});

describe("matrix products have the norm the runtime gives", () => {
  const cases: readonly (readonly [string, TestModel])[] = [
    [
      "MatMul right",
      single({ opType: "MatMul", inputs: ["x", "w"], outputs: ["y"] }, [1, 2, 4], [weight("w", [4, 3])]),
    ],
    [
      "MatMul left",
      single({ opType: "MatMul", inputs: ["w", "x"], outputs: ["y"] }, [1, 4, 2], [weight("w", [3, 4])]),
    ],
    [
      "MatMul vector",
      single({ opType: "MatMul", inputs: ["x", "w"], outputs: ["y"] }, [1, 4], [weight("w", [4])]),
    ],
    [
      "MatMul batch",
      single({ opType: "MatMul", inputs: ["x", "w"], outputs: ["y"] }, [3, 2, 4], [weight("w", [3, 4, 3])]),
    ],
    [
      "Gemm",
      single(
        {
          opType: "Gemm",
          inputs: ["x", "w", "b"],
          outputs: ["y"],
          attributes: { alpha: float(-0.5), transB: int(1), beta: float(2) },
        },
        [1, 4],
        [weight("w", [3, 4]), weight("b", [3])],
      ),
    ],
    [
      "Gemm transA",
      single(
        { opType: "Gemm", inputs: ["w", "x"], outputs: ["y"], attributes: { transA: int(1) } },
        [4, 2],
        [weight("w", [4, 3])],
      ),
    ],
    [
      "FusedMatMul",
      single(
        {
          opType: "FusedMatMul",
          domain: "com.microsoft",
          inputs: ["x", "w"],
          outputs: ["y"],
          attributes: { alpha: float(3), transB: int(1) },
        },
        [1, 4],
        [weight("w", [3, 4])],
        { "com.microsoft": 1 },
      ),
    ],
    [
      "Einsum heads",
      single(
        {
          opType: "Einsum",
          inputs: ["x", "w"],
          outputs: ["y"],
          attributes: { equation: string("bsk,khd->bshd") },
        },
        [1, 2, 6],
        [weight("w", [6, 2, 3])],
      ),
    ],
    [
      "Einsum out",
      single(
        {
          opType: "Einsum",
          inputs: ["x", "w"],
          outputs: ["y"],
          attributes: { equation: string("bshd,hdo->bso") },
        },
        [1, 2, 2, 3],
        [weight("w", [2, 3, 5])],
      ),
    ],
    [
      "Einsum batch",
      single(
        {
          opType: "Einsum",
          inputs: ["w", "x"],
          outputs: ["y"],
          attributes: { equation: string("eij,ej->ei") },
        },
        [3, 4],
        [weight("w", [3, 2, 4])],
      ),
    ],
  ];
  for (const [name, model] of cases) {
    it(name, async () => {
      const sigma = largestSingularValue(await matrixOfModel(model));
      expect(Math.abs((await normOfUse(await onlyUse(model))) - sigma)).toBeLessThan(1e-5 * sigma);
    });
  }

  it("follows constants through reshapes and transposes", async () => {
    const model: TestModel = {
      opset: 13,
      inputs: [{ name: "x", shape: [1, 6] }],
      initializers: [weight("w", [2, 3, 5]), int64("s", [6, 5])],
      nodes: [
        { opType: "Reshape", inputs: ["w", "s"], outputs: ["m"] },
        { opType: "Transpose", inputs: ["m"], outputs: ["t"] },
        { opType: "Identity", inputs: ["t"], outputs: ["i"] },
        { opType: "Gemm", name: "g", inputs: ["x", "i"], outputs: ["y"], attributes: { transB: int(1) } },
      ],
      outputs: [{ name: "y" }],
    };
    const sigma = largestSingularValue(await matrixOfModel(model));
    expect(Math.abs((await normOfUse(await onlyUse(model))) - sigma)).toBeLessThan(1e-5 * sigma);
  });
});

describe("what is no use says why", () => {
  async function reasons(model: TestModel) {
    const plan = await planFromOnnx(await openTestModel(model));
    return {
      uses: plan.uses.map((u) => u.name),
      skipped: plan.skipped.map((s) => [s.tensor.name, s.because, s.warn]),
    };
  }

  it("computed, elementwise and unknown", async () => {
    const plan = await reasons({
      opset: 13,
      domains: { "com.example": 1 },
      inputs: [{ name: "x", shape: [1, 4] }],
      initializers: [
        { name: "q", dtype: "int8", shape: [4, 4], data: new Int8Array(16) },
        float32("scale", [0.1], []),
        weight("a", [4, 4]),
        weight("twice", [4, 4]),
        weight("bias", [1, 4]),
        weight("odd", [4, 4]),
        weight("unused", [2, 2]),
      ],
      nodes: [
        { opType: "DequantizeLinear", inputs: ["q", "scale"], outputs: ["dq"] },
        { opType: "MatMul", name: "quantised", inputs: ["x", "dq"], outputs: ["y1"] },
        { opType: "Mul", inputs: ["a", "scale"], outputs: ["as"] },
        { opType: "MatMul", name: "scaled", inputs: ["y1", "as"], outputs: ["y2"] },
        { opType: "MatMul", name: "shared", inputs: ["y2", "twice"], outputs: ["y3"] },
        { opType: "MatMul", name: "shared", inputs: ["y3", "twice"], outputs: ["y4"] },
        { opType: "Add", inputs: ["y4", "bias"], outputs: ["y5"] },
        { opType: "Mystery", name: "m", domain: "com.example", inputs: ["y5", "odd"], outputs: ["y"] },
      ],
      outputs: [{ name: "y" }],
    });
    expect(plan).toMatchInlineSnapshot(`
      {
        "skipped": [
          [
            "scale",
            "one of the tensors that the weight of quantised is computed from",
            false,
          ],
          [
            "bias",
            "added, multiplied or joined element by element (Add)",
            false,
          ],
          [
            "odd",
            "read by Mystery "m", an operator without a rule",
            true,
          ],
          [
            "unused",
            "no node of the graph reads it",
            false,
          ],
        ],
        "uses": [
          "quantised",
          "scaled",
          "shared/twice",
          "shared/twice#2",
        ],
      }
    `);
  });

  it("embeddings and recurrent layers", async () => {
    const plan = await planFromOnnx(
      await openTestModel({
        opset: 14,
        inputs: [{ name: "ids", shape: [5, 1], dtype: "int64" }],
        initializers: [weight("table", [10, 4]), weight("W", [2, 12, 4]), weight("R", [2, 12, 3])],
        nodes: [
          { opType: "Gather", name: "embed", inputs: ["table", "ids"], outputs: ["e"] },
          {
            opType: "LSTM",
            name: "rnn",
            inputs: ["e", "W", "R"],
            outputs: ["y"],
            attributes: { hidden_size: int(3), direction: string("bidirectional") },
          },
        ],
        outputs: [{ name: "y" }],
      }),
    );
    expect(plan.uses.map((u) => [u.name, u.operator, u.layout])).toEqual([
      ["embed", "embedding", { kind: "matrix", count: 1, rows: 10, cols: 4 }],
      ["rnn/W", "recurrent", { kind: "matrix", count: 2, rows: 12, cols: 4 }],
      ["rnn/R", "recurrent", { kind: "matrix", count: 2, rows: 12, cols: 3 }],
    ]);
    // The recurrent layer has a constant over its five steps.
    const unbounded = plan.graph!.nodes.filter((n) => n.unbounded !== undefined);
    expect(unbounded.map((n) => n.op)).toEqual(["Gather"]);
  });

  it("a convolution at unknown size tells what to give", async () => {
    const model = single(
      { opType: "Conv", name: "c", inputs: ["x", "w"], outputs: ["y"] },
      ["n", 3, "h", "w"],
      [weight("w", [4, 3, 3, 3])],
    );
    const use = await onlyUse(model);
    expect(use.layout.kind === "convolution" && use.layout.geometry.inputSize).toBeUndefined();
    expect(use.problems).toMatchInlineSnapshot(`
      [
        "the size of its input is not fixed by the file, so the bound holds for every size; give --input x=SHAPE (declared [n, 3, h, w]) for the bound at yours",
      ]
    `);
    const sized = await planFromOnnx(await openTestModel(model), { inputs: new Map([["", [1, 3, 8, 9]]]) });
    const { layout } = sized.uses[0];
    expect(layout.kind === "convolution" && layout.geometry.inputSize).toEqual([8, 9]);
  });

  it("does not ask for a size that was given and did not help", async () => {
    const conv = { opType: "Conv", name: "c", inputs: ["opaque", "w"], outputs: ["y"] };
    const mystery = { opType: "Mystery", name: "m", inputs: ["x"], outputs: ["opaque"] };
    const model = {
      ...single(conv, ["n", 3, "h", "w"], [weight("w", [4, 3, 3, 3])]),
      nodes: [mystery, conv],
    };
    const open = await planFromOnnx(await openTestModel(model));
    expect(open.uses[0].problems).toEqual([expect.stringContaining("give --input x=SHAPE")]);
    const sized = await planFromOnnx(await openTestModel(model), { inputs: new Map([["x", [1, 3, 8, 9]]]) });
    expect(sized.uses[0].problems).toEqual([expect.stringContaining("could not be inferred from the graph")]);
  });

  it("an open first axis that a convolution slides along is no batch", async () => {
    const plan = await planFromOnnx(
      await openTestModel({
        opset: 13,
        inputs: [{ name: "x", shape: ["height", 8, 3] }],
        initializers: [weight("w", [4, 3, 3, 3]), int64("axis", [0])],
        nodes: [
          { opType: "Transpose", inputs: ["x"], outputs: ["t"], attributes: { perm: ints([2, 0, 1]) } },
          { opType: "Unsqueeze", inputs: ["t", "axis"], outputs: ["u"] },
          {
            opType: "Conv",
            name: "c",
            inputs: ["u", "w"],
            outputs: ["y"],
            attributes: { pads: ints([1, 1, 1, 1]) },
          },
        ],
        outputs: [{ name: "y" }],
      }),
    );
    const { layout, problems } = plan.uses[0];
    expect(layout.kind === "convolution" && layout.geometry.inputSize).toBeUndefined();
    expect(problems.join()).toContain("--input x=");
  });
});
