import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { memorySource } from "../../../test/fixtures/onnx/memory-source.ts";
import { FormatError } from "../errors.ts";
import { WINDOW_BYTES } from "./limits.ts";
import { forEachVarint } from "./packed.ts";
import { ProtobufWriter, varintBytes } from "./protobuf-writer.ts";
import { type Field, signed64, WireReader } from "./wire.ts";

async function fieldsOf(bytes: Uint8Array): Promise<Field[]> {
  const wire = new WireReader(memorySource(bytes));
  const fields: Field[] = [];
  await wire.visit(wire.root(), (field) => {
    fields.push(field);
  });
  return fields;
}

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const exact = (low: number, high: number) => BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low));

describe("WireReader", () => {
  it("reads any 64-bit varint", async () => {
    await fc.assert(
      fc.asyncProperty(int64, fc.integer({ min: 1, max: 2 ** 29 - 1 }), async (value, number) => {
        const writer = new ProtobufWriter();
        writer.integer(number, value);
        const [field] = await fieldsOf(writer.finish());
        expect(field.number).toBe(number);
        expect(exact(field.low, field.high)).toBe(value);
      }),
    );
  });

  it("reads any packed varints", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(int64), async (values) => {
        const writer = new ProtobufWriter();
        writer.packedIntegers(5, values);
        const wire = new WireReader(memorySource(writer.finish()));
        const back: bigint[] = [];
        await wire.visit(wire.root(), (field) =>
          forEachVarint(wire, field, (low, high) => back.push(exact(low, high))),
        );
        expect(back).toEqual(values);
      }),
    );
  });

  it("clamps integers beyond the safe range", () => {
    expect(signed64(0xffffffff, 0x7fffffff)).toBe(Number.MAX_SAFE_INTEGER);
    expect(signed64(0, 0x80000000)).toBe(-Number.MAX_SAFE_INTEGER);
    expect(signed64(0xffffffff, 0xffffffff)).toBe(-1);
    expect(signed64(0, 1)).toBe(2 ** 32);
  });

  it("reads fixed values and text across window borders", async () => {
    for (const shift of [0, 1, 2, 3, 5, 9]) {
      const writer = new ProtobufWriter();
      writer.bytes(1, new Uint8Array(WINDOW_BYTES - 4 - shift));
      writer.float(2, 1.5);
      writer.text(3, "größer");
      const wire = new WireReader(memorySource(writer.finish()));
      const seen: unknown[] = [];
      await wire.visit(wire.root(), async (field) => {
        if (field.number === 2) seen.push(wire.float(field));
        if (field.number === 3) seen.push(await wire.text(field));
      });
      expect(seen).toEqual([1.5, "größer"]);
    }
  });

  it("skips payloads without reading them", async () => {
    const writer = new ProtobufWriter();
    for (let i = 0; i < 4; i++) writer.bytes(1, new Uint8Array(10 * WINDOW_BYTES));
    const reads: [number, number][] = [];
    const wire = new WireReader(memorySource(writer.finish(), "model.onnx", {}, reads));
    await wire.visit(wire.root(), () => undefined);
    expect(reads.length).toBe(4);
    expect(reads.every(([start, end]) => end - start <= WINDOW_BYTES)).toBe(true);
  });

  const bad: [string, number[], string][] = [
    ["a varint of 11 bytes", [0x08, ...Array(10).fill(0x80), 0x01], "corrupt"],
    ["a varint above 64 bits", [0x08, ...Array(9).fill(0xff), 0x02], "corrupt"],
    ["a cut varint", [0x08, 0x80], "truncated"],
    ["a cut fixed32", [0x0d, 1, 2, 3], "truncated"],
    ["a cut fixed64", [0x09, 1, 2, 3, 4, 5, 6, 7], "truncated"],
    ["a length beyond the file", [0x0a, 2, 0], "truncated"],
    ["a length of 2⁶³", [0x0a, ...Array(9).fill(0x80), 0x01], "truncated"],
    ["a group", [0x0b, 0x0c], "corrupt"],
    ["the end of a group", [0x0c], "corrupt"],
    ["wire type 6", [0x0e], "corrupt"],
    ["field number 0", [0x00, 0x01], "corrupt"],
    ["a field number beyond 2²⁹", [0xf8, 0xff, 0xff, 0xff, 0x1f, 0x00], "corrupt"],
  ];
  it.each(bad)("refuses %s", async (_, bytes, code) => {
    const error = await fieldsOf(Uint8Array.from(bytes)).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(FormatError);
    expect((error as FormatError).code).toBe(code);
  });

  it("refuses a length beyond the enclosing message", async () => {
    const wire = new WireReader(memorySource(Uint8Array.of(0x0a, 2, 0x0a, 5, 0, 0, 0, 0, 0)));
    const visited = wire.visit(wire.root(), (outer) => wire.visit(outer, () => undefined));
    await expect(visited).rejects.toMatchObject({ code: "corrupt", byte: 2 });
  });
});

describe("varintBytes", () => {
  it("is the shortest encoding", () => {
    expect([...varintBytes(0)]).toEqual([0]);
    expect([...varintBytes(300)]).toEqual([0xac, 0x02]);
    expect(varintBytes(-1).length).toBe(10);
    expect([...varintBytes(2 ** 40)]).toEqual([...varintBytes(2n ** 40n)]);
  });
});
