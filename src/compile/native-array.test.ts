import { Array as JaxArray, jit, numpy as np, tree } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import { ArrayType } from "./array-type.ts";
import { ArgumentError, CompileError, ConsumedError } from "./errors.ts";
import { HostBuffer } from "./host-buffer.ts";
import { liveArrays, NativeArray, nativeArray } from "./native-array.ts";
import { toJax } from "./to-jax.ts";
import { toNative } from "./to-native.ts";

const example = () => toNative(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);

describe("NativeArray", () => {
  it("knows its type", () => {
    const array = example();
    expect(array.shape).toEqual([2, 3]);
    expect([array.dtype, array.size, array.ndim, array.weakType]).toEqual(["float32", 6, 2, false]);
    expect(`${array}`).toBe("NativeArray:float32[2,3]");
    expect(array).not.toBeInstanceOf(JaxArray);
    array.dispose();
  });

  it("counts references as jax-js's arrays do", async () => {
    const before = liveArrays();
    const array = example();
    expect(liveArrays()).toBe(before + 1);
    expect(array.ref).toBe(array);
    expect(array.refCount).toBe(2);
    array.dispose();
    expect(await array.data()).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
    expect([array.refCount, liveArrays()]).toEqual([0, before]);
  });

  it("says what was used after its last reference", async () => {
    const array = example();
    array.dispose();
    expect(() => array.dispose()).toThrow(ConsumedError);
    expect(() => array.ref).toThrow(/NativeArray:float32\[2,3\] was consumed already\. Write `\.ref`/);
    await expect(array.data()).rejects.toThrow(/NativeArray\.data/);
    await expect(array.toJax()).rejects.toThrow(/NativeArray\.toJax/);
  });

  it("gives data that stay as they are", async () => {
    const array = example();
    const first = await array.ref.data();
    const second = await array.data();
    first.fill(0);
    expect(second).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
    const third = example();
    expect(third.shape).toEqual([2, 3]);
    expect(second[0]).toBe(1);
    third.dispose();
  });

  it("is a leaf of jax-js's trees, which count its references", () => {
    const before = liveArrays();
    const params = { layers: [{ w: example(), b: example() }], step: 3 };
    const [leaves, structure] = tree.flatten<unknown>(params as never);
    expect(leaves.map(String)).toEqual([`${params.layers[0].w}`, `${params.layers[0].b}`, "3"]);
    expect((tree.unflatten(structure, leaves) as typeof params).layers[0].b).toBe(params.layers[0].b);
    tree.ref(params as never);
    expect(params.layers[0].w.refCount).toBe(2);
    const shapes = tree.map(
      (leaf: unknown) => (leaf instanceof NativeArray ? leaf.size : leaf),
      params as never,
    );
    expect(shapes).toEqual({ layers: [{ w: 6, b: 6 }], step: 3 });
    tree.dispose(params as never);
    tree.dispose(params as never);
    expect(liveArrays()).toBe(before);
  });

  it("refuses jax-js's operations with a way out", () => {
    const array = example();
    for (const operation of [
      () => np.add(array as never, 1),
      () => np.sum(array as never),
      () => jit((x: np.Array) => x.add(1))(array as never),
      () => (array as unknown as np.Array).mul(2),
      () => [...(array as unknown as Iterable<unknown>)],
    ]) {
      expect(operation).toThrow(/toJax\(\)/);
      expect(operation).toThrow(CompileError);
    }
    expect(array.refCount).toBe(1);
    array.dispose();
  });
});

describe("toJax", () => {
  it.each([
    ["float32", Float32Array.of(1.5, -0, Number.NaN)],
    ["float64", Float64Array.of(Math.PI, 1e300, 2 ** -1074)],
    ["int32", Int32Array.of(-1, 2, 2 ** 31 - 1)],
    ["uint32", Uint32Array.of(1, 2, 2 ** 32 - 1)],
  ] as const)("keeps every bit of %s", async (dtype, data) => {
    const array = await toNative(data, [3]).toJax();
    expect(array).toBeInstanceOf(JaxArray);
    expect([array.dtype, array.shape]).toEqual([dtype, [3]]);
    expect(await array.data()).toEqual(data);
    expect("Float16Array" in globalThis).toBe(Number(process.versions.node.split(".")[0]) >= 24);
  });

  it("keeps booleans, empty arrays and weak scalars", async () => {
    const flags = await toNative(Uint8Array.of(0, 1, 7), [3]).toJax();
    expect([flags.dtype, flags.js()]).toEqual(["bool", [false, true, true]]);
    const none = await toNative(new Int32Array(0), [0, 2]).toJax();
    expect([none.dtype, none.shape]).toEqual(["int32", [0, 2]]);
    none.dispose();
    const type = new ArrayType([], "float32", true);
    const scalar = await nativeArray(type, new HostBuffer(type, Float32Array.of(2.5))).toJax();
    expect([scalar.weakType, scalar.item()]).toEqual([true, 2.5]);
  });

  it("copies: the jax-js array does not see what becomes of the memory", async () => {
    const native = example();
    const array = await native.ref.toJax();
    const data = await native.data();
    data.fill(9);
    expect(array.js()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
  });

  it("converts whole trees", async () => {
    const before = liveArrays();
    const tree = await toJax({ w: example(), rest: [np.ones([2]), 3] as const });
    expect(tree.w.shape).toEqual([2, 3]);
    expect([tree.w.js(), tree.rest[0].js(), tree.rest[1]]).toEqual([
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      [1, 1],
      3,
    ]);
    expect(liveArrays()).toBe(before);
  });

  it.skipIf("Float16Array" in globalThis)("says that float16 needs a newer platform", async () => {
    await expect(toNative(Uint16Array.of(0x3c00, 0), [2]).toJax()).rejects.toThrow(/Cast to float32 inside/);
  });
});

describe("toNative", () => {
  it("copies its data", async () => {
    const data = Float32Array.of(1, 2);
    const array = toNative(data, [2]);
    data.fill(0);
    expect(await array.data()).toEqual(Float32Array.of(1, 2));
  });

  it("takes views, scalars and every element type", async () => {
    const whole = Float64Array.of(1, 2, 3, 4);
    expect(await toNative(whole.subarray(1, 3), [2]).data()).toEqual(Float64Array.of(2, 3));
    expect(toNative(Float32Array.of(3), []).shape).toEqual([]);
    expect(await toNative(Int32Array.of(0, 5), [2], "bool").data()).toEqual(Int32Array.of(0, 1));
    expect(toNative(Uint16Array.of(0x3c00), [1]).dtype).toBe("float16");
    expect(await toNative(Uint32Array.of(7), [1]).data()).toEqual(Uint32Array.of(7));
  });

  it.each([
    [() => toNative(new Float32Array(5), [2, 3]), /shape \[2, 3\] has 6 elements, but data has 5/],
    [() => toNative(new Float32Array(1), [-1, -1]), /whole numbers of 0 or more; got \[-1, -1\]/],
    [() => toNative(new Float32Array(2), [2], "int32"), /a Float32Array cannot be an int32 array/],
    [() => toNative([1, 2] as never, [2]), /an Array cannot be an array/],
    [() => toNative(new Int8Array(2) as never, [2]), /an Int8Array cannot be an array/],
  ])("refuses what does not fit: %#", (make, message) => {
    const before = liveArrays();
    expect(make).toThrow(message);
    expect(make).toThrow(ArgumentError);
    expect(liveArrays()).toBe(before);
  });
});
