import { describe, expect, it } from "vitest";
import type { AttributeDescription } from "../../formats/onnx/encode.ts";
import { importOnnx } from "../import-onnx.ts";
import { checkModel } from "../testing/check-operation.ts";
import { largestSingularValue } from "../testing/linear.ts";
import {
  float,
  float32,
  int,
  openTestModel,
  randomNumbers,
  string,
  type TestModel,
} from "../testing/run-onnx.ts";

type Attributes = Readonly<Record<string, AttributeDescription>>;

function numbers(shape: readonly number[], seed: number): Float32Array {
  const random = randomNumbers(seed);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, random);
}

interface Options {
  readonly attributes?: Attributes;
  readonly opset?: number;
  readonly domain?: string;
  /** Shape of a third input, and whether it is a signal. */
  readonly addend?: readonly number[];
  readonly addendSignal?: true;
}

/** A node of two operands, each constant ("w") or a signal ("x"). */
function product(
  opType: string,
  left: readonly [kind: "x" | "w", shape: readonly number[]],
  right: readonly [kind: "x" | "w", shape: readonly number[]],
  { attributes = {}, opset = 13, domain = "", addend, addendSignal }: Options = {},
): TestModel {
  const operands = [
    { name: "a", of: left },
    { name: "b", of: right },
    ...(addend ? [{ name: "c", of: [addendSignal ? "x" : "w", addend] as const }] : []),
  ];
  return {
    opset,
    ...(domain === "" ? {} : { domains: { [domain]: 1 } }),
    nodes: [{ opType, domain, inputs: operands.map((o) => o.name), outputs: ["y"], attributes }],
    initializers: operands
      .filter(({ of }) => of[0] === "w")
      .map(({ name, of }, i) => float32(name, numbers(of[1], 5 + i), of[1])),
    inputs: operands.filter(({ of }) => of[0] === "x").map(({ name, of }) => ({ name, shape: of[1] })),
    outputs: [{ name: "y" }],
  };
}

describe("MatMul with a constant", () => {
  const right: readonly (readonly [readonly number[], readonly number[]])[] = [
    [
      [1, 5],
      [5, 3],
    ],
    [[5], [5, 3]],
    [
      [4, 5],
      [5, 3],
    ],
    [
      [2, 3, 5],
      [5, 4],
    ],
    [
      [2, 3, 5],
      [2, 5, 4],
    ],
    [
      [1, 3, 5],
      [2, 5, 4],
    ],
    [
      [2, 1, 3, 5],
      [4, 5, 2],
    ],
    [
      [3, 5],
      [2, 5, 4],
    ],
    [[2, 3, 5], [5]],
    [
      [2, 1, 5],
      [1, 5, 3],
    ],
  ];
  for (const [x, w] of right) {
    it(`on the right: [${x}] × [${w}]`, async () => {
      await checkModel(product("MatMul", ["x", x], ["w", w]));
    });
    it(`on the left: [${w}]ᵀ × [${x}]ᵀ`, async () => {
      const flip = (s: readonly number[]) => (s.length < 2 ? s : [...s.slice(0, -2), s.at(-1)!, s.at(-2)!]);
      await checkModel(product("MatMul", ["w", flip(w)], ["x", flip(x)]));
    });
  }

  it("keeps the matrix of a single row at hand", async () => {
    const network = await checkModel(product("MatMul", ["x", [1, 5]], ["w", [5, 3]]));
    const [{ operation }] = network.nodes;
    const w = numbers([5, 3], 5);
    const transpose = Array.from({ length: 15 }, (_, i) => w[(i % 5) * 3 + Math.floor(i / 5)]);
    expect(operation).toMatchObject({ kind: "affine", parts: [{ entries: Float64Array.from(transpose) }] });
  });

  it("bounds the norm of repeated matrices", async () => {
    const network = await checkModel(product("MatMul", ["x", [2, 3, 5]], ["w", [2, 5, 4]]));
    const [{ operation }] = network.nodes;
    if (operation.kind !== "affine") throw new Error(operation.kind);
    const bound = operation.parts[0].norm?.({ guarantee: "proof" });
    const w = Float64Array.from(numbers([2, 5, 4], 5));
    const sigma = [0, 1].map((k) =>
      largestSingularValue({ data: w.slice(20 * k, 20 * k + 20), rows: 5, cols: 4 }),
    );
    expect(bound?.upper).toBeGreaterThanOrEqual(Math.max(...sigma));
    expect(bound?.upper).toBeLessThan(Math.max(...sigma) * (1 + 1e-5));
  });
});

