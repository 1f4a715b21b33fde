import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Model, OutputFile, TensorEntry } from "../src/formats/model.ts";
import { encodeModel } from "../src/formats/onnx/encode.ts";
import { onnxFormat } from "../src/formats/onnx/onnx.ts";
import { ProtobufWriter } from "../src/formats/onnx/protobuf-writer.ts";
import { collect } from "./fixtures/onnx/collect.ts";
import { memorySource } from "./fixtures/onnx/memory-source.ts";
import { branching, mlp, modelOf, ramp } from "./fixtures/onnx/models.ts";

function open(bytes: Uint8Array, files: Record<string, Uint8Array> = {}): Promise<Model> {
  return onnxFormat.open(memorySource(bytes, "model.onnx", files));
}

function named(model: Model, ...names: string[]): Set<TensorEntry> {
  return new Set(model.tensors.filter((t) => names.includes(t.name)));
}

async function contents(model: Model): Promise<Record<string, Uint8Array>> {
  const all: Record<string, Uint8Array> = {};
  for (const t of model.tensors) all[t.name] = await t.read(0, t.byteLength);
  return all;
}

/** All-different bytes of the right length. */
async function fresh(entry: TensorEntry): Promise<Uint8Array> {
  return Uint8Array.from({ length: entry.byteLength }, (_, i) => (i * 7 + 1) & 0xff);
}

/** The one file of a rewrite. */
async function only(files: readonly OutputFile[]): Promise<Uint8Array> {
  expect(files.map((f) => f.relativeName)).toEqual([""]);
  return collect(files[0]);
}

