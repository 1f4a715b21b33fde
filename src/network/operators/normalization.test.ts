import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AttributeDescription } from "../../formats/onnx/encode.ts";
import { forward, outputsOf } from "../evaluate.ts";
import { importOnnx } from "../import-onnx.ts";
import { checkModel } from "../testing/check-operation.ts";
import { checkSteepness } from "../testing/check-steepness.ts";
import { constantsOf } from "../testing/constants-of.ts";
import { largestSingularValue } from "../testing/linear.ts";
import {
  float,
  float32,
  int,
  ints,
  openTestModel,
  randomNumbers,
  type TestModel,
} from "../testing/run-onnx.ts";
import { l1Normalized } from "./normalization-l1.ts";
import { euclidean, insideRoot, normalized, outsideRoot } from "./normalized-groups.ts";
import type { GeneralOperation } from "./operation.ts";

type Attributes = Readonly<Record<string, AttributeDescription>>;

function numbers(shape: readonly number[], seed: number): Float32Array {
  const random = randomNumbers(seed);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, random);
}

/** A node of one signal and constant parameters of these shapes, positive ones by their position. */
function model(
  opType: string,
  opset: number,
  shape: readonly number[],
  parameters: readonly (readonly number[])[],
  attributes: Attributes = {},
  positive: readonly number[] = [],
): TestModel {
  return {
    opset,
    nodes: [{ opType, inputs: ["x", ...parameters.map((_, i) => `p${i}`)], outputs: ["y"], attributes }],
    initializers: parameters.map((p, i) =>
      float32(
        `p${i}`,
        numbers(p, 11 + i).map((v) => (positive.includes(i) ? 0.3 + Math.abs(v) : v)),
        p,
      ),
    ),
    inputs: [{ name: "x", shape }],
    outputs: [{ name: "y" }],
  };
}

describe("BatchNormalization", () => {
  for (const opset of [7, 9, 14, 15]) {
    for (const shape of [
      [3, 4],
      [1, 3, 5],
      [2, 3, 2, 3],
    ]) {
      it(`operator set ${opset}, shape [${shape}]`, async () => {
        const parameters = [1, 2, 3, 4].map(() => [shape[1]]);
        const attributes = { epsilon: float(1e-3) };
        const network = await checkModel(
          model("BatchNormalization", opset, shape, parameters, attributes, [3]),
        );
        expect(network.nodes[0].operation.kind).toBe("affine");
      });
    }
  }

  it("encloses offsets whose terms cancel", async () => {
    const cancelling = model("BatchNormalization", 9, [1, 1, 2], [[1], [1], [1], [1]]);
    const initializers = [
      float32("p0", [3]),
      float32("p1", [30]),
      float32("p2", [10]),
      float32("p3", [1 - 1e-5]),
    ];
    const network = await checkModel({ ...cancelling, initializers });
    const { operation } = network.nodes[0];
    if (operation.kind !== "affine") throw new Error(operation.kind);
    expect(operation.offsetMagnitude?.[0]).toBeCloseTo(60, 3);
  });

  it("refuses training mode", async () => {
    const parameters = [1, 2, 3, 4].map(() => [3]);
    const training = model("BatchNormalization", 14, [1, 3, 2], parameters, { training_mode: int(1) }, [3]);
    await expect(importOnnx(await openTestModel(training))).rejects.toThrow(/in training mode/);
  });
});

describe("LayerNormalization", () => {
  for (const [shape, axis, scale, bias] of [
    [[2, 3, 4], undefined, [4], [4]],
    [[2, 3, 4], 1, [3, 4], [3, 4]],
    [[2, 3, 4], -2, [3, 4], undefined],
    [[2, 5], 1, [5], [5]],
    [[7], 0, [7], [7]],
    [[2, 3, 1], -1, [1], [1]],
  ] as const) {
    it(`shape [${shape}], axis ${axis ?? "default"}, ${bias ? "with" : "without"} bias`, async () => {
      const attributes = { epsilon: float(0.05), ...(axis === undefined ? {} : { axis: int(axis) }) };
      const parameters = bias ? [scale, bias] : [scale];
      await checkModel(model("LayerNormalization", 17, shape, parameters, attributes));
    });
  }

  it("has the default epsilon", async () => {
    await checkModel(model("LayerNormalization", 17, [2, 6], [[6]]), { points: 3 });
  });

  it("refuses computed scales and statistics that are used", async () => {
    const base = model("LayerNormalization", 17, [2, 4], []);
    const computed = { ...base, nodes: [{ ...base.nodes[0], inputs: ["x", "x"] }] };
    await expect(importOnnx(await openTestModel(computed))).rejects.toThrow(/scale or bias depends/);
    const parameters = model("LayerNormalization", 17, [2, 4], [[4]]);
    const statistics = {
      ...parameters,
      nodes: [{ ...parameters.nodes[0], outputs: ["y", "mean"] }],
      outputs: [{ name: "y" }, { name: "mean" }],
    };
    await expect(importOnnx(await openTestModel(statistics))).rejects.toThrow(/its mean or deviation/);
  });
});