describe("MatMul of two signals", () => {
  for (const [a, b] of [
    [
      [3, 4],
      [4, 2],
    ],
    [
      [2, 3, 4],
      [2, 4, 2],
    ],
    [
      [2, 1, 3, 4],
      [3, 4, 2],
    ],
    [[4], [4, 2]],
    [[2, 3, 4], [4]],
    [[4], [4]],
  ] as const) {
    it(`[${a}] × [${b}]`, async () => {
      await checkModel(product("MatMul", ["x", a], ["x", b]));
      await checkModel(product("MatMul", ["x", a], ["x", b]), { width: 40, points: 3 });
    });
  }

  it("of large products are those of whole matrices, transposed and broadcast too", async () => {
    const attributes = { transA: int(1), alpha: float(-0.5) };
    const options = { attributes, domain: "com.microsoft" };
    const model = product("FusedMatMul", ["x", [2, 40, 30]], ["x", [40, 35]], options);
    await checkModel(model, { points: 2, accuracy: 1e-4 });
  });

  it("says that it has no finite constant", async () => {
    const { planFromOnnx } = await import("../plan-from-onnx.ts");
    const { graph } = await planFromOnnx(
      await openTestModel(product("MatMul", ["x", [2, 2]], ["x", [2, 2]])),
    );
    expect(graph?.nodes[0].unbounded).toMatch(/a product of two activations has no finite constant/);
  });
});

describe("FusedMatMul", () => {
  const fused = (attributes: Attributes) => ({ attributes, domain: "com.microsoft" });
  for (const [transA, transB] of [
    [0, 0],
    [1, 0],
    [0, 1],
    [1, 1],
  ]) {
    const attributes = { transA: int(transA), transB: int(transB), alpha: float(0.3) };
    const a = transA ? [2, 5, 3] : [2, 3, 5];
    const b = transB ? [2, 4, 5] : [2, 5, 4];
    it(`transA ${transA}, transB ${transB}`, async () => {
      await checkModel(product("FusedMatMul", ["x", a], ["w", b], fused(attributes)));
      await checkModel(product("FusedMatMul", ["w", a], ["x", b], fused(attributes)));
      await checkModel(product("FusedMatMul", ["x", a], ["x", b], fused(attributes)));
      await checkModel(product("FusedMatMul", ["x", a], ["w", b.slice(1)], fused(attributes)));
    });
  }

  it("refuses transposed batches", async () => {
    const model = product("FusedMatMul", ["x", [2, 3, 5]], ["w", [2, 5, 4]], fused({ transBatchA: int(1) }));
    await expect(importOnnx(await openTestModel(model))).rejects.toThrow(/transBatchA/);
  });
});

