import { describe, expect, it } from "vitest";
import { importOnnx } from "../import-onnx.ts";
import { checkModel } from "../testing/check-operation.ts";
import { float32, int, openTestModel, randomNumbers, type TestModel } from "../testing/run-onnx.ts";

function numbers(shape: readonly number[], seed: number): Float32Array {
  const random = randomNumbers(seed);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, random);
}

describe("MatMulNBits", () => {
  const [rows, cols, block] = [3, 40, 16];
  const bytes = (name: string, shape: readonly number[], seed: number) => {
    const random = randomNumbers(seed);
    const data = Uint8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 128 + 127 * random());
    return { name, dtype: "uint8", shape, data };
  };
  const nBits = (bits: number, inputs: readonly string[]): TestModel => ({
    opset: 17,
    domains: { "com.microsoft": 1 },
    nodes: [
      {
        opType: "MatMulNBits",
        domain: "com.microsoft",
        inputs,
        outputs: ["y"],
        attributes: { K: int(cols), N: int(rows), bits: int(bits), block_size: int(block) },
      },
    ],
    initializers: [
      bytes("b", [rows, 3, (block * bits) / 8], 4),
      float32("s", numbers([rows * 3], 6)),
      ...(inputs.includes("z") ? [bytes("z", [rows * Math.ceil((3 * bits) / 8)], 5)] : []),
      ...(inputs.includes("f") ? [float32("f", numbers([rows * 3], 8), [rows, 3])] : []),
      ...(inputs.includes("c") ? [float32("c", numbers([rows], 9))] : []),
    ],
    inputs: [{ name: "x", shape: [2, cols] }],
    outputs: [{ name: "y" }],
  });

  for (const bits of [4, 8]) {
    it(`${bits} bits`, async () => {
      for (const inputs of [
        ["x", "b", "s"],
        ["x", "b", "s", "z"],
        ["x", "b", "s", "z", "", "c"],
      ]) {
        await checkModel(nBits(bits, inputs), { accuracy: 1e-4, points: 2 });
      }
    });
  }

  it("plain zero points", async () => {
    await checkModel(nBits(4, ["x", "b", "s", "f"]), { accuracy: 1e-4, points: 2 });
  });

  it("says what does not fit", async () => {
    const model = nBits(4, ["x", "b", "s"]);
    const [node] = model.nodes;
    const wrong = { ...model, nodes: [{ ...node, attributes: { ...node.attributes, K: int(60) } }] };
    const resized = { ...wrong, inputs: [{ name: "x", shape: [2, 60] }] };
    await expect(importOnnx(await openTestModel(resized))).rejects.toThrow(
      /does not fit N, K and block_size/,
    );
  });
});
