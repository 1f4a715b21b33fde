import { describe, expect, it } from "vitest";
import { ShapeError, TrainError } from "../errors.ts";
import { dataset } from "./dataset.ts";

const EXAMPLES = 23;

/** Example i has inputs [10i, 10i + 1] and label i mod 4. */
const counting = () =>
  dataset(
    {
      x: {
        data: Float32Array.from({ length: 2 * EXAMPLES }, (_, i) => 10 * Math.floor(i / 2) + (i % 2)),
        shape: [EXAMPLES, 2],
      },
      y: { data: Uint8Array.from({ length: EXAMPLES }, (_, i) => i % 4) },
    },
    { classes: 4 },
  );

describe("batches", () => {
  it("hold whole examples, each at most once in a pass", () => {
    const batches = counting().batches({ size: 5, seed: 3 });
    expect([batches.size, batches.perEpoch]).toEqual([5, 4]);
    const seen = new Set<number>();
    for (let k = 0; k < batches.perEpoch; k++) {
      const { x, y } = batches.at(k);
      expect([x.shape, y.shape]).toEqual([[5, 2], [5]]);
      expect(y.data).toBeInstanceOf(Int32Array);
      for (let row = 0; row < 5; row++) {
        const example = x.data[2 * row] / 10;
        expect(x.data[2 * row + 1]).toBe(10 * example + 1);
        expect(y.data[row]).toBe(example % 4);
        seen.add(example);
      }
    }
    expect(seen.size).toBe(20);
  });

  it("depend on their number and the seed alone, whatever was asked for before", () => {
    const [a, b] = [counting().batches({ size: 4, seed: 8 }), counting().batches({ size: 4, seed: 8 })];
    const forwards = Array.from({ length: 12 }, (_, k) => a.at(k));
    const backwards = Array.from({ length: 12 }, (_, k) => b.at(11 - k)).toReversed();
    expect(backwards).toEqual(forwards);
  });

  it("differ between passes and between seeds", () => {
    const batches = counting().batches({ size: 23, seed: 1 });
    expect(batches.at(1).x.data).not.toEqual(batches.at(0).x.data);
    expect(counting().batches({ size: 23, seed: 2 }).at(0).x.data).not.toEqual(batches.at(0).x.data);
  });

  it("put every example in every place about equally often", () => {
    const batches = counting().batches({ size: 23 });
    const counts = new Map<number, number>();
    const passes = 2000;
    for (let k = 0; k < passes; k++) {
      const first = batches.at(k).x.data[0];
      counts.set(first, (counts.get(first) ?? 0) + 1);
    }
    expect(counts.size).toBe(EXAMPLES);
    // Binomial: five standard deviations around passes / EXAMPLES.
    const spread = 5 * Math.sqrt(passes / EXAMPLES);
    for (const count of counts.values()) expect(Math.abs(count - passes / EXAMPLES)).toBeLessThan(spread);
  });

  it("are copies: changing one changes no other", () => {
    const data = counting();
    const batches = data.batches({ size: 23 });
    batches.at(0).x.data.fill(0);
    expect(Math.max(...batches.at(0).x.data)).toBe(221);
    expect(Math.max(...data.all.x.data)).toBe(221);
  });

  it("refuse sizes and numbers that do not fit", () => {
    expect(() => counting().batches({ size: 24 })).toThrow(/size 24 is more than the 23 examples/);
    expect(() => counting().batches({ size: 0 })).toThrow(TrainError);
    expect(() => counting().batches({ size: 2, seed: 0.5 })).toThrow(/seed/);
    expect(() => counting().batches({ size: 2, shuffle: true } as never)).toThrow(/no option "shuffle"/);
    expect(() => counting().batches({ size: 2 }).at(-1)).toThrow(TrainError);
  });
});

describe("dataset", () => {
  const x = () => ({ data: new Float32Array(6), shape: [3, 2] });
  const y = (...labels: number[]) => ({ data: Int32Array.from(labels) });

  it("copies what it is given, in float32 and int32", () => {
    const given = { data: Float64Array.of(0.1, 2), shape: [2, 1] };
    const data = dataset({ x: given, y: { data: Float64Array.of(1, 2) } });
    given.data.fill(9);
    expect([...data.all.x.data]).toEqual([Math.fround(0.1), 2]);
    expect(data.all.y.data).toBeInstanceOf(Float32Array);
    expect(data.size).toBe(2);
  });

  it.each([
    ["NaN", { data: Float32Array.of(0, Number.NaN), shape: [2, 1] }, /x holds NaN \(element 1 of 2\)/],
    ["infinity", { data: Float32Array.of(Number.NEGATIVE_INFINITY), shape: [1] }, /x holds -Infinity/],
    ["beyond float32", { data: Float64Array.of(1e300), shape: [1] }, /1e\+300, which is infinite in float32/],
    [
      "beyond int32",
      { data: Uint32Array.of(2 ** 31), shape: [1] },
      /2147483648 \(element 0\), which is not an int32/,
    ],
    ["a plain list", [1, 2, 3], /must be \{ data, shape \}.*got Array/],
    ["bigints", { data: BigInt64Array.of(1n), shape: [1] }, /got data: BigInt64Array/],
    ["nothing", null, /got null/],
  ])("refuses %s", (_, given, message) => {
    expect(() => dataset({ x: given as never })).toThrow(message);
  });

  it("refuses shapes that do not fit", () => {
    expect(() => dataset({ x: { data: new Float32Array(6), shape: [4, 2] } })).toThrow(
      /has 6 numbers.*needs 8/,
    );
    expect(() => dataset({ x: { data: new Float32Array(0), shape: [0, 2] } })).toThrow(ShapeError);
    expect(() => dataset({ x: x(), y: y(0, 1) }, { classes: 2 })).toThrow(
      /x holds 3 examples, but y holds 2/,
    );
    expect(() => dataset({ y: y(0) } as never)).toThrow(/x, the inputs, is not among them/);
  });

  it("refuses labels out of range, and whole numbers without a number of classes", () => {
    expect(() => dataset({ x: x(), y: y(0, 1, 2) })).toThrow(/say how many classes/);
    expect(() => dataset({ x: x(), y: y(0, 1, 2) }, { classes: 2 })).toThrow(
      /label 2 of y is 2; with 2 classes labels are 0 to 1/,
    );
    expect(() => dataset({ x: x(), y: y(0, -1, 1) }, { classes: 2 })).toThrow(/label 1 of y is -1/);
    expect(() => dataset({ x: x(), y: { data: new Float32Array(3) } }, { classes: 2 })).toThrow(/Int32Array/);
    expect(() => dataset({ x: x() }, { labels: 2 } as never)).toThrow(/no option "labels"/);
  });
});