describe("Gemm", () => {
  for (const opset of [7, 11, 13]) {
    for (const [transA, transB] of [
      [0, 0],
      [1, 0],
      [0, 1],
      [1, 1],
    ]) {
      it(`operator set ${opset}, transA ${transA}, transB ${transB}`, async () => {
        const attributes = { transA: int(transA), transB: int(transB), alpha: float(0.7), beta: float(1.3) };
        const a = transA ? [5, 3] : [3, 5];
        const b = transB ? [4, 5] : [5, 4];
        const shared = { attributes, opset };
        await checkModel(product("Gemm", ["x", a], ["w", b], { ...shared, addend: [4] }));
        await checkModel(product("Gemm", ["w", a], ["x", b], { ...shared, addend: [3, 1] }));
      });
    }
  }

  it("takes a computed addend, or none", async () => {
    await checkModel(product("Gemm", ["x", [2, 5]], ["w", [5, 4]], { addend: [1, 4], addendSignal: true }));
    await checkModel(
      product("Gemm", ["x", [2, 5]], ["w", [5, 4]], { attributes: { beta: float(0) }, addend: [] }),
    );
    await checkModel(product("Gemm", ["x", [1, 5]], ["w", [5, 4]]));
    await checkModel(product("Gemm", ["x", [2, 5]], ["x", [5, 4]], { attributes: { alpha: float(-2) } }));
  });

  it("keeps exact entries unless alpha rounds them", async () => {
    const network = await checkModel(
      product("Gemm", ["x", [1, 5]], ["w", [4, 5]], { attributes: { transB: int(1) }, addend: [4] }),
    );
    expect(network.nodes[0].operation).toMatchObject({
      parts: [{ entries: Float64Array.from(numbers([4, 5], 5)), exactEntries: true }],
      offset: Float64Array.from(numbers([4], 6)),
    });
  });

  it("runs with a fused activation", async () => {
    const attributes = { activation: string("LeakyRelu"), activation_alpha: float(0.25) };
    const model = product("FusedGemm", ["x", [2, 5]], ["w", [5, 4]], { attributes, domain: "com.microsoft" });
    await checkModel(model);
  });
});

describe("Einsum", () => {
  const cases: readonly (readonly [string, readonly number[], readonly number[]])[] = [
    ["ij,jk->ik", [3, 4], [4, 2]],
    ["bij,kj->bik", [2, 3, 4], [5, 4]],
    ["bhid,bhjd->bhij", [1, 2, 3, 4], [1, 2, 2, 4]],
    ["bid,bjd->bji", [2, 3, 4], [2, 2, 4]],
    ["ij,ij->ij", [3, 4], [3, 4]],
    ["ij,ij", [3, 4], [3, 4]],
    ["i,j->ji", [3], [4]],
    ["ij,k->ijk", [3, 4], [2]],
    ["ii,ij->j", [3, 3], [3, 2]],
    ["i,i->", [3], [3]],
    ["bij,bjk->bik", [1, 3, 4], [2, 4, 2]],
  ];
  for (const [equation, a, b] of cases) {
    it(equation, async () => {
      const options = { attributes: { equation: string(equation) } };
      await checkModel(product("Einsum", ["x", a], ["w", b], options));
      await checkModel(product("Einsum", ["w", a], ["x", b], options));
      await checkModel(product("Einsum", ["x", a], ["x", b], options));
    });
  }
  for (const [equation, shape] of [
    ["ij->ji", [3, 4]],
    ["ij->i", [3, 4]],
    ["ii->i", [3, 3]],
    ["ij->", [2, 3]],
    ["bji", [2, 3, 4]],
  ] as const) {
    it(`${equation} of one operand`, async () => {
      await checkModel({
        opset: 13,
        nodes: [
          { opType: "Einsum", inputs: ["x"], outputs: ["y"], attributes: { equation: string(equation) } },
        ],
        inputs: [{ name: "x", shape }],
        outputs: [{ name: "y" }],
      });
    });
  }

  it("sums signals over axes of their own", async () => {
    const options = { attributes: { equation: string("ij,k->ik") } };
    await checkModel(product("Einsum", ["x", [3, 4]], ["w", [2]], options));
    await checkModel(product("Einsum", ["x", [3, 4]], ["x", [2]], options));
    const constant = product("Einsum", ["w", [3, 4]], ["x", [2]], options);
    await expect(importOnnx(await openTestModel(constant))).rejects.toThrow(/sums its constant over an axis/);
  });

  it("says what is not covered", async () => {
    const model = product("Einsum", ["x", [2, 2]], ["w", [2, 2]], {
      attributes: { equation: string("...i,ij->...j") },
    });
    const declared = { ...model, outputs: [{ name: "y", shape: [2, 2] }] };
    await expect(importOnnx(await openTestModel(declared))).rejects.toThrow(/equation is not covered/);
  });
});
