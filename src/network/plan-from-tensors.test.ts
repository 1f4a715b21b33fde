import { describe, expect, it } from "vitest";
import type { Model, TensorEntry } from "../formats/model.ts";
import { convolutionAnySize } from "../linalg/convolution.ts";
import { planFromTensors } from "./plan-from-tensors.ts";

function tensor(
  name: string,
  shape: readonly number[],
  dtype = "float32",
  unsupported?: string,
): TensorEntry {
  return {
    name,
    dtype,
    shape,
    byteLength: 4 * shape.reduce((a, b) => a * b, 1),
    ...(unsupported ? { unsupported } : {}),
    read: () => Promise.reject(new Error("a plan reads no tensor")),
  };
}

function planOf(...tensors: TensorEntry[]) {
  const model: Model = {
    format: "safetensors",
    sources: [],
    tensors,
    warnings: [],
    rewrite: () => [],
    close: () => Promise.resolve(),
  };
  return planFromTensors(model);
}

describe("weights told by shape and name", () => {
  const kinds: readonly (readonly [string, readonly number[], string])[] = [
    ["fc.weight", [10, 20], "dense"],
    ["lm_head.weight", [1000, 16], "dense"],
    ["model.embed_tokens.weight", [1000, 16], "embedding"],
    ["transformer.wte.weight", [1000, 16], "embedding"],
    ["transformer.wpe.weight", [64, 16], "embedding"],
    ["tok_embeddings.weight", [64, 16], "embedding"],
    ["embeddings.word_embeddings.weight", [64, 16], "embedding"],
    ["patch_embed.proj.weight", [64, 3, 16, 16], "conv"],
    ["lstm.weight_ih_l0", [64, 16], "recurrent"],
    ["lstm.weight_hh_l1_reverse", [64, 16], "recurrent"],
    ["lstm/lstm_cell/recurrent_kernel:0", [16, 64], "recurrent"],
    ["attn.in_proj_weight", [48, 16], "dense"],
    ["mlp.experts.down_proj", [8, 32, 64], "dense"],
    ["conv.weight", [8, 4, 3, 3], "conv"],
    ["conv3.weight", [8, 4, 3, 3, 3], "conv"],
    ["conv1.weight", [8, 4, 3], "conv"],
  ];
  for (const [name, shape, operator] of kinds) {
    it(`${name} ${shape.join("x")}`, () => {
      const plan = planOf(tensor(name, shape));
      expect(plan.skipped).toEqual([]);
      expect(plan.uses).toHaveLength(1);
      expect(plan.uses[0].operator).toBe(operator);
      expect(plan.graph).toBeNull();
      const { layout } = plan.uses[0];
      if (layout.kind === "convolution") {
        expect(layout.geometry.inputSize).toBeUndefined();
        const count = layout.kernelShape.reduce((a, b) => a * b, 1);
        expect(() =>
          convolutionAnySize(new Float64Array(count), layout.kernelShape, layout.geometry),
        ).not.toThrow();
      } else {
        expect(layout.count * layout.rows * layout.cols).toBe(shape.reduce((a, b) => a * b, 1));
      }
    });
  }

  it("a stack of experts is that many matrices", () => {
    expect(planOf(tensor("experts.w1", [8, 32, 64])).uses[0].layout).toEqual({
      kind: "matrix",
      count: 8,
      rows: 32,
      cols: 64,
    });
  });

  it("Keras and Flax kernels are stored with their channels last", () => {
    const { layout } = planOf(tensor("Conv_0/kernel", [3, 5, 4, 8])).uses[0];
    expect(layout.kind === "convolution" && [layout.kernelShape, layout.permutation]).toEqual([
      [8, 4, 3, 5],
      [3, 2, 0, 1],
    ]);
  });

  it("says what is assumed of a kernel, and of one that may be depthwise", () => {
    expect(planOf(tensor("c.weight", [8, 4, 3, 3])).uses[0].problems).toMatchInlineSnapshot(`
      [
        "read as a convolution [c_out, c_in, k…] with one group; without a graph its input size and stride are unknown, so the bound holds for every size, stride and dilation",
      ]
    `);
    expect(planOf(tensor("c.weight", [8, 1, 3, 3])).uses[0].problems).toMatchInlineSnapshot(`
      [
        "read as a convolution [c_out, c_in, k…] with one group; without a graph its input size and stride are unknown, so the bound holds for every size, stride and dilation; if it is depthwise (groups = 8), its true norm is at most this bound and may lie below the lower one",
      ]
    `);
  });
});

describe("what is skipped, and whether to warn", () => {
  const cases: readonly (readonly [TensorEntry, boolean])[] = [
    [tensor("fc.bias", [10]), false],
    [tensor("logit_scale", []), false],
    [tensor("optimizer.state.0.exp_avg", [10, 20]), false],
    [tensor("fc.weight.momentum_buffer", [10, 20]), false],
    [tensor("cls_token", [1, 1, 16]), false],
    [tensor("pos_embed", [1, 197, 16]), false],
    [tensor("empty.weight", [0, 4]), false],
    [tensor("q.weight", [10, 20], "int8", "quantised"), true],
    [tensor("layers.0.qweight", [10, 20], "int32", "integers"), true],
    [tensor("position_ids", [1, 512], "int64", "integers"), false],
    [tensor("num_batches_tracked", [], "int64", "integers"), false],
    [tensor("spectral.w", [4, 4], "complex64", "complex"), true],
    [tensor("expanded", [4, 4], "float32", "its elements share one place"), true],
    [tensor("expanded_bias", [4], "float32", "its elements share one place"), false],
    [tensor("wide", [4, 4], "float128", "16-byte floats"), true],
    [tensor("raw", [4, 4], "void16", "raw bytes"), true],
    [tensor("sparse", [], "unknown", "tensors built by _rebuild_sparse_tensor are not read"), true],
    [tensor("relative_bias", [4, 8, 512, 512]), true],
    [tensor("odd", [2, 2, 2, 2, 2, 2]), true],
  ];
  for (const [entry, warn] of cases) {
    it(entry.name, () => {
      const plan = planOf(entry);
      expect(plan.uses).toEqual([]);
      expect(plan.skipped).toHaveLength(1);
      expect(plan.skipped[0].warn).toBe(warn);
      expect(plan.skipped[0].because.length).toBeGreaterThan(5);
    });
  }
});