describe("rewrite", () => {
  it.each(["raw", "packed"] as const)("patches %s floats in place and nothing else", async (storage) => {
    const bytes = encodeModel(branching(storage));
    const model = await open(bytes);
    const replaced = named(model, "If_0/else/weight");
    const [entry] = replaced;
    const out = await only(model.rewrite(replaced, fresh));
    expect(out.length).toBe(bytes.length);
    const { start, end } = entry.range!;
    expect(out.subarray(start, end)).toEqual(await fresh(entry));
    out.set(bytes.subarray(start, end), start);
    expect(out).toEqual(bytes);
  });

  it("copies the file when nothing is replaced", async () => {
    const bytes = encodeModel(mlp());
    expect(await only((await open(bytes)).rewrite(new Set(), fresh))).toEqual(bytes);
  });

  it.each([mlp("unpacked"), branching("unpacked"), branching("packed"), mlp("packed")])(
    "replaces typed data at any depth (%#)",
    async (description) => {
      const model = await open(encodeModel(description));
      const before = await contents(model);
      for (const entry of model.tensors) {
        const again = await open(await only(model.rewrite(new Set([entry]), fresh)));
        expect(again.onnx!.graph.nodes.map((n) => n.name)).toEqual(
          model.onnx!.graph.nodes.map((n) => n.name),
        );
        expect(await contents(again)).toEqual({ ...before, [entry.name]: await fresh(entry) });
      }
    },
  );

  it("turns halves in int32_data into raw_data, at sizes where length prefixes change theirs", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom("packed" as const, "unpacked" as const),
        fc.infiniteStream(fc.boolean()),
        async (lengths, storage, choices) => {
          const initializers = lengths.map((length, i) => ({
            ...{ name: `h${i}`, dtype: i % 2 === 0 ? "float16" : "bfloat16", storage },
            ...{ shape: [length], data: Uint16Array.from({ length }, (_, j) => (j * 517 + i) & 0xffff) },
          }));
          const model = await open(modelOf({ initializers }));
          const replaced = new Set(model.tensors.filter(() => choices.next().value));
          const expected = await contents(model);
          for (const entry of replaced) expected[entry.name] = await fresh(entry);
          const again = await open(await only(model.rewrite(replaced, fresh)));
          expect(await contents(again)).toEqual(expected);
          expect(again.tensors.map((t) => [t.name, t.dtype, t.shape])).toEqual(
            model.tensors.map((t) => [t.name, t.dtype, t.shape]),
          );
        },
      ),
      { numRuns: 150 },
    );
  });

  it("handles float_data in several records between other fields", async () => {
    const data = new Uint8Array(ramp(4).buffer);
    const tensor = new ProtobufWriter();
    tensor.bytes(4, data.subarray(0, 8));
    tensor.integer(1, 4);
    tensor.fixed(4, data.subarray(8, 12));
    tensor.integer(2, 1);
    tensor.text(8, "w");
    tensor.bytes(4, data.subarray(12));
    tensor.text(12, "a doc string");
    const model = await open(modelWithTensor(tensor));
    expect((await contents(model)).w).toEqual(data);
    expect(model.tensors[0].range).toBeUndefined();
    const again = await open(await only(model.rewrite(new Set(model.tensors), fresh)));
    expect(await contents(again)).toEqual({ w: await fresh(again.tensors[0]) });
  });

  it("rewrites files of external data under their own names, asking in file order", async () => {
    const a = { name: "a", dtype: "float32", shape: [4], storage: { location: "one.bin", offset: 16 } };
    const b = { name: "b", dtype: "float32", shape: [4], storage: { location: "one.bin", offset: 0 } };
    const c = { name: "c", dtype: "float32", shape: [2], storage: { location: "sub/two.bin" } };
    const bytes = modelOf({ initializers: [a, b, c] });
    const files = { "one.bin": new Uint8Array(40), "sub/two.bin": new Uint8Array(ramp(2).buffer) };
    const model = await open(bytes, files);
    const asked: string[] = [];
    const written = model.rewrite(named(model, "a", "b"), async (entry) => {
      asked.push(entry.name);
      return new Uint8Array(entry.byteLength).fill(entry.name.charCodeAt(0));
    });
    expect(written.map((f) => f.relativeName)).toEqual(["", "one.bin", "sub/two.bin"]);
    expect(await collect(written[0])).toEqual(bytes);
    const expected = Uint8Array.from({ length: 40 }, (_, i) => (i < 16 ? 98 : i < 32 ? 97 : 0));
    expect(await collect(written[1])).toEqual(expected);
    expect(await collect(written[2])).toEqual(files["sub/two.bin"]);
    expect(asked).toEqual(["b", "a"]);
  });

  describe("of tensors that share bytes", () => {
    const storage = (offset: number) => ({ location: "w.bin", offset });
    const tied = (offset: number) =>
      open(
        modelOf({
          initializers: [
            { name: "a", dtype: "float32", shape: [4], storage: storage(0) },
            { name: "b", dtype: "float32", shape: [2, 2], storage: storage(offset) },
          ],
        }),
        { "w.bin": new Uint8Array(64) },
      );

    it("writes once when both get the same values", async () => {
      const model = await tied(0);
      const files = model.rewrite(named(model, "a", "b"), fresh);
      expect((await collect(files[1])).subarray(0, 16)).toEqual(await fresh(model.tensors[0]));
    });

    it("refuses different values", async () => {
      const model = await tied(0);
      const files = model.rewrite(named(model, "a", "b"), async (entry) =>
        new Uint8Array(16).fill(entry.name.charCodeAt(0)),
      );
      await expect(collect(files[1])).rejects.toMatchObject({ code: "bad-offsets", tensor: "a" });
    });

    it("refuses to replace one only, or overlapping ones", async () => {
      const same = await tied(0);
      expect(() => same.rewrite(named(same, "a"), fresh)).toThrow(/"b", and only one of them is replaced/);
      const partly = await tied(8);
      for (const names of [["a"], ["b"], ["a", "b"]]) {
        expect(() => partly.rewrite(named(partly, ...names), fresh)).toThrow(/overlap in part/);
      }
      const apart = await tied(16);
      expect(apart.rewrite(named(apart, "b"), fresh).length).toBe(2);
    });
  });

  it("refuses what it cannot replace", async () => {
    const model = await open(
      modelOf({
        initializers: [{ name: "s", shape: [1], data: ["a"] }],
        sparseInitializers: [
          { values: { name: "sp", data: ramp(1) }, indices: { data: BigInt64Array.of(0n) }, shape: [3] },
        ],
      }),
    );
    expect(() => model.rewrite(named(model, "s"), fresh)).toThrow(/cannot be rewritten/);
    expect(() => model.rewrite(named(model, "sp"), fresh)).toThrow(/cannot be rewritten/);
    const foreign = await open(encodeModel(mlp()));
    expect(() => model.rewrite(new Set(foreign.tensors), fresh)).toThrow(/not of this file/);
    const other = await open(encodeModel(mlp("unpacked")));
    const short = other.rewrite(named(other, "w1"), async () => new Uint8Array(3));
    await expect(collect(short[0])).rejects.toThrow(/3 bytes for "w1", expected 48/);
  });
});

/** A model around a TensorProto written by hand. */
function modelWithTensor(tensor: ProtobufWriter): Uint8Array {
  const graph = new ProtobufWriter();
  graph.message(5, tensor);
  const model = new ProtobufWriter();
  model.integer(1, 8);
  model.message(7, graph);
  const opset = new ProtobufWriter();
  opset.integer(2, 13);
  model.message(8, opset);
  return model.finish();
}
