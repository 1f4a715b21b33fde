import fc from "fast-check";
import { expect, it } from "vitest";
import { fitMiddle, pad, textWidth, wrap } from "./text-width.ts";

const text = fc.string({ unit: fc.constantFrom("a", "層", "é", "e\u0301", ".", " ", "😀") });

it("counts terminal cells", () => {
  expect(textWidth("abc")).toBe(3);
  expect(textWidth("層.重み")).toBe(7);
  expect(textWidth("e\u0301")).toBe(1);
  expect(textWidth("1.2–3.4 × █")).toBe(11);
});

it("never exceeds the width asked for", () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 30 }), (value, width) => {
      expect(textWidth(fitMiddle(value, width))).toBeLessThanOrEqual(width);
      expect(textWidth(pad(fitMiddle(value, width), width, "right"))).toBe(width);
    }),
  );
});

it("wraps without losing a character", () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 2, max: 30 }), (value, width) => {
      const lines = wrap(value, width);
      for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(width);
      expect(lines.join("").replaceAll(" ", "")).toBe(value.replaceAll(" ", ""));
    }),
  );
});
