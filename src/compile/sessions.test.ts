import ortNode from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeModel, type NodeDescription, type ValueDescription } from "../formats/onnx/encode.ts";
import { ArrayType } from "./array-type.ts";
import { hostBuffers } from "./buffer-pool.ts";
import { openEngine } from "./devices.ts";
import type { HostData } from "./element-types.ts";
import { HostBuffer } from "./host-buffer.ts";
import type { LoweredFunction, NamedLeaf } from "./lowered.ts";
import { loaders, type OnnxRuntime } from "./onnxruntime.ts";
import type { Engine, Session } from "./session.ts";

/** onnxruntime-node as it would be if it refused models with a sequence: results then come in memory of their own. */
const withoutQuietRuns: Pick<OnnxRuntime, "Tensor" | "InferenceSession" | "env"> = {
  Tensor: ortNode.Tensor as unknown as OnnxRuntime["Tensor"],
  env: { wasm: {} },
  InferenceSession: {
    async create(model, options) {
      const session = await ortNode.InferenceSession.create(model, options as never);
      if (session.outputMetadata.some(({ isTensor }) => !isTensor)) throw new Error("no sequences");
      return session as never;
    },
  },
};

const float = (name: string, ...shape: number[]): NamedLeaf => ({ name, shape, dtype: "float32" });

function lowered(
  inputs: readonly NamedLeaf[],
  nodes: readonly NodeDescription[],
  outputs: readonly NamedLeaf[],
): LoweredFunction {
  const bytes = encodeModel({
    opset: 18,
    graph: {
      inputs: inputs.filter(({ name }) => name !== "") as ValueDescription[],
      outputs,
      nodes,
      initializers: [
        { name: "one", shape: [], data: Float32Array.of(1) },
        { name: "constant", shape: [2], data: Float32Array.of(5, 6) },
      ],
    },
  });
  return { bytes, inputs, outputs };
}

const node = (opType: string, inputs: string[], output: string): NodeDescription => ({
  opType,
  inputs,
  outputs: [output],
});

const buffer = (data: HostData, leaf: NamedLeaf) =>
  new HostBuffer(new ArrayType(leaf.shape, leaf.dtype), data);

async function results(session: Session, inputs: readonly HostBuffer[]): Promise<HostData[]> {
  const storages = await session.run(inputs);
  return Promise.all(storages.map((storage) => storage.take()));
}

