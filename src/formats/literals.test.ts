import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JsonProblem, type JsonValue, parseJson } from "./json.ts";
import { parsePythonLiteral } from "./python-literal.ts";

function toPlain(value: JsonValue): unknown {
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, toPlain(item)]));
  return Array.isArray(value) ? value.map(toPlain) : value;
}

function toMaps(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toMaps);
  if (typeof value !== "object" || value === null) return Object.is(value, -0) ? 0 : value;
  return new Map(Object.entries(value).map(([key, item]) => [key, toMaps(item)]));
}

describe("parseJson", () => {
  it("agrees with JSON.parse on every JSON text", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), fc.constantFrom(undefined, 1, "\t"), (json, space) => {
        const text = JSON.stringify(JSON.parse(json), null, space);
        expect(toPlain(parseJson(text))).toEqual(toMaps(JSON.parse(text)));
      }),
    );
  });

  it("refuses every text that JSON.parse refuses", () => {
    const pieces = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"a"',
      "1",
      "-",
      "01",
      "1.",
      "true",
      " ",
      "\n",
      '"',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => {
        const text = parts.join("");
        let accepted = true;
        try {
          JSON.parse(text);
        } catch {
          accepted = false;
        }
        if (!accepted) expect(() => parseJson(text)).toThrow(JsonProblem);
      }),
      { numRuns: 3000 },
    );
  });
});

describe("parsePythonLiteral", () => {
  it("reads what NumPy writes, of every version", () => {
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3L, 4), }     \n";
    expect(parsePythonLiteral(header)).toEqual(
      new Map<string, unknown>([
        ["descr", "<f4"],
        ["fortran_order", false],
        ["shape", [3, 4]],
      ]),
    );
    expect(parsePythonLiteral("[('x', '<f4', (2,)), (u'y', \"|O\")]")).toEqual([
      ["x", "<f4", [2]],
      ["y", "|O"],
    ]);
    expect(parsePythonLiteral("()")).toEqual([]);
    expect(parsePythonLiteral("None")).toBeNull();
  });

  it("refuses expressions and everything unfinished", () => {
    for (const text of [
      "",
      "f()",
      "1+1",
      "1 2",
      "(1,,)",
      "(,)",
      "{1: 2}",
      "{'a': 1 'b': 2}",
      "x",
      "0x10",
      "1.5",
      "'a",
      "(",
    ]) {
      expect(parsePythonLiteral(text), text).toBeUndefined();
    }
  });
});
