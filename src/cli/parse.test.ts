import { describe, expect, it } from "vitest";
import { parseInput, parseLimit, parseMemory, parsePositive, parseSeed, parseThreads } from "./parse.ts";

describe("option values", () => {
  it.each([
    ["2GiB", 2 * 2 ** 30],
    ["512MB", 512e6],
    ["1.5g", 1.5 * 2 ** 30],
    ["64 mib", 64 * 2 ** 20],
    ["1048576", 2 ** 20],
  ])("memory %s is %d bytes", (text, bytes) => {
    expect(parseMemory(text)).toBe(bytes);
  });

  it.each(["", "2 XiB", "-1GiB", "1e9", "GiB", "1.2.3MB", "1023KiB", "9e9TiB", "99999999999TiB"])(
    "memory %j is refused",
    (text) => expect(() => parseMemory(text)).toThrow(),
  );

  it("seeds are decimal or hexadecimal 64-bit numbers", () => {
    expect(parseSeed("42")).toBe(42n);
    expect(parseSeed("0xffffffffffffffff")).toBe(2n ** 64n - 1n);
    for (const text of ["", "-1", "1.5", "0x", "0xg", "18446744073709551616", "ff"]) {
      expect(() => parseSeed(text), text).toThrow(/0 to 2\^64/);
    }
  });

  it("limits and targets are finite numbers", () => {
    expect(parseLimit("0")).toBe(0);
    expect(parseLimit("1e3")).toBe(1000);
    expect(parsePositive("0.5")).toBe(0.5);
    for (const text of ["", " ", "-1", "NaN", "Infinity", "one"])
      expect(() => parseLimit(text), text).toThrow();
    expect(() => parsePositive("0")).toThrow(/above 0/);
  });

  it("threads are whole numbers", () => {
    expect(parseThreads("2")).toBe(2);
    for (const text of ["0", "-2", "1.5", "two", "1e9", "4096"])
      expect(() => parseThreads(text), text).toThrow();
  });

  it("inputs have a name, or are the only one", () => {
    expect(parseInput("x=1x3x32x32")).toEqual({ x: [1, 3, 32, 32] });
    expect(parseInput("1×3×8×8")).toEqual({ "": [1, 3, 8, 8] });
    expect(parseInput("a=b:0=5", { x: [1] })).toEqual({ x: [1], "a=b:0": [5] });
    for (const text of ["", "x=", "=1x2", "1x0", "1x-2", "1xN", "x=1.5"]) {
      expect(() => parseInput(text), text).toThrow(/NAME=1x3x32x32/);
    }
    expect(() => parseInput("x=1", { x: [1] })).toThrow(/x was given twice/);
  });
});
