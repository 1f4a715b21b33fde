import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { globMatcher, hasGlobCharacters } from "./glob.ts";

const matches = (pattern: string, name: string, separator?: "/") => globMatcher(pattern, { separator })(name);

describe("globMatcher", () => {
  it.each([
    ["*.weight", "layers.0.fc.weight", true],
    ["*.weight", "layers.0.fc.bias", false],
    ["/conv?/Conv", "/conv1/Conv", true],
    ["/conv?/Conv", "/conv12/Conv", false],
    ["layers.{0,11}.*", "layers.11.q", true],
    ["layers.{0,11}.*", "layers.1.q", false],
    ["{a,b{c,d}}x", "bdx", true],
    ["a{b", "a{b", true],
    ["a}b,c", "a}b,c", true],
    ["a\\*b", "a*b", true],
    ["a\\*b", "aab", false],
    ["a.b", "axb", false],
    ["q", "sequence", false],
  ])("%s against %s: %s", (pattern, name, expected) => {
    expect(matches(pattern, name)).toBe(expected);
  });

  it("keeps * within a folder and lets ** cross folders, where names are paths", () => {
    expect(matches("runs/*.onnx", "runs/a.onnx", "/")).toBe(true);
    expect(matches("runs/*.onnx", "runs/x/a.onnx", "/")).toBe(false);
    expect(matches("runs/**/*.onnx", "runs/a.onnx", "/")).toBe(true);
    expect(matches("runs/**/*.onnx", "runs/x/y/a.onnx", "/")).toBe(true);
    expect(matches("**", "a/b", "/")).toBe(true);
  });

  it("takes any text literally once its special characters are escaped", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string(), (name, other) => {
        const matcher = globMatcher(name.replace(/[\\*?{},]/g, "\\$&"));
        expect(matcher(name)).toBe(true);
        if (other !== name) expect(matcher(other)).toBe(false);
      }),
    );
  });

  it("knows which arguments are patterns", () => {
    expect(["a*", "a?", "{a}"].every(hasGlobCharacters)).toBe(true);
    expect(hasGlobCharacters("a/b.onnx")).toBe(false);
  });
});
