import { describe, expect, it } from "vitest";
import type { Model, TensorEntry } from "../src/formats/model.ts";
import { ELEMENT_TYPES } from "../src/formats/onnx/element-types.ts";
import { encodeModel } from "../src/formats/onnx/encode.ts";
import type { TensorStorage } from "../src/formats/onnx/encode-tensor.ts";
import { onnxFormat } from "../src/formats/onnx/onnx.ts";
import { varintBytes } from "../src/formats/onnx/protobuf-writer.ts";
import { memorySource } from "./fixtures/onnx/memory-source.ts";
import { branching, int, ints, mlp, modelOf, ramp } from "./fixtures/onnx/models.ts";

function open(bytes: Uint8Array, files: Record<string, Uint8Array> = {}): Promise<Model> {
  return onnxFormat.open(memorySource(bytes, "model.onnx", files));
}

function entry(model: Model, name: string): TensorEntry {
  const found = model.tensors.find((t) => t.name === name);
  if (found === undefined) throw new Error(`no ${name} in ${model.tensors.map((t) => t.name)}`);
  return found;
}

async function floats(tensor: TensorEntry): Promise<Float32Array> {
  return new Float32Array((await tensor.read(0, tensor.byteLength)).slice().buffer);
}

describe("structure", () => {
  it("reads back what was written", async () => {
    const model = await open(encodeModel({ ...mlp(), opset: { "": 13, "ai.onnx.ml": 3 } }));
    expect(model.format).toBe("onnx");
    expect(model.warnings).toEqual([]);
    const onnx = model.onnx!;
    expect(onnx.irVersion).toBe(8);
    expect(onnx.producer).toBe("lipschitz");
    expect([...onnx.opsets]).toEqual([
      ["", 13],
      ["ai.onnx.ml", 3],
    ]);
    const { graph } = onnx;
    expect(graph.inputs).toEqual([{ name: "x", dtype: "float32", shape: ["batch", 4] }]);
    expect(graph.outputs).toEqual([{ name: "y", dtype: "float32", shape: ["batch", 2] }]);
    expect([...graph.values.values()]).toEqual([{ name: "h", dtype: "float32", shape: [null, 3] }]);
    expect(graph.nodes.map((n) => [n.name, n.opType, n.inputs, n.outputs])).toEqual([
      ["fc1", "Gemm", ["x", "w1", "b1"], ["h"]],
      ["Relu_1", "Relu", ["h"], ["r"]],
      ["Constant_2", "Constant", [], ["w2"]],
      ["MatMul_3", "MatMul", ["r", "w2"], ["y"]],
    ]);
    expect(Object.fromEntries(graph.nodes[0].attributes)).toEqual({
      transB: { kind: "int", value: 1 },
      alpha: { kind: "float", value: 0.5 },
    });
    expect(graph.nodes[2].attributes.get("value")).toEqual({ kind: "tensor", value: entry(model, "w2") });
    expect(model.tensors.map((t) => [t.name, t.shape])).toEqual([
      ["w2", [3, 2]],
      ["w1", [3, 4]],
      ["b1", [3]],
    ]);
    expect(await floats(entry(model, "w2"))).toEqual(ramp(6));
  });

  it("reads every kind of attribute", async () => {
    const attributes = {
      f: { kind: "float", value: -2.5 },
      i: { kind: "int", value: -7 },
      end: { kind: "int", value: 2n ** 63n - 1n },
      s: { kind: "string", value: "SAME_UPPER" },
      fs: { kind: "floats", value: [1, 0.5] },
      is: { kind: "ints", value: [0, -1, 300] },
      ss: { kind: "strings", value: ["", "relu"] },
      ts: { kind: "tensors", value: [{ data: ramp(2) }, { data: ramp(3) }] },
      gs: { kind: "graphs", value: [{ nodes: [], inputs: [], outputs: [], name: "g0" }] },
    } as const;
    const model = await open(
      modelOf({
        nodes: [{ name: "n", domain: "custom", opType: "Op", inputs: ["", "a"], outputs: ["b"], attributes }],
      }),
    );
    const [node] = model.onnx!.graph.nodes;
    expect(node.domain).toBe("custom");
    expect(node.inputs).toEqual(["", "a"]);
    const { f, i, s, fs, is, ss } = attributes;
    expect(Object.fromEntries(node.attributes)).toMatchObject({
      ...{ f, i, s, fs, is, ss },
      end: { kind: "int", value: Number.MAX_SAFE_INTEGER },
      ts: { kind: "other" },
      gs: { kind: "graphs", value: [{ name: "g0" }] },
    });
    expect(model.tensors.map((t) => t.name)).toEqual(["n/ts/0", "n/ts/1"]);
  });

  it("names tensors of subgraphs by their node's path", async () => {
    const model = await open(encodeModel(branching()));
    expect(model.tensors.map((t) => t.name)).toEqual(["If_0/then/weight", "If_0/else/weight"]);
    const branch = model.onnx!.graph.nodes[0].attributes.get("else_branch");
    if (branch?.kind !== "graph") throw new Error("no graph");
    expect(branch.value.initializers.get("weight")).toBe(entry(model, "If_0/else/weight"));
    expect(await floats(entry(model, "If_0/else/weight"))).toEqual(ramp(9, 1 / 32));
  });

  it("gives tensors of one name different ones, and leaves initialisers out of the inputs", async () => {
    const constant = { opType: "Constant", inputs: [], outputs: ["w"] };
    const value = { kind: "tensor", value: { data: ramp(2) } } as const;
    const model = await open(
      modelOf({
        inputs: [{ name: "w", shape: [2] }, { name: "x" }],
        initializers: [{ name: "w", data: ramp(2) }],
        nodes: [
          { ...constant, attributes: { value } },
          { ...constant, attributes: { value } },
        ],
      }),
    );
    expect(model.tensors.map((t) => t.name)).toEqual(["w", "w#2", "w#3"]);
    expect(model.onnx!.graph.inputs).toEqual([{ name: "x", dtype: "float32", shape: null }]);
  });

  it("lists tensors of local functions, and says that these are not looked into", async () => {
    const value = { kind: "tensor", value: { data: ramp(4), shape: [2, 2] } } as const;
    const model = await open(
      encodeModel({
        ...mlp(),
        functions: [
          {
            name: "Block",
            domain: "local",
            opset: 13,
            inputs: ["x"],
            outputs: ["y"],
            nodes: [{ opType: "Constant", inputs: [], outputs: ["k"], attributes: { value } }],
          },
        ],
      }),
    );
    expect(entry(model, "local.Block/k").shape).toEqual([2, 2]);
    expect(model.warnings.map((w) => w.where)).toEqual(["local.Block"]);
  });

  it("lists sparse tensors as unsupported", async () => {
    const sparse = {
      values: { name: "s", data: ramp(2) },
      indices: { data: BigInt64Array.of(1n, 5n) },
      shape: [3, 4],
    };
    const attributes = { sparse_value: { kind: "sparseTensor", value: sparse } } as const;
    const model = await open(
      modelOf({
        sparseInitializers: [sparse],
        nodes: [{ opType: "Constant", inputs: [], outputs: ["k"], attributes }],
      }),
    );
    expect(model.tensors.map(({ name, shape, unsupported }) => [name, shape, unsupported])).toEqual([
      ["k", [3, 4], "a sparse tensor"],
      ["s", [3, 4], "a sparse tensor"],
    ]);
    expect(model.onnx!.graph.initializers.has("s")).toBe(true);
    await expect(entry(model, "s").read(0, 0)).rejects.toMatchObject({ code: "unsupported", tensor: "s" });
  });
});

