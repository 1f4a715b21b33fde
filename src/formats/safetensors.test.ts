import { describe, expect, it } from "vitest";
import { openModel } from "./open.ts";
import { memorySource } from "./sources.ts";

/** A safetensors file from a header and data, without checks. */
function file(header: object | string, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

const two = file(
  {
    b: { dtype: "F32", shape: [2], data_offsets: [4, 12] },
    a: { dtype: "F16", shape: [1, 2], data_offsets: [0, 4] },
    __metadata__: { format: "pt" },
  },
  Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
);

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

describe("safetensors", () => {
  it("lists tensors in file order and reads ranges of them", async () => {
    const model = await openModel(two);
    expect(model.format).toBe("safetensors");
    expect(model.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }))).toEqual([
      { name: "a", dtype: "float16", shape: [1, 2] },
      { name: "b", dtype: "float32", shape: [2] },
    ]);
    expect([...(await model.tensors[1].read(4, 8))]).toEqual([9, 10, 11, 12]);
  });

  it("lists integers and unknown types as not audited", async () => {
    const model = await openModel(
      file(
        {
          i: { dtype: "I64", shape: [1], data_offsets: [0, 8] },
          z: { dtype: "NEW3", shape: [5], data_offsets: [8, 9] },
        },
        new Uint8Array(9),
      ),
    );
    expect(model.tensors[0]).toMatchObject({
      dtype: "int64",
      unsupported: expect.stringContaining("integers"),
    });
    expect(model.tensors[1]).toMatchObject({
      dtype: "new3",
      unsupported: expect.stringContaining("not known"),
    });
  });

  it("keeps prototype names as plain names", async () => {
    const json = '{"__proto__":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}';
    const model = await openModel(file(json, new Uint8Array(4)));
    expect(model.tensors.map((entry) => entry.name)).toEqual(["__proto__"]);
  });

  it("changes only the replaced tensor's bytes", async () => {
    const model = await openModel(two);
    const [output] = model.rewrite(new Set([model.tensors[0]]), async () => Uint8Array.from([9, 9, 9, 9]));
    const expected = two.slice();
    expected.set([9, 9, 9, 9], two.length - 12);
    expect(await collect(output.chunks())).toEqual(expected);
  });

  it("refuses a replacement of another size", async () => {
    const model = await openModel(two);
    const [output] = model.rewrite(new Set([model.tensors[0]]), async () => new Uint8Array(3));
    await expect(collect(output.chunks())).rejects.toThrow(/3 bytes, not 4/);
  });
});

const shard1 = file({ a: { dtype: "F32", shape: [1], data_offsets: [0, 4] } }, Uint8Array.of(0, 0, 128, 63));
const shard2 = file(
  {
    b: { dtype: "F32", shape: [1], data_offsets: [0, 4] },
    extra: { dtype: "F32", shape: [], data_offsets: [4, 8] },
  },
  new Uint8Array(8),
);

function indexOf(map: Record<string, string>, shards: Record<string, Uint8Array>) {
  const bytes = new TextEncoder().encode(JSON.stringify({ metadata: {}, weight_map: map }));
  return memorySource(bytes, "model.safetensors.index.json", new Map(Object.entries(shards)));
}

describe("sharded safetensors", () => {
  const map = { a: "m-1.safetensors", b: "m-2.safetensors" };
  const shards = { "m-1.safetensors": shard1, "m-2.safetensors": shard2 };

  it("opens every shard and warns of tensors outside the index", async () => {
    const model = await openModel(indexOf(map, shards));
    expect(model.tensors.map((entry) => entry.name)).toEqual(["a", "b", "extra"]);
    expect(model.warnings.map((warning) => warning.where)).toEqual(["extra"]);
    expect(model.sources.map((source) => source.name)).toEqual([
      "model.safetensors.index.json",
      "m-1.safetensors",
      "m-2.safetensors",
    ]);
  });

  it("rewrites the index and every shard", async () => {
    const model = await openModel(indexOf(map, shards));
    const asked: string[] = [];
    const outputs = model.rewrite(new Set([model.tensors[1]]), async (entry) => {
      asked.push(entry.name);
      return Uint8Array.of(1, 2, 3, 4);
    });
    expect(outputs.map((output) => output.relativeName)).toEqual(["", "m-1.safetensors", "m-2.safetensors"]);
    const expected = shard2.slice();
    expected.set([1, 2, 3, 4], shard2.length - 8);
    expect(await collect(outputs[1].chunks())).toEqual(shard1);
    expect(await collect(outputs[2].chunks())).toEqual(expected);
    expect(asked).toEqual(["b"]);
  });

  it("names the tensor and the shard when a shard is missing", async () => {
    const opening = openModel(indexOf(map, { "m-1.safetensors": shard1 }));
    await expect(opening).rejects.toMatchObject({
      code: "missing-file",
      tensor: "b",
      message: expect.stringContaining("m-2.safetensors"),
    });
  });

  it("refuses a shard without the tensor the index promises", async () => {
    const opening = openModel(indexOf({ ...map, c: "m-1.safetensors" }, shards));
    await expect(opening).rejects.toMatchObject({ code: "corrupt", tensor: "c" });
  });

  it("ignores the copy of a tensor that the index places elsewhere", async () => {
    const model = await openModel(
      indexOf(
        { a: "m-1.safetensors", b: "m-2.safetensors", extra: "m-3.safetensors" },
        {
          ...shards,
          "m-3.safetensors": file(
            { extra: { dtype: "F32", shape: [], data_offsets: [0, 4] } },
            new Uint8Array(4),
          ),
        },
      ),
    );
    expect(model.tensors.map((entry) => entry.name)).toEqual(["a", "b", "extra"]);
    expect(model.warnings[0].message).toContain("copy in m-2.safetensors is ignored");
  });

  it("refuses shard names that leave the folder", async () => {
    for (const name of ["../x.safetensors", "/etc/passwd", "C:\\x", "a\0b", "a//b", ""]) {
      await expect(openModel(indexOf({ a: name }, {}))).rejects.toMatchObject({ code: "unsafe-path" });
    }
  });
});
