import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toFloat64 } from "../formats/decode.ts";
import type { TensorEntry } from "../formats/model.ts";
import { dequantizedTensor, isExact, type Quantisation } from "./dequantized.ts";
import { bitsPerElement, readElements, unreadable } from "./dequantized-elements.ts";
import { elementIndex, indexAt, indexRange, runLength } from "./dequantized-index.ts";
import { storedView, transposedView } from "./strided-view.ts";

/** A tensor in memory that counts the bytes read of it. */
function tensor(dtype: string, bytes: Uint8Array, shape: readonly number[]): TensorEntry & { taken: number } {
  return {
    name: "w",
    dtype,
    shape,
    byteLength: bytes.length,
    taken: 0,
    async read(start, end) {
      if (start < 0 || end > bytes.length || start > end) throw new RangeError(`read ${start}–${end}`);
      this.taken += end - start;
      return bytes.slice(start, end);
    },
  };
}

const elements = (type: string, bytes: readonly number[]) => ({
  tensor: tensor(type, Uint8Array.from(bytes), [bytes.length]),
  type,
});

const float32 = (values: readonly number[], shape: readonly number[] = [values.length]) => ({
  tensor: tensor("float32", new Uint8Array(Float32Array.from(values).buffer), shape),
  type: "float32",
});

describe("elements are read as their types say", () => {
  const cases: readonly (readonly [string, readonly number[], readonly number[]])[] = [
    ["int4", [0x8f, 0x70], [-1, -8, 0, 7]],
    ["uint4", [0x8f, 0x70], [15, 8, 0, 7]],
    ["int2", [0b11100100], [0, 1, -2, -1]],
    ["uint2", [0b11100100], [0, 1, 2, 3]],
    ["float4_e2m1", [0x10, 0x32, 0x54, 0x76, 0x98, 0xf7], [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, 6, -6]],
    ["int8", [0, 127, 128, 255], [0, 127, -128, -1]],
    ["uint8", [0, 127, 128, 255], [0, 127, 128, 255]],
    ["int16", [0xff, 0xff, 0x00, 0x80], [-1, -32768]],
    ["uint16", [0xff, 0xff, 0x00, 0x80], [65535, 32768]],
    ["int32", [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x80], [-1, -(2 ** 31)]],
    ["float8_e4m3fn", [0x38, 0x7e, 0x7f, 0xb8], [1, 448, Number.NaN, -1]],
    ["float8_e4m3fnuz", [0x40, 0x7f, 0x80, 0x01, 0xff], [1, 240, Number.NaN, 2 ** -10, -240]],
    ["float8_e5m2", [0x3c, 0x7b, 0x7c], [1, 57344, Number.POSITIVE_INFINITY]],
    ["float8_e5m2fnuz", [0x40, 0x7f, 0x80, 0x01], [1, 57344, Number.NaN, 2 ** -17]],
    ["float8_e8m0", [0, 127, 128, 254, 255], [2 ** -127, 1, 2, 2 ** 127, Number.NaN]],
    ["float16", [0x00, 0x3c], [1]],
    ["bfloat16", [0x80, 0x3f], [1]],
  ];
  for (const [type, bytes, values] of cases) {
    it(type, async () => {
      expect([...(await readElements(elements(type, bytes), 0, values.length))]).toEqual(values);
    });
  }

  it("a tensor without elements of its own is not read", () => {
    const whole = tensor("int4", new Uint8Array(4), [7]);
    expect(unreadable(whole)).toBeNull();
    expect(unreadable({ ...whole, byteLength: 0, unsupported: "a sparse tensor" })).toBe("a sparse tensor");
  });

  it("any stretch of packed elements, an odd number of them included", async () => {
    const bytes = [0x21, 0x43, 0x65, 0x07];
    const all = [1, 2, 3, 4, 5, 6, 7];
    for (let first = 0; first <= 7; first++) {
      for (let last = first; last <= 7; last++) {
        const read = await readElements(elements("uint4", bytes), first, last);
        expect([...read]).toEqual(all.slice(first, last));
      }
    }
  });
});

