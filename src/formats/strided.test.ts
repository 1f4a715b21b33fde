import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { extentOf, gather, orderOf, scatter, spanOf } from "./strided.ts";

/** A shape of up to four axes, stored in any order of axes. */
const permuted = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }).chain((shape) =>
  fc.shuffledSubarray([...shape.keys()], { minLength: shape.length, maxLength: shape.length }).map((axes) => {
    const strides = new Array<number>(shape.length).fill(0);
    let stride = 1;
    for (const axis of axes) {
      strides[axis] = stride;
      stride *= shape[axis];
    }
    return { shape, strides, itemBytes: 1, count: stride };
  }),
);

describe("strided tensors", () => {
  it("recognises the plain orders", () => {
    expect(orderOf([2, 3], [3, 1])).toBe("row-major");
    expect(orderOf([2, 3], [1, 2])).toBe("column-major");
    expect(orderOf([1, 3], [77, 1])).toBe("row-major");
    expect(orderOf([2, 3, 2, 2], [12, 1, 6, 3])).toBe("scattered");
    expect(orderOf([2, 3], [10, 1])).toBe("scattered");
    expect(orderOf([2, 3], [0, 1])).toBe("overlapping");
    expect(orderOf([3, 3], [1, 1])).toBe("overlapping");
    expect(orderOf([], [])).toBe("row-major");
  });

  it("gathers what was scattered, whole and from any span", () => {
    fc.assert(
      fc.property(permuted, fc.nat(), fc.nat(), (layout, a, b) => {
        const values = Uint8Array.from({ length: layout.count }, (_, i) => i);
        const stored = new Uint8Array(layout.count + 2);
        scatter(stored, 2, layout, values);
        expect(orderOf(layout.shape, layout.strides)).not.toBe("overlapping");
        expect(extentOf(layout.shape, layout.strides)).toBe(layout.count);
        const [first, last] = [a % layout.count, b % layout.count].sort((x, y) => x - y);
        const span = spanOf(layout, first, last);
        const part = gather(
          stored.subarray(2 + span.start, 2 + span.end),
          span.start,
          layout,
          first,
          last - first + 1,
        );
        expect([...part]).toEqual([...values.subarray(first, last + 1)]);
      }),
    );
  });
});