describe("RMS normalisations", () => {
  it("SimplifiedLayerNormalization", async () => {
    const attributes = { epsilon: float(0.01), axis: int(-1) };
    await checkModel(model("SimplifiedLayerNormalization", 17, [2, 3, 4], [[4]], attributes));
  });

  it("RMSNormalization", async () => {
    await checkModel(model("RMSNormalization", 23, [2, 3, 4], [[4]], { epsilon: float(0.01) }));
    await checkModel(
      model("RMSNormalization", 23, [2, 3, 4], [[3, 4]], { epsilon: float(0.01), axis: int(1) }),
    );
  });
});

describe("InstanceNormalization", () => {
  for (const shape of [
    [1, 3, 4],
    [2, 2, 3, 2],
  ]) {
    it(`shape [${shape}]`, async () => {
      const parameters = [[shape[1]], [shape[1]]];
      await checkModel(model("InstanceNormalization", 6, shape, parameters, { epsilon: float(0.1) }));
    });
  }
});

describe("GroupNormalization", () => {
  it("operator set 21: parameters for each channel", async () => {
    const attributes = { num_groups: int(2), epsilon: float(0.1) };
    await checkModel(model("GroupNormalization", 21, [2, 4, 3], [[4], [4]], attributes));
    await checkModel(model("GroupNormalization", 21, [1, 6, 2, 2], [[6], [6]], attributes));
  });

  it("operator set 18: parameters for each group", async () => {
    const attributes = { num_groups: int(2), epsilon: float(0.1) };
    await checkModel(model("GroupNormalization", 18, [2, 4, 3], [[2], [2]], attributes));
  });
});

describe("MeanVarianceNormalization", () => {
  for (const [shape, axes] of [
    [[2, 3, 2, 2], undefined],
    [[2, 3, 4], [2]],
    [
      [3, 4, 2],
      [0, 2],
    ],
  ] as const) {
    it(`shape [${shape}], axes ${axes ?? "default"}`, async () => {
      const attributes = axes === undefined ? {} : { axes: ints(axes) };
      await checkModel(model("MeanVarianceNormalization", 13, shape, [], attributes));
    });
  }
});

describe("LpNormalization", () => {
  for (const p of [1, 2]) {
    for (const axis of [0, 1, -1]) {
      it(`p ${p}, axis ${axis}`, async () => {
        const attributes = { p: int(p), axis: int(axis) };
        await checkModel(model("LpNormalization", 13, [2, 3, 4], [], attributes));
      });
    }
  }
});