describe("scales by the place of an element", () => {
  it("of one axis, of blocks whose last is short, and of both after a transpose", () => {
    const view = storedView([2, 5]);
    expect(elementIndex(view, [], { axes: [] })).toEqual([]);
    const columns = elementIndex(view, [5], { axes: [1] })!;
    expect([...Array(10).keys()].map((i) => indexAt(columns, i))).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    const blocks = elementIndex(view, [2, 3], { axes: [0, 1], blocks: { axis: 1, size: 2 } })!;
    expect([...Array(10).keys()].map((i) => indexAt(blocks, i))).toEqual([0, 0, 1, 1, 2, 3, 3, 4, 4, 5]);
    expect(runLength(blocks)).toBe(1);
    const turned = elementIndex(transposedView(view, [1, 0])!, [5], { axes: [0] })!;
    expect(turned).toEqual(columns);
  });

  it("refuses shapes that do not fit", () => {
    const view = storedView([2, 5]);
    expect(elementIndex(view, [3], { axes: [1] })).toBeNull();
    expect(elementIndex(view, [2, 5], { axes: [1] })).toBeNull();
    expect(elementIndex(view, [2, 2], { axes: [0, 1], blocks: { axis: 1, size: 2 } })).toBeNull();
    expect(elementIndex(view, [2, 5], { axes: [null, 1] })).toBeNull();
    expect(elementIndex(view, [1, 5], { axes: [null, 1] })).toHaveLength(1);
  });

  it("ranges hold every index, and runs share theirs", () => {
    const small = fc.integer({ min: 1, max: 5 });
    fc.assert(
      fc.property(small, small, small, small, fc.nat(), fc.nat(), (a, b, c, block, x, y) => {
        const view = storedView([a, b, c]);
        const shape = [a, Math.ceil(b / block), c];
        const index = elementIndex(view, shape, { axes: [0, 1, 2], blocks: { axis: 1, size: block } })!;
        const count = a * b * c;
        const start = x % count;
        const end = start + 1 + (y % (count - start));
        const [first, last] = indexRange(index, start, end);
        const run = runLength(index) || count;
        for (let i = start; i < end; i++) {
          const at = indexAt(index, i);
          expect(at).toBeGreaterThanOrEqual(first);
          expect(at).toBeLessThan(last);
          expect(indexAt(index, Math.floor(i / run) * run)).toBe(at);
        }
        expect(last).toBeLessThanOrEqual(shape.reduce((m, n) => m * n, 1));
      }),
    );
  });
});

/** A random blocked matrix with zero points, rows padded, and its values found element by element. */
const blocked = fc
  .record({
    rows: fc.integer({ min: 1, max: 5 }),
    cols: fc.integer({ min: 1, max: 9 }),
    block: fc.integer({ min: 1, max: 4 }),
    padding: fc.integer({ min: 0, max: 3 }),
    type: fc.constantFrom("int2", "uint4", "int4", "int8", "uint8", "int16", "uint16"),
    seed: fc.integer(),
  })
  .map(({ rows, cols, block, padding, type, seed }) => {
    let state = seed;
    const next = () => {
      state = (Math.imul(state, 1103515245) + 12345) | 0;
      return (state >>> 8) & 0xff;
    };
    const bits = bitsPerElement(type);
    const pitch = cols + padding;
    const blocks = Math.ceil(cols / block);
    const bytes = (count: number) => Array.from({ length: Math.ceil((count * bits) / 8) }, next);
    const codes = elements(type, bytes(rows * pitch));
    const zeros = elements(type, bytes(rows * blocks));
    const scale = float32(Array.from({ length: rows * blocks }, () => (next() - 100) / 64));
    const view = storedView([rows, cols]);
    const index = elementIndex(view, [rows, blocks], { axes: [0, 1], blocks: { axis: 1, size: block } })!;
    const quantisation: Quantisation = {
      codes,
      shape: [rows, cols],
      pitch,
      scale: { elements: scale, index },
      zero: { elements: zeros, index },
    };
    const expected = async () => {
      const q = await readElements(codes, 0, rows * pitch);
      const z = await readElements(zeros, 0, rows * blocks);
      const s = await readElements(scale, 0, rows * blocks);
      return Float64Array.from({ length: rows * cols }, (_, i) => {
        const [row, col] = [Math.floor(i / cols), i % cols];
        const at = row * blocks + Math.floor(col / block);
        return (q[row * pitch + col] - z[at]) * s[at];
      });
    };
    return { quantisation, expected };
  });