describe("tensor data", () => {
  const bytes = Uint8Array.from({ length: 96 }, (_, i) => (i * 37 + 11) & 0xff);
  const dense = ELEMENT_TYPES.filter((type) => type.bits > 0);
  const storages: TensorStorage[] = ["raw", "packed", "unpacked"];

  it.each(dense.flatMap((type) => storages.map((storage) => [type.name, storage] as const)))(
    "of type %s in %s storage",
    async (dtype, storage) => {
      const { bits, unsupported, field } = dense.find((type) => type.name === dtype)!;
      const shape = [2, (bytes.length * 8) / bits / 2];
      const model = await open(
        modelOf({ initializers: [{ name: "t", dtype, shape, data: bytes, storage }] }),
      );
      const tensor = entry(model, "t");
      expect(tensor).toMatchObject({ dtype, shape, byteLength: bytes.length });
      expect(tensor.unsupported).toBe(unsupported);
      const contiguous = storage === "raw" || (storage === "packed" && /float_|double_/.test(field));
      expect(tensor.range !== undefined).toBe(contiguous);
      expect(await tensor.read(0, bytes.length)).toEqual(bytes);
      for (const [start, end] of [
        [0, 0],
        [5, 6],
        [16, 48],
        [33, 96],
        [96, 96],
      ]) {
        expect(await tensor.read(start, end)).toEqual(bytes.subarray(start, end));
      }
    },
  );

  it("refuses to read outside a tensor", async () => {
    const model = await open(encodeModel(mlp("unpacked")));
    await expect(entry(model, "w1").read(0, 49)).rejects.toThrow(RangeError);
    await expect(entry(model, "w1").read(-1, 4)).rejects.toThrow(RangeError);
    await expect(entry(model, "w1").read(8, 4)).rejects.toThrow(RangeError);
  });

  it("odd numbers of four-bit elements take half a byte more", async () => {
    const model = await open(
      modelOf({
        initializers: [{ name: "t", dtype: "int4", shape: [3, 1], data: Uint8Array.of(0x21, 0x03) }],
      }),
    );
    expect(entry(model, "t").byteLength).toBe(2);
  });

  it("empty tensors and strings", async () => {
    const model = await open(
      modelOf({
        initializers: [
          { name: "none", dtype: "float32", shape: [0, 5], data: new Uint8Array(0), storage: "unpacked" },
          { name: "raw", dtype: "float32", shape: [0], data: new Uint8Array(0) },
          { name: "packed", dtype: "float32", shape: [2, 0], data: new Uint8Array(0), storage: "packed" },
          { name: "huge", dtype: "float32", shape: [0, 2 ** 40, 2 ** 40], data: new Uint8Array(0) },
          { name: "text", shape: [2], data: ["a", "bc"] },
        ],
      }),
    );
    for (const name of ["none", "raw", "packed", "huge"]) {
      expect(entry(model, name).byteLength).toBe(0);
      expect(await entry(model, name).read(0, 0)).toEqual(new Uint8Array(0));
    }
    expect(entry(model, "text")).toMatchObject({ dtype: "string", shape: [2], byteLength: 0 });
    await expect(entry(model, "text").read(0, 0)).rejects.toMatchObject({ code: "unsupported" });
  });

  it("external data, several tensors per file", async () => {
    const weights = new Uint8Array(ramp(24).buffer);
    const files = { "data/weights.bin": weights };
    const location = "data/weights.bin";
    const model = await open(
      modelOf({
        initializers: [
          { name: "a", dtype: "float32", shape: [8], storage: { location, offset: 0, length: 32 } },
          { name: "b", dtype: "float32", shape: [2, 8], storage: { location: `./${location}`, offset: 32 } },
          { name: "c", dtype: "float32", shape: [24], storage: { location, checksum: "00" } },
        ],
      }),
      files,
    );
    expect(model.sources.map((s) => s.name)).toEqual(["model.onnx", "data/weights.bin"]);
    expect(await floats(entry(model, "a"))).toEqual(ramp(24).slice(0, 8));
    expect(await floats(entry(model, "b"))).toEqual(ramp(24).slice(8));
    expect(entry(model, "b").range).toMatchObject({ start: 32, end: 96 });
    expect(model.warnings.map((w) => w.where)).toEqual(["c"]);
  });

  it("walks a file of 3 GB without reading its tensor", async () => {
    const { source, size, readBytes } = hugeModel();
    const model = await onnxFormat.open(source);
    const tensor = entry(model, "w");
    expect(tensor.byteLength).toBe(size);
    expect(readBytes()).toBeLessThan(200_000);
    expect((await tensor.read(size - 8, size)).length).toBe(8);
  });
});

