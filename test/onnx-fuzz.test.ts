import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError } from "../src/formats/errors.ts";
import { encodeModel } from "../src/formats/onnx/encode.ts";
import { onnxFormat } from "../src/formats/onnx/onnx.ts";
import { collect } from "./fixtures/onnx/collect.ts";
import { BESIDE, malformedModels } from "./fixtures/onnx/malformed.ts";
import { memorySource } from "./fixtures/onnx/memory-source.ts";
import { branching, mlp, modelOf, nestedIfs, ramp } from "./fixtures/onnx/models.ts";

/** Small files that together use every part of the format. */
const SEEDS: readonly Uint8Array[] = [
  encodeModel(mlp("raw")),
  encodeModel(mlp("packed")),
  encodeModel(mlp("unpacked")),
  encodeModel(branching("unpacked")),
  nestedIfs(6),
  modelOf({
    initializers: [
      {
        name: "half",
        dtype: "float16",
        shape: [4],
        data: Uint16Array.of(1, 300, 65535, 0),
        storage: "packed",
      },
      { name: "long", data: BigInt64Array.of(-1n, 7n, 2n ** 62n), storage: "packed" },
      { name: "four", dtype: "int4", shape: [3], data: Uint8Array.of(0x21, 3), storage: "unpacked" },
      { name: "text", shape: [2], data: ["a", "bc"] },
      {
        name: "out",
        dtype: "float32",
        shape: [2],
        storage: { location: "weights.bin", offset: 0, length: 8 },
      },
    ],
    sparseInitializers: [
      { values: { name: "s", data: ramp(1) }, indices: { data: BigInt64Array.of(2n) }, shape: [3] },
    ],
    inputs: [{ name: "x", shape: ["n", null, 3] }],
  }),
];

type Mutation = (bytes: Uint8Array) => Uint8Array;

const position = fc.nat(2 ** 20);
const interesting = fc.constantFrom(0, 1, 0x7f, 0x80, 0xff, 0x08, 0x0a, 0x0b, 0x3a, 0x4a);
/** A change of some bytes; the length stays, and so the file often still opens. */
function inPlace(change: (copy: Uint8Array) => void): Mutation {
  return (bytes) => {
    const copy = bytes.slice();
    change(copy);
    return copy;
  };
}

const overwrite = fc.tuple(position, fc.oneof(interesting, fc.nat(255))).map(([at, byte]) =>
  inPlace((copy) => {
    copy[at % copy.length] = byte;
  }),
);
const flip = fc.tuple(position, fc.nat(7)).map(([at, bit]) =>
  inPlace((copy) => {
    copy[at % copy.length] ^= 1 << bit;
  }),
);
const move = fc.tuple(position, position, fc.nat(64)).map(([from, to, length]) =>
  inPlace((copy) => {
    const start = from % copy.length;
    copy.copyWithin(to % copy.length, start, start + length);
  }),
);
const truncate = position.map(
  (at): Mutation =>
    (bytes) =>
      bytes.slice(0, at % bytes.length),
);
const insert = fc.tuple(position, fc.uint8Array({ minLength: 1, maxLength: 12 })).map(
  ([at, more]): Mutation =>
    (bytes) => {
      const i = at % bytes.length;
      return Uint8Array.from([...bytes.subarray(0, i), ...more, ...bytes.subarray(i)]);
    },
);
const remove = fc.tuple(position, fc.integer({ min: 1, max: 16 })).map(
  ([at, count]): Mutation =>
    (bytes) => {
      const i = at % bytes.length;
      return Uint8Array.from([...bytes.subarray(0, i), ...bytes.subarray(i + count)]);
    },
);
const mutations = fc.array(
  fc.oneof(
    { arbitrary: overwrite, weight: 4 },
    { arbitrary: flip, weight: 4 },
    { arbitrary: move, weight: 2 },
    ...[truncate, insert, remove].map((arbitrary) => ({ arbitrary, weight: 1 })),
  ),
  { minLength: 1, maxLength: 3 },
);

function mutate(seed: Uint8Array, steps: readonly Mutation[]): Uint8Array {
  return steps.reduce((bytes, step) => (bytes.length === 0 ? bytes : step(bytes)), seed);
}

/** Reading everything a user could ask of the file. */
async function exercise(bytes: Uint8Array): Promise<"read" | "refused"> {
  try {
    const reads: [number, number][] = [];
    const model = await onnxFormat.open(memorySource(bytes, "fuzz.onnx", BESIDE, reads));
    for (const tensor of model.tensors) {
      // A varint of one byte gives at most eight: nothing can be larger than that says.
      expect(tensor.byteLength).toBeLessThanOrEqual(8 * bytes.length + 8);
      expect(tensor.shape.every((d) => Number.isSafeInteger(d) && d >= 0)).toBe(true);
      if (tensor.byteLength > 0) {
        expect((await tensor.read(0, tensor.byteLength)).length).toBe(tensor.byteLength);
      }
    }
    expect(reads.every(([start, end]) => start <= end && end <= bytes.length)).toBe(true);
    const replaced = new Set(model.tensors.filter((t) => t.byteLength > 0));
    for (const file of model.rewrite(replaced, (t) => t.read(0, t.byteLength))) await collect(file);
    return "read";
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return "refused";
  }
}

describe("mutated files", () => {
  it("are read or refused with a FormatError, quickly, and nothing else", async () => {
    const outcomes = { read: 0, refused: 0 };
    let slowest = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...SEEDS), mutations, async (seed, steps) => {
        const bytes = mutate(seed, steps);
        const started = performance.now();
        outcomes[await exercise(bytes)]++;
        slowest = Math.max(slowest, performance.now() - started);
      }),
      { numRuns: 4000 },
    );
    expect(outcomes.read + outcomes.refused).toBeGreaterThanOrEqual(4000);
    // Both outcomes are exercised in earnest.
    expect(Math.min(outcomes.read, outcomes.refused)).toBeGreaterThan(400);
    expect(slowest).toBeLessThan(2000);
  });

  it("of malformed files are no worse", async () => {
    const small = Object.values(malformedModels()).filter((bytes) => bytes.length > 0 && bytes.length < 5000);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...small), mutations, async (bad, steps) => {
        expect(["read", "refused"]).toContain(await exercise(mutate(bad, steps)));
      }),
      { numRuns: 2000 },
    );
  });

  it("cut anywhere are refused, but for the cut between graph and operator sets", async () => {
    for (const seed of SEEDS) {
      let read = 0;
      for (let length = 0; length < seed.length; length++) {
        if ((await exercise(seed.slice(0, length))) === "read") read++;
      }
      expect(read).toBe(1);
    }
  });
});