describe("a dequantised tensor", () => {
  it("is what its elements are one by one", async () => {
    await fc.assert(
      fc.asyncProperty(blocked, async ({ quantisation, expected }) => {
        const entry = dequantizedTensor(quantisation);
        const values = toFloat64("float64", await entry.read(0, entry.byteLength));
        expect([...values]).toEqual([...(await expected())]);
      }),
    );
  });

  it("any range of bytes is that slice of the whole", async () => {
    await fc.assert(
      fc.asyncProperty(blocked, fc.nat(), fc.nat(), async ({ quantisation }, a, b) => {
        const entry = dequantizedTensor(quantisation);
        const whole = await entry.read(0, entry.byteLength);
        const start = a % (entry.byteLength + 1);
        const end = start + (b % (entry.byteLength - start + 1));
        expect(await entry.read(start, end)).toEqual(whole.slice(start, end));
      }),
    );
  });

  it("reads no more of the file than it is asked for", async () => {
    const codes = { tensor: tensor("uint8", new Uint8Array(64 * 8), [64, 8, 1]), type: "uint4" };
    const scale = float32(new Array(64 * 4).fill(0.5), [64, 4]);
    const index = elementIndex(storedView([64, 16]), [64, 4], {
      axes: [0, 1],
      blocks: { axis: 1, size: 4 },
    })!;
    const entry = dequantizedTensor({ codes, shape: [64, 16], scale: { elements: scale, index }, zero: 8 });
    await entry.read(10 * 16 * 8, 12 * 16 * 8);
    expect(codes.tensor.taken).toBe(2 * 8);
    expect(scale.tensor.taken).toBe(2 * 4 * 4);
  });

  it("is a float64 tensor under the stored one's name, and nothing can be patched in its place", async () => {
    const codes = { tensor: tensor("uint8", new Uint8Array(6), [3, 2]), type: "uint4" };
    const entry = dequantizedTensor({
      codes,
      shape: [3, 4],
      scale: { elements: float32([1]), index: [] },
      zero: 8,
    });
    expect(entry).toMatchObject({
      name: "w",
      dtype: "float64",
      shape: [3, 4],
      byteLength: 96,
      storedType: "uint4",
    });
    expect(entry.stored).toBe(codes.tensor);
    expect(entry.range).toBeUndefined();
    await expect(entry.read(0, 97)).rejects.toThrow(RangeError);
  });
});

describe("exactness", () => {
  /** The product of two float64 numbers as an exact fraction of a power of two. */
  function exactProduct(a: number, b: number): readonly [bigint, number] {
    const [m, e] = whole(a);
    const [n, f] = whole(b);
    return [m * n, e + f];
  }

  /** m·2^e of a float64, m a whole number. */
  function whole(x: number): readonly [bigint, number] {
    let e = 0;
    while (!Number.isInteger(x * 2 ** e)) e++;
    return [BigInt(x * 2 ** e), -e];
  }

  const same = ([m, e]: readonly [bigint, number], [n, f]: readonly [bigint, number]) =>
    m * 2n ** BigInt(e - Math.min(e, f)) === n * 2n ** BigInt(f - Math.min(e, f));

  it("16-bit integers times any float32 are held by float64 without rounding", async () => {
    const scales = fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(1e-20), max: 1000 });
    await fc.assert(
      fc.asyncProperty(fc.nat(65535), fc.nat(65535), scales, async (q, z, s) => {
        const bytes = (v: number) => elements("uint16", [v & 255, v >> 8]);
        const entry = dequantizedTensor({
          codes: bytes(q),
          shape: [1],
          scale: { elements: float32([s]), index: [] },
          zero: { elements: bytes(z), index: [] },
        });
        const [value] = toFloat64("float64", await entry.read(0, 8));
        expect(same(whole(value), exactProduct(q - z, s))).toBe(true);
      }),
    );
  });

  it("says where it is not", () => {
    const of = (type: string) => ({
      elements: { tensor: tensor(type, new Uint8Array(8), [1]), type },
      index: [],
    });
    const exact = (code: string, scale: string, zero: string | number) =>
      isExact({
        codes: elements(code, [0]),
        shape: [1],
        scale: of(scale),
        zero: typeof zero === "number" ? zero : of(zero),
      });
    expect(exact("int8", "float32", "int8")).toBe(true);
    expect(exact("uint4", "float32", 8)).toBe(true);
    expect(exact("int32", "float32", 0)).toBe(false);
    expect(exact("int32", "float16", 0)).toBe(true);
    expect(exact("uint4", "float32", "float32")).toBe(false);
    expect(exact("uint4", "float16", "float16")).toBe(true);
    expect(exact("uint4", "bfloat16", "bfloat16")).toBe(false);
  });
});