/** A model whose only tensor is 3 GB of zeros that exist nowhere. */
function hugeModel() {
  const shape = [3, 250_000_000];
  const size = 3_000_000_000;
  const delimited = (field: number, inside: readonly number[], more: number) => [
    ...[field * 8 + 2, ...varintBytes(inside.length + more)],
    ...inside,
  ];
  const dims = shape.flatMap((d) => [0x08, ...varintBytes(d)]);
  const raw = [...dims, 0x10, 1, 0x42, 1, 0x77, 0x4a, ...varintBytes(size)];
  const head = Uint8Array.from([0x08, 8, ...delimited(7, delimited(5, raw, size), size)]);
  const tail = Uint8Array.of(0x42, 2, 0x10, 13);
  const byteLength = head.length + size + tail.length;
  let total = 0;
  const source = {
    ...memorySource(head),
    byteLength,
    async read(start: number, end: number) {
      total += end - start;
      const bytes = new Uint8Array(end - start);
      for (let i = start; i < end; i++) bytes[i - start] = head[i] ?? tail[i - head.length - size] ?? 0;
      return bytes;
    },
  };
  return { source, size, readBytes: () => total };
}

describe("match", () => {
  const bytes = encodeModel(mlp());
  const matches = (name: string, head: Uint8Array) => onnxFormat.match(memorySource(head, name), head);

  it("goes by the extension, or by the first fields", () => {
    expect(matches("MODEL.ONNX", new Uint8Array(0))).toBe(true);
    expect(matches("model.bin", bytes)).toBe(true);
    expect(matches("model", encodeModel({ ...mlp(), producer: "" }))).toBe(true);
  });

  it.each([
    ["nothing", ""],
    ["zip", "PK\u0003\u0004\u0014\0\0\0"],
    ["numpy", "\u0093NUMPY\u0001\0v\0"],
    ["json", '{"a": [1, 2]}'],
    ["safetensors", "\b\u0007\0\0\0\0\0\0{}      "],
    ["zeros", "\0".repeat(64)],
    ["eights", "\b".repeat(64)],
  ])("does not take %s", (_, text) => {
    expect(
      matches(
        "file.bin",
        Uint8Array.from(text, (c) => c.charCodeAt(0)),
      ),
    ).toBe(false);
  });

  it("does not take random bytes, whatever their first", () => {
    let taken = 0;
    let state = 1;
    for (let trial = 0; trial < 20_000; trial++) {
      const head = Uint8Array.from({ length: 64 }, () => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        return state >>> 24;
      });
      head[0] = 0x08;
      if (matches("x", head)) taken++;
    }
    // Given ir_version's tag, at most 1 file in 1000; that tag itself is 1 in 256.
    expect(taken).toBeLessThan(20);
  });
});

describe("encodeModel", () => {
  it("says what is wrong with a description", () => {
    const one = (tensor: object) => () => modelOf({ initializers: [{ name: "t", ...tensor }] });
    expect(one({ data: ramp(3), shape: [2, 2] })).toThrow(
      /tensor "t" of shape \[2,2\] needs 16 bytes, got 12/,
    );
    expect(one({ data: ramp(3), dtype: "float12" })).toThrow(/"float12"/);
    expect(one({ data: ["a"], shape: [2] })).toThrow(/needs 2 strings, got 1/);
    expect(() => modelOf({ inputs: [{ name: "x", dtype: "?" }] })).toThrow(TypeError);
    expect(ints(1, 2)).toEqual({ kind: "ints", value: [1, 2] });
    expect(int(1)).toEqual({ kind: "int", value: 1 });
  });
});