describe("LRN", () => {
  for (const [size, shape] of [
    [3, [1, 5, 2, 2]],
    [4, [2, 6, 1, 2]],
    [1, [1, 3, 2, 1]],
    [9, [1, 3, 2, 2]],
  ] as const) {
    it(`size ${size}, shape [${shape}]`, async () => {
      const attributes = { size: int(size), alpha: float(1.5), beta: float(0.8), bias: float(0.7) };
      // onnxruntime takes odd sizes only; the window of an even one is checked below.
      const runtime = size % 2 === 1;
      await checkModel(model("LRN", 13, shape, [], attributes), { runtime });
      await checkModel(model("LRN", 13, shape, [], { size: int(size) }), { points: 2, runtime });
    });
  }

  it("is steeper than entry by entry where beta is large", async () => {
    const attributes = { size: int(3), alpha: float(3), beta: float(2), bias: float(0.01) };
    const network = await checkModel(model("LRN", 13, [1, 2, 1, 1], [], attributes), { range: [0.5, 2] });
    checkSteepness(network, [Float64Array.of(0.5, 0.5)]);
  });

  it("looks at ⌊(size − 1)/2⌋ channels before and ⌈(size − 1)/2⌉ after", async () => {
    const attributes = { size: int(4), alpha: float(2), beta: float(0.5), bias: float(1) };
    const network = await importOnnx(await openTestModel(model("LRN", 13, [1, 5, 1, 1], [], attributes)));
    const x = [1, -2, 3, 0.5, -1];
    const [y] = outputsOf(network, forward(network, [Float64Array.from(x)]));
    x.forEach((v, c) => {
      const window = x.slice(Math.max(c - 1, 0), c + 3);
      const squares = window.reduce((s, w) => s + w * w, 0);
      expect(y[c]).toBeCloseTo(v / Math.sqrt(1 + squares / 2), 12);
    });
  });

  it("is 1-Lipschitz but for a small factor with the defaults of AlexNet", async () => {
    const attributes = { size: int(5), alpha: float(1e-4), beta: float(0.75), bias: float(1) };
    const found = await constantsOf(await openTestModel(model("LRN", 13, [1, 8, 2, 2], [], attributes)));
    expect(found?.constants[0]).toBeCloseTo(4, 10);
  });
});

describe("normalisation after an addition", () => {
  const skip = (
    opType: string,
    extra: readonly (readonly number[])[],
    {
      outputs = ["y"],
      skipShape = [2, 3, 4],
      constantSkip = false,
    }: {
      readonly outputs?: readonly string[];
      readonly skipShape?: readonly number[];
      readonly constantSkip?: boolean;
    } = {},
  ): TestModel => ({
    opset: 17,
    domains: { "com.microsoft": 1 },
    nodes: [
      {
        opType,
        domain: "com.microsoft",
        inputs: ["x", "skip", ...extra.map((_, i) => `p${i}`)],
        outputs,
        attributes: { epsilon: float(0.05) },
      },
    ],
    initializers: [
      ...extra.map((p, i) => float32(`p${i}`, numbers(p, 21 + i), p)),
      ...(constantSkip ? [float32("skip", numbers(skipShape, 4), skipShape)] : []),
    ],
    inputs: [{ name: "x", shape: [2, 3, 4] }, ...(constantSkip ? [] : [{ name: "skip", shape: skipShape }])],
    outputs: outputs.filter((name) => name !== "").map((name) => ({ name })),
  });

  it("SkipLayerNormalization", async () => {
    await checkModel(skip("SkipLayerNormalization", [[4]]));
    await checkModel(skip("SkipLayerNormalization", [[4], [4], [4]]));
    await checkModel(skip("SkipLayerNormalization", [[4], [4]], { skipShape: [1, 3, 4] }));
    await checkModel(skip("SkipLayerNormalization", [[4], [4]], { skipShape: [3, 4] }));
    await checkModel(skip("SkipLayerNormalization", [[4], [4], [4]], { constantSkip: true }));
  });

  it("SkipSimplifiedLayerNormalization", async () => {
    await checkModel(skip("SkipSimplifiedLayerNormalization", [[4]]));
    await checkModel(skip("SkipSimplifiedLayerNormalization", [[4], [4]]));
  });

  it("counts the copies of what is broadcast", async () => {
    const network = await checkModel(skip("SkipLayerNormalization", [[4]], { skipShape: [1, 3, 4] }));
    const row = Float64Array.from(numbers([12], 8));
    checkSteepness(network, [Float64Array.from([...row, ...row]), row]);
  });

  it("gives the sum as well", async () => {
    await checkModel(skip("SkipLayerNormalization", [[4], [4], [4]], { outputs: ["y", "", "", "sum"] }));
    await checkModel(skip("SkipSimplifiedLayerNormalization", [[4], [4]], { outputs: ["y", "", "", "sum"] }));
  });
});