describe.each([
  ["native", () => openEngine("native", loaders, 2)],
  [
    "native, results copied",
    () => openEngine("native", { ...loaders, native: async () => withoutQuietRuns }),
  ],
  ["wasm", () => openEngine("wasm", loaders, 1)],
] as const)("sessions on %s", (_, open) => {
  let engine: Engine;
  const started: Session[] = [];
  beforeAll(async () => {
    engine = await open();
  });
  afterAll(() => Promise.all(started.map((session) => session.release())));

  async function start(...parts: Parameters<typeof lowered>): Promise<Session> {
    const session = await engine.start(lowered(...parts));
    started.push(session);
    return session;
  }

  it("runs again and again, without touching inputs or earlier results", async () => {
    const x = float("x", 3);
    const session = await start([x], [node("Add", ["x", "one"], "y")], [float("y", 3)]);
    const given = Float32Array.of(1, 2, 3);
    const first = await results(session, [buffer(given, x)]);
    const second = await results(session, [buffer(Float32Array.of(-1, 0, 1), x)]);
    expect(first).toEqual([Float32Array.of(2, 3, 4)]);
    expect(second).toEqual([Float32Array.of(0, 1, 2)]);
    expect(given).toEqual(Float32Array.of(1, 2, 3));
  });

  it("feeds results back many times over", async () => {
    const x = float("x", 2);
    const session = await start([x], [node("Add", ["x", "one"], "y")], [float("y", 2)]);
    let [state] = await session.run([buffer(Float32Array.of(0, 10), x)]);
    for (let i = 0; i < 50; i++) {
      const [next] = await session.run([state]);
      state.release();
      state = next;
    }
    expect(await state.take()).toEqual(Float32Array.of(51, 61));
  });

  it("returns inputs, constants, one value twice; ignores what is unused", async () => {
    const inputs = [float("x", 2), float("", 4), float("z", 2)];
    const nodes = [
      node("Identity", ["x"], "same"),
      node("Identity", ["constant"], "fixed"),
      node("Add", ["x", "z"], "sum"),
      node("Identity", ["sum"], "again"),
    ];
    const outputs = ["same", "fixed", "sum", "again"].map((name) => float(name, 2));
    const session = await start(inputs, nodes, outputs);
    for (let i = 0; i < 3; i++) {
      const x = buffer(Float32Array.of(1, 2), inputs[0]);
      const data = await results(session, [
        x,
        buffer(new Float32Array(4), inputs[1]),
        buffer(Float32Array.of(i, i), inputs[2]),
      ]);
      const sum = Float32Array.of(1 + i, 2 + i);
      expect(data).toEqual([Float32Array.of(1, 2), Float32Array.of(5, 6), sum, sum]);
      expect(new Set([x.data.buffer, ...data.map((array) => array.buffer)]).size).toBe(5);
      for (const array of data) array.fill(99);
    }
  });

  it("takes and gives scalars and empty arrays", async () => {
    const inputs = [float("x"), float("none", 0, 3)];
    const nodes = [
      node("Add", ["x", "one"], "y"),
      node("Add", ["none", "one"], "still"),
      node("Abs", ["y"], "z"),
    ];
    const session = await start(inputs, nodes, [float("still", 0, 3), float("y"), float("z")]);
    const data = await results(session, [
      buffer(Float32Array.of(-3), inputs[0]),
      buffer(new Float32Array(0), inputs[1]),
    ]);
    expect(data).toEqual([new Float32Array(0), Float32Array.of(-2), Float32Array.of(2)]);
  });

  it("holds every element type", async () => {
    const cases = [
      ["float32", Float32Array.of(1.5, -0)],
      ["float64", Float64Array.of(Math.PI, 1e300)],
      ["float16", Uint16Array.of(0x3c00, 0xfbff)],
      ["int32", Int32Array.of(-1, 2 ** 31 - 1)],
      ["uint32", Uint32Array.of(0, 2 ** 32 - 1)],
      ["bool", Uint8Array.of(1, 0)],
    ] as const;
    const inputs = cases.map(([dtype]) => ({ name: `${dtype}-in`, dtype, shape: [2] }));
    const outputs = cases.map(([dtype]) => ({ name: `${dtype}-out`, dtype, shape: [2] }));
    const nodes = cases.map(([dtype]) => node("Identity", [`${dtype}-in`], `${dtype}-out`));
    const session = await start(inputs, nodes, outputs);
    const data = await results(
      session,
      cases.map(([, values], i) => buffer(values.slice(), inputs[i])),
    );
    expect(data).toEqual(cases.map(([, values]) => values));
  });

  it("gives each of several overlapping runs its own results", async () => {
    const x = float("x", 1000);
    const nodes = [node("Add", ["x", "one"], "a"), node("Mul", ["a", "a"], "y")];
    const session = await start([x], nodes, [float("y", 1000)]);
    const runs = Array.from({ length: 20 }, (_, i) =>
      results(session, [buffer(new Float32Array(1000).fill(i), x)]),
    );
    for (const [i, [y]] of (await Promise.all(runs)).entries()) {
      expect(y).toEqual(new Float32Array(1000).fill((i + 1) ** 2));
    }
  });

  it("passes on what onnxruntime says of a failed run, and leaves nothing held", async () => {
    const x = float("x", 2);
    const index: NamedLeaf = { name: "i", shape: [1], dtype: "int32" };
    const session = await start([x, index], [node("Gather", ["x", "i"], "y")], [float("y", 1)]);
    const held = buffer(Float32Array.of(1, 2), x);
    const [y] = await results(session, [held, buffer(Int32Array.of(1), index)]);
    expect(y).toEqual(Float32Array.of(2));
    const unused = hostBuffers.unusedBytes;
    await expect(session.run([held, buffer(Int32Array.of(7), index)])).rejects.toThrow(/out of .*bounds/);
    expect(hostBuffers.unusedBytes - unused).toBeLessThanOrEqual(4);
    expect(await results(session, [held, buffer(Int32Array.of(0), index)])).toEqual([Float32Array.of(1)]);
    expect(held.take()).toBe(held.data);
  });

  it("refuses a model that onnxruntime cannot run", async () => {
    await expect(
      start([float("x", 2)], [node("NoSuchOperator", ["x"], "y")], [float("y", 2)]),
    ).rejects.toThrow(/NoSuchOperator/);
  });
});

describe("native sessions", () => {
  it("write into the buffers that earlier results left, never into one that is held", async () => {
    const engine = await openEngine("native", loaders, 1);
    const x = float("x", 1234);
    const session = await engine.start(lowered([x], [node("Add", ["x", "one"], "y")], [float("y", 1234)]));
    const seen = new Set<HostBuffer>();
    let [state] = await session.run([buffer(new Float32Array(1234), x)]);
    for (let i = 0; i < 20; i++) {
      seen.add(state as HostBuffer);
      const [next] = await session.run([state]);
      expect(next).not.toBe(state);
      state.release();
      state = next;
    }
    expect(seen.size).toBe(2);
    expect((state as HostBuffer).data).toEqual(new Float32Array(1234).fill(21));
    await session.release();
  });

  it("do not make a second copy of their results", async () => {
    const engine = await openEngine("native", loaders, 1);
    const x = float("x", 1 << 20);
    const session = await engine.start(lowered([x], [node("Add", ["x", "one"], "y")], [float("y", 1 << 20)]));
    const input = buffer(new Float32Array(1 << 20), x);
    const allocated = async (runs: number) => {
      const before = process.memoryUsage().arrayBuffers;
      for (let i = 0; i < runs; i++) (await session.run([input]))[0].release();
      return process.memoryUsage().arrayBuffers - before;
    };
    await allocated(2);
    // One copy would be 4 MiB.
    expect(await allocated(5)).toBeLessThan(2 ** 20);
    await session.release();
  });
});
