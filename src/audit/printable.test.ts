import fc from "fast-check";
import { expect, it } from "vitest";
import { printable, shortenMiddle } from "./printable.ts";

it("shows control characters instead of sending them", () => {
  expect(printable("a\u001b[31mred\n\u0000")).toBe("a\\x1b[31mred\\x0a\\x00");
  expect(printable("abc\u202egpj.exe")).toBe("abc\\u202egpj.exe");
  expect(printable("\ud800")).toBe("\\ud800");
  expect(printable("層.weight 😀")).toBe("層.weight 😀");
});

it("shortens to exactly the length asked for and keeps both ends", () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 0, maxLength: 80, unit: "binary" }),
      fc.integer({ min: 0, max: 40 }),
      (text, length) => {
        const short = Array.from(shortenMiddle(text, length));
        expect(short.length).toBe(Math.min(length, Array.from(text).length));
      },
    ),
  );
  expect(shortenMiddle("model.layers.12.self_attn.q_proj.weight", 20)).toBe("model.l…_proj.weight");
});
