import { describe, expect, it } from "vitest";
import { openModel } from "./open.ts";
import { encodeSafetensors, type StoredTensor } from "./safetensors-writer.ts";

const TENSORS: readonly StoredTensor[] = [
  { name: "w", dtype: "float32", shape: [2, 3], data: Float32Array.of(1, -2, 3, 4, 5, 6.5) },
  { name: "0.flags", dtype: "bool", shape: [3], data: Uint8Array.of(1, 0, 1) },
  { name: "step", dtype: "int64", shape: [], data: BigInt64Array.of(7n) },
  { name: "half", dtype: "float16", shape: [1], data: Uint16Array.of(0x3c00) },
  { name: "nothing", dtype: "float32", shape: [0, 4], data: new Float32Array(0) },
  { name: 'ä"\n', dtype: "float64", shape: [1], data: Float64Array.of(Math.PI) },
];

describe("encodeSafetensors", () => {
  it("writes what the reader reads", async () => {
    const model = await openModel(encodeSafetensors(TENSORS), { name: "x.safetensors" });
    expect(model.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }))).toEqual(
      expect.arrayContaining(TENSORS.map(({ name, dtype, shape }) => ({ name, dtype, shape }))),
    );
    for (const { name, data } of TENSORS) {
      const entry = model.tensors.find((tensor) => tensor.name === name)!;
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      expect([...(await entry.read(0, entry.byteLength))]).toEqual([...bytes]);
    }
  });

  it("begins the data at a multiple of 8, behind a header that may hold metadata", () => {
    for (const metadata of [{}, { format: "pt" }, { format: "pt", source: "ä" }]) {
      const file = encodeSafetensors(TENSORS, metadata);
      const length = Number(new DataView(file.buffer).getBigUint64(0, true));
      expect((8 + length) % 8).toBe(0);
      const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)));
      expect(header.__metadata__ ?? {}).toEqual(metadata);
      expect(header.w).toEqual({ dtype: "F32", shape: [2, 3], data_offsets: [0, 24] });
    }
  });

  it("writes the part of a buffer that a view shows", async () => {
    const data = Float32Array.of(0, 1, 2, 3).subarray(1, 3);
    const model = await openModel(encodeSafetensors([{ name: "w", dtype: "float32", shape: [2], data }]));
    expect([...new Float32Array((await model.tensors[0]!.read(0, 8)).buffer)]).toEqual([1, 2]);
  });

  it("refuses what it cannot write", () => {
    const tensor = (over: Partial<StoredTensor>) => ({ ...TENSORS[0]!, ...over });
    expect(() => encodeSafetensors([tensor({ dtype: "float13" })])).toThrow(
      /dtype "float13" of w is not known/,
    );
    expect(() => encodeSafetensors([tensor({ shape: [7] })])).toThrow(
      /shape \[7\] needs 28 bytes of float32, got 24/,
    );
    expect(() => encodeSafetensors([tensor({}), tensor({})])).toThrow(/two tensors named w/);
  });
});