const box = fc
  .array(
    fc.tuple(
      fc
        .oneof(fc.double({ min: -5, max: 5, noNaN: true }), fc.double({ min: -1e6, max: 1e6, noNaN: true }))
        // Squares of smaller numbers underflow in float64.
        .map((x) => (Math.abs(x) < 1e-100 ? 0 : x)),
      fc.constantFrom(0, 1e-9, 1e-3, 1, 30, Infinity),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((entries) => {
    const at = (f: (x: number, reach: number, s: number, t: number) => number) =>
      Float64Array.from(entries, (e) => f(...e));
    const far = (reach: number) => (reach === Infinity ? 1e4 : reach);
    return {
      box: { lo: at((x, reach) => x - reach), hi: at((x, reach) => x + reach) },
      a: at((x, reach, s) => x + far(reach) * (2 * s - 1)),
      b: at((x, reach, _, t) => x + far(reach) * (2 * t - 1)),
    };
  });

function jacobianNorm(operation: GeneralOperation, x: Float64Array): number {
  const n = x.length;
  const y = operation.forward([x]);
  const data = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    const unit = x.map((_, i) => (i === j ? 1 : 0));
    operation.jvp([x], y, [unit]).forEach((v, i) => {
      data[i * n + j] = v;
    });
  }
  return largestSingularValue({ data, rows: n, cols: n });
}

const KINDS: readonly (readonly [string, (n: number) => GeneralOperation])[] = [
  [
    "layer normalisation",
    (n) =>
      normalized({
        size: n,
        n,
        centred: true,
        denominator: insideRoot(0.01),
        scale: new Float64Array(n).fill(-2),
      }),
  ],
  ["RMS normalisation", (n) => normalized({ size: n, n, centred: false, denominator: insideRoot(1e-6) })],
  [
    "mean-variance normalisation",
    (n) => normalized({ size: n, n, centred: true, denominator: outsideRoot(1e-3) }),
  ],
  ["the Euclidean norm", (n) => normalized({ size: n, n, centred: false, denominator: euclidean(n) })],
  ["the ℓ1 norm", (n) => l1Normalized(n, n)],
];

describe("boxes of normalised groups", () => {
  for (const [name, make] of KINDS) {
    it(`hold values and differences of ${name}`, () => {
      fc.assert(
        fc.property(box, ({ box, a, b }) => {
          const operation = make(a.length);
          const { lo, hi } = operation.image!([box]);
          const [ya, yb] = [operation.forward([a]), operation.forward([b])];
          // Subtracting the mean of numbers near 10⁶ loses digits, which the box accounts for and float64 does not.
          const size = Math.max(...a.map(Math.abs), ...b.map(Math.abs), 1);
          for (const y of [ya, yb]) {
            y.forEach((v, i) => {
              expect(v).toBeGreaterThanOrEqual(lo[i] - 1e-11 * size);
              expect(v).toBeLessThanOrEqual(hi[i] + 1e-11 * size);
            });
          }
          const local = operation.local?.([box]);
          if (local === undefined || local === null) return;
          const sigma = jacobianNorm(operation, a);
          expect(sigma).toBeLessThanOrEqual(local.constants[0] * (1 + 1e-6));
          const rise = Math.hypot(...ya.map((v, i) => v - yb[i]));
          const run = Math.hypot(...a.map((v, i) => v - b[i]));
          expect(rise).toBeLessThanOrEqual(local.constants[0] * run * (1 + 1e-9) + 1e-11 * size);
        }),
        { numRuns: 2000 },
      );
    });
  }

  it("stay within √(n − 1) on unbounded boxes", () => {
    const everything = { lo: new Float64Array(5).fill(-Infinity), hi: new Float64Array(5).fill(Infinity) };
    const { lo, hi } = KINDS[0][1](5).image!([everything]);
    expect(Math.max(...hi)).toBeCloseTo(4, 10);
    expect(Math.min(...lo)).toBeCloseTo(-4, 10);
    expect(KINDS[3][1](5).local!([everything])).toBeNull();
    expect(KINDS[0][1](5).local!([everything])?.constants[0]).toBeCloseTo(20, 6);
  });

  it("are tight at a point and local constants near 1/s", () => {
    const x = Float64Array.of(1, -2, 0.5, 4);
    for (const [, make] of KINDS) {
      const operation = make(4);
      const { lo, hi } = operation.image!([{ lo: x, hi: x }]);
      lo.forEach((l, i) => void expect(hi[i] - l).toBeLessThan(1e-12));
    }
    const [local] = KINDS[0][1](4).local!([{ lo: x, hi: x }])!.constants;
    const mean = 3.5 / 4;
    const variance = x.reduce((s, v) => s + (v - mean) ** 2, 0) / 4;
    expect(local).toBeCloseTo(2 / Math.sqrt(variance + 0.01), 9);
  });
});
