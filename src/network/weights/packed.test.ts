import { describe, expect, it } from "vitest";
import { storedType } from "../dequantized.ts";
import {
  codes,
  embeddingError,
  error,
  FLOAT32,
  integers,
  model,
  type Node,
  node,
  ofType,
  onlyUse,
  reason,
  scales,
  toIndex,
} from "../testing/quantized.ts";
import { float32, int, type TestModel } from "../testing/run-onnx.ts";

describe("MatMulNBits", () => {
  const nBits = (
    bits: number,
    k: number,
    zero: "none" | "packed" | "float",
    attributes: Node["attributes"] = {},
  ) => {
    const [n, block] = [6, 32];
    const blocks = Math.ceil(k / block);
    const packedShape = [n, Math.ceil((blocks * bits) / 8)];
    const points = integers(n * blocks, 0, 2 ** bits - 1, 8).map((v) => v + 0.3);
    const z = {
      none: [],
      packed: [codes("z", "uint8", packedShape, 2)],
      float: [float32("z", points, [n, blocks])],
    };
    const own = { N: int(n), K: int(k), bits: int(bits), block_size: int(block), ...attributes };
    const inputs = ["x", "b", "s", ...z[zero].map((entry) => entry.name)];
    return model(
      [node("MatMulNBits", inputs, own, "com.microsoft")],
      [1, k],
      [codes("b", "uint8", [n, blocks, (block * bits) / 8]), scales("s", [n, blocks]), ...z[zero]],
    );
  };

  for (const bits of [2, 4, 8]) {
    // A row's last block is padded at K = 80; zero points of 3 blocks do not fill a byte.
    for (const k of [64, 80]) {
      for (const zero of ["none", "packed", "float"] as const) {
        it(`${bits} bits, K = ${k}, zero points: ${zero}`, async () => {
          const tested = nBits(bits, k, zero);
          const use = await onlyUse(tested);
          expect(use.weight.shape).toEqual([6, k]);
          expect(storedType(use.weight)).toBe(`uint${bits}`);
          expect(use.layout).toEqual({ kind: "matrix", count: 1, rows: 6, cols: k });
          expect(use.problems.join()).toContain(zero === "float" ? "rounded to float64" : "");
          // onnxruntime has no 8-bit kernel with floating-point zero points.
          if (!(bits === 8 && zero === "float")) expect(await error(tested)).toBeLessThan(FLOAT32);
        });
      }
    }
  }

  it("scales in one row, and 4 bits by default", async () => {
    const { initializers, nodes, ...rest } = nBits(4, 80, "packed");
    const { bits: _, ...attributes } = nodes[0].attributes!;
    const flat = { ...initializers![1], shape: [18] };
    const tested = {
      ...rest,
      nodes: [{ ...nodes[0], attributes }],
      initializers: [initializers![0], flat, initializers![2]],
    };
    expect(await error(tested)).toBeLessThan(FLOAT32);
  });

  it("says that the runtime may round its input at accuracy_level 4 only", async () => {
    expect(
      (await onlyUse(nBits(4, 64, "none", { accuracy_level: int(1) }))).roundsActivations,
    ).toBeUndefined();
    expect((await onlyUse(nBits(4, 64, "none", { accuracy_level: int(4) }))).roundsActivations).toBe(true);
  });

  it("gives reasons for what is not read", async () => {
    const because = (changed: TestModel) => reason(changed, "b");
    const base = nBits(4, 64, "packed");
    const ordered = { ...base.nodes[0], inputs: ["x", "b", "s", "z", "g"] };
    const g = ofType("g", "int32", integers(64, 0, 1), [64]);
    expect(await because({ ...base, nodes: [ordered], initializers: [...base.initializers!, g] })).toBe(
      'the weight of MatMulNBits "matmulnbits": its columns are put in another order by g_idx, which is not followed',
    );
    expect(await because(nBits(4, 64, "none", { bits: int(3) }))).toContain(
      "weights of 3 bits are not read; 2, 4 and 8 are",
    );
    expect(await because(nBits(4, 64, "none", { N: int(7) }))).toContain(
      "its shape [6,2,16] does not hold 7 rows of 64 elements of 4 bits",
    );
    expect(await because(nBits(4, 64, "none", { weight_prepacked: int(1) }))).toContain(
      "packed for one kind of GPU",
    );
    expect(await because(nBits(4, 64, "none", { K: int(-1) }))).toContain("must be positive");
    const few = {
      ...base,
      initializers: [base.initializers![0], scales("s", [6, 1]), base.initializers![2]],
    };
    expect(await because(few)).toContain("its scale of shape [6,1] is not 6 × 2 numbers");
    const wrong = { ...base, initializers: [...base.initializers!.slice(0, 2), codes("z", "uint8", [6, 2])] };
    expect(await because(wrong)).toContain("its zero points of shape [6,2] are not 6 rows of 1 bytes");
  });
});

describe("GatherBlockQuantized", () => {
  for (const [dtype, bits] of [
    ["uint8", 2],
    ["uint8", 4],
    ["uint8", 8],
    ["int4", 4],
    ["uint4", 4],
  ] as const) {
    for (const zeros of [false, true]) {
      it(`${dtype} of ${bits} bits, ${zeros ? "" : "no "}zero points`, async () => {
        // 48 columns in blocks of 16: three zero points, which do not fill a byte.
        const perByte = dtype === "uint8" ? 8 / bits : 1;
        const zeroShape = [5, Math.ceil(3 / perByte)];
        const tested = model(
          [
            toIndex,
            node(
              "GatherBlockQuantized",
              ["q", "ids", "s", ...(zeros ? ["z"] : [])],
              { block_size: int(16), quantize_axis: int(1), ...(bits === 4 ? {} : { bits: int(bits) }) },
              "com.microsoft",
            ),
          ],
          [5],
          [
            codes("q", dtype, [5, 48 / perByte]),
            scales("s", [5, 3]),
            ...(zeros ? [codes("z", dtype, zeroShape, 2)] : []),
          ],
        );
        expect(await embeddingError(tested, 5)).toBeLessThan(FLOAT32);
      });
    }
  }

  it("in blocks of rows", async () => {
    const attributes = { block_size: int(16), quantize_axis: int(0), gather_axis: int(0) };
    const tested = model(
      [toIndex, node("GatherBlockQuantized", ["q", "ids", "s"], attributes, "com.microsoft")],
      [20],
      [codes("q", "int4", [20, 3]), scales("s", [2, 3])],
    );
    expect(await embeddingError(tested, 20)).toBeLessThan(FLOAT32);
  });
});
