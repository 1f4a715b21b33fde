import { describe, expect, it } from "vitest";
import { splitmix64 } from "../linalg/random.ts";
import { deriveSeed } from "./seeds.ts";

describe("seeds", () => {
  it("follow the published splitmix64 sequence", () => {
    // First outputs for the state 1234567, from the reference C code.
    const golden = 0x9e3779b97f4a7c15n;
    const outputs = [0n, 1n, 2n].map((i) => splitmix64((1234567n + i * golden) & ((1n << 64n) - 1n)));
    expect(outputs).toEqual([6457827717110365317n, 3203168211198807973n, 9817491932198370423n]);
  });

  it("differ for every path, and repeat for the same", () => {
    const paths = [[], [0], [1], [0, 0], [0, 1], [1, 0]];
    const seeds = paths.map((path) => deriveSeed(5n, ...path));
    expect(new Set(seeds).size).toBe(paths.length);
    expect(deriveSeed(5n, 1, 0)).toBe(seeds[5]);
    expect(seeds.every((seed) => seed >= 0n && seed < 1n << 64n)).toBe(true);
  });
});
