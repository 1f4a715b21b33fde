import { grad, jit, numpy as np } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { ArrayType } from "./array-type.ts";
import { ResultError } from "./errors.ts";
import { topological } from "./graph.ts";
import { expectSame, jaxReady, Seeded } from "./testing/reference.ts";
import { traceFunction } from "./trace.ts";

const random = new Seeded(23);
const VECTOR = new ArrayType([3], "float32");

describe("tracing", () => {
  beforeAll(jaxReady);

  it("keeps the trees and types of arguments and results", () => {
    const fn = ({ a, b: [c] }: { a: np.Array; b: [np.Array] }, scale: np.Array) => ({
      sum: a.add(c.ref),
      rest: [c.mul(scale), 2],
    });
    const traced = traceFunction(fn, [{ a: VECTOR, b: [new ArrayType([], "int32")] }, 3]);
    expect(traced.inTree.toString()).toBe("JsTreeDef([{a: *, b: [*]}, *])");
    expect(traced.outTree.toString()).toBe("JsTreeDef({sum: *, rest: [*, *]})");
    expect(traced.inputs.map(({ shape, dtype }) => [shape, dtype])).toEqual([
      [[3], "float32"],
      [[], "int32"],
      [[], "float32"],
    ]);
    expect(traced.outputs).toEqual([
      { shape: [3], dtype: "float32", weakType: false },
      { shape: [], dtype: "int32", weakType: false },
      { shape: [], dtype: "float32", weakType: true },
    ]);
  });

  it("opens nested jits and makes every change of type explicit", () => {
    const inner = jit((x: np.Array) => jit((y: np.Array) => y.add(1))(x).mul(2));
    const { graph } = traceFunction((x: np.Array) => inner(x), [new ArrayType([2], "int32")]);
    expect(topological(graph.outputs).map(({ op, dtype }) => `${op} ${dtype}`)).toEqual([
      "input int32",
      "scalar int32",
      "add int32",
      "scalar int32",
      "mul int32",
    ]);
  });

  it("takes in arrays that the function closes over, and consumes them", async () => {
    const matrix = np.array([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const { graph } = traceFunction((x: np.Array) => np.matmul(matrix, x), [VECTOR]);
    const constants = topological(graph.outputs).flatMap((node) => (node.op === "constant" ? [node] : []));
    expect(constants.map(({ parameters }) => [...parameters.data])).toEqual([[1, 2, 3, 4, 5, 6]]);
    expect(() => matrix.ref).toThrow();
    const held = np.array([0.5, -1, 2]);
    await expectSame((x) => x.add(held.ref).mul(np.ones([3])), [random.sample([3])]);
    held.dispose();
  });

  it("leaves nothing of the arguments alive or dead", () => {
    const x = np.array([1, 2, 3]);
    traceFunction((a: np.Array) => grad((b: np.Array) => np.square(b).sum())(a), [x]);
    expect(x.refCount).toBe(1);
    x.dispose();
  });

  it("names what a result must not hold", () => {
    const make = (result: unknown) => () => traceFunction((() => result) as never, [VECTOR]);
    expect(make(undefined)).toThrow(ResultError);
    expect(make({ loss: undefined })).toThrow(/result holds undefined; it must be a tree/);
    expect(make([new Map()])).toThrow(/result holds a Map/);
    expect(make("x")).toThrow(/result holds x/);
    expect(make(Promise.resolve())).toThrow(/returned a promise/);
  });

  it("passes on what the function throws", () => {
    const fail = () => {
      throw new RangeError("mine");
    };
    expect(() => traceFunction(fail, [])).toThrow(new RangeError("mine"));
  });
});
