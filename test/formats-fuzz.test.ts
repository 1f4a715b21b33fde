import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError } from "../src/formats/errors.ts";
import { openModel } from "../src/formats/open.ts";
import type { ByteSource } from "../src/formats/source.ts";
import { memorySource } from "../src/formats/sources.ts";
import { collect, pickle, rebuildTensor, safetensors, torchFile, utf8 } from "./fixtures/bytes.ts";

const FOLDER = new URL("./fixtures/formats/", import.meta.url).pathname;
const fixture = (name: string) => new Uint8Array(readFileSync(join(FOLDER, name)));

/** Mutations per format, spread over its files. */
const CASES = 2400;

/** Reading a tensor may take no more than this beyond the file itself. */
const READ_CAP = 1 << 20;

interface Mutation {
  readonly kind: "flip" | "set" | "cut" | "insert" | "remove" | "splice" | "length";
  /** Positions as fractions of the file, so that one mutation fits every file. */
  readonly at: number;
  readonly to: number;
  readonly value: number;
  readonly bytes: Uint8Array;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom("flip", "set", "cut", "insert", "remove", "splice", "length"),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  to: fc.double({ min: 0, max: 1, noNaN: true }),
  value: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
});

/** Extreme lengths, offsets and counts as they lie in a file. */
const LENGTHS = [0n, 1n, 0x7fffffffn, 0xffffffffn, 0x100000000n, 0x7fffffffffffffffn, 0xffffffffffffffffn];

function mutate(file: Uint8Array, { kind, at, to, value, bytes }: Mutation): Uint8Array {
  const position = Math.min(file.length - 1, Math.floor(at * file.length));
  const other = Math.min(file.length - 1, Math.floor(to * file.length));
  const [low, high] = position < other ? [position, other] : [other, position];
  const changed = file.slice();
  switch (kind) {
    case "flip":
      changed[position] ^= 1 << (value & 7);
      return changed;
    case "set":
      changed[position] = value;
      return changed;
    case "cut":
      return changed.slice(0, position);
    case "insert":
      return joined(file.subarray(0, position), bytes, file.subarray(position));
    case "remove":
      return joined(file.subarray(0, low), file.subarray(Math.min(high, low + 16)));
    case "splice":
      changed.copyWithin(low, high, Math.min(file.length, high + 32));
      return changed;
    case "length": {
      const field = new Uint8Array(BigUint64Array.of(LENGTHS[value % LENGTHS.length]).buffer);
      changed.set(field.subarray(0, Math.min(value & 1 ? 8 : 4, file.length - position)), position);
      return changed;
    }
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Opens, reads and rewrites everything; an error that is not a FormatError is thrown on. */
async function outcome(source: ByteSource): Promise<"opened" | "refused"> {
  try {
    const model = await openModel(source);
    for (const entry of model.tensors) await entry.read(0, Math.min(entry.byteLength, READ_CAP));
    const small = model.tensors.filter((entry) => !entry.unsupported && entry.byteLength < READ_CAP);
    const outputs = model.rewrite(new Set(small), (entry) => entry.read(0, entry.byteLength));
    for (const output of outputs) await collect(output.chunks());
    await model.close();
    return "opened";
  } catch (cause) {
    if (cause instanceof FormatError) return "refused";
    throw cause;
  }
}

type MakeSource = (bytes: Uint8Array) => ByteSource;

async function fuzz(files: readonly (readonly [Uint8Array, MakeSource])[]): Promise<void> {
  const counts = { opened: 0, refused: 0 };
  let slowest = 0;
  const cases = fc.tuple(fc.nat(files.length - 1), fc.array(mutation, { minLength: 1, maxLength: 3 }));
  await fc.assert(
    fc.asyncProperty(cases, async ([which, mutations]) => {
      const [file, make] = files[which];
      const start = performance.now();
      const mutated = mutations.reduce((bytes, one) => (bytes.length > 0 ? mutate(bytes, one) : bytes), file);
      counts[await outcome(make(mutated))]++;
      slowest = Math.max(slowest, performance.now() - start);
    }),
    { numRuns: CASES },
  );
  // Both happen often, or the mutations test nothing.
  expect(counts.opened).toBeGreaterThan(CASES / 50);
  expect(counts.refused).toBeGreaterThan(CASES / 5);
  expect(slowest).toBeLessThan(3000);
}

const named =
  (name: string): MakeSource =>
  (bytes) =>
    memorySource(bytes, name);

describe(`${CASES} mutations end in an open model or a FormatError`, () => {
  it("safetensors", () => fuzz([[fixture("types.safetensors"), named("w.safetensors")]]));

  it("sharded safetensors", () => {
    const shard = safetensors({ a: { dtype: "F32", shape: [2], data_offsets: [0, 8] } }, new Uint8Array(8));
    const index = utf8(JSON.stringify({ metadata: { total_size: 8 }, weight_map: { a: "s.safetensors" } }));
    const name = "w.safetensors.index.json";
    return fuzz([
      [index, (bytes) => memorySource(bytes, name, new Map([["s.safetensors", shard]]))],
      [shard, (bytes) => memorySource(index, name, new Map([["s.safetensors", bytes]]))],
    ]);
  });

  it("npy", () =>
    fuzz(
      ["plain.npy", "fortran.npy", "big-endian.npy", "raw.npy"].map((name) => [
        fixture(name),
        named("w.npy"),
      ]),
    ));

  it("npz", () => fuzz(["stored.npz", "deflated.npz"].map((name) => [fixture(name), named("w.npz")])));

  it("pytorch", () =>
    fuzz(
      ["state.pt", "views.pt", "module.pt", "script.pt", "checkpoint.pt"].map((name) => [
        fixture(name),
        named("w.pt"),
      ]),
    ));

  it("the pickle in a PyTorch archive", () => {
    const { dict, program, text } = pickle;
    const nested = dict(
      text("b"),
      rebuildTensor({ size: [2, 1] }),
      text("c"),
      rebuildTensor({ offset: 1, size: [1] }),
    );
    const root = program(dict(text("w"), rebuildTensor(), text("sub"), nested));
    const bare = program(rebuildTensor());
    const inside: MakeSource = (bytes) => memorySource(torchFile(bytes), "w.pt");
    return fuzz([
      [root, inside],
      [bare, inside],
    ]);
  });
});
