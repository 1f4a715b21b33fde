import { grad, Array as JaxArray, jit, lax, numpy as np, tree } from "@jax-js/jax";
import { describe, expect, it, vi } from "vitest";
import { type ArgumentTree, compile, compilerFor, type ResultTree } from "./compile.ts";
import type { Device } from "./devices.ts";
import { ArgumentError, CompileError, ConsumedError, DeviceError, ResultError, RunError } from "./errors.ts";
import { liveArrays, NativeArray } from "./native-array.ts";
import { loaders } from "./onnxruntime.ts";
import { toJax } from "./to-jax.ts";
import { toNative } from "./to-native.ts";
import { UnsupportedPrimitiveError } from "./unsupported.ts";

/** What `import()` rejects with in Node. */
const missing = () =>
  Promise.reject(Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" }));

/** `compile` where onnxruntime-node is not installed, quiet about it. */
function compileWithoutPackage() {
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
  return compilerFor({ ...loaders, native: missing });
}

interface Layer {
  w: np.Array;
  b: np.Array;
}

/** A layer's gradient step; also returns an input, a constant, one value twice and a plain number. */
function step(layer: Layer, batches: [np.Array, np.Array], rate: np.Array) {
  const [x, y] = batches;
  const loss = ({ w, b }: Layer) => np.square(np.dot(x.ref, w).add(b).sub(y.ref)).mean();
  const gradient = grad(loss)(tree.ref(layer)) as Layer;
  const value = loss(tree.ref(layer));
  const moved = tree.map(
    (p: np.Array, g: np.Array) => p.sub(g.mul(rate.ref)),
    layer as never,
    gradient as never,
  );
  rate.dispose();
  return {
    layer: moved as Layer,
    batches: [x, y],
    loss: [value.ref, value],
    constant: np.ones([2]),
    four: 4,
  };
}

const layer = () => ({
  w: np.array([
    [1, -2],
    [3, 0.5],
  ]),
  b: np.array([0.25, 0]),
});
const batches = (): [np.Array, np.Array] => [
  np.array([
    [1, 2],
    [0, -1],
    [2, 1],
  ]),
  np.ones([3, 2]),
];

async function values(result: unknown): Promise<unknown> {
  return tree.map((leaf: JaxArray) => leaf.js(), (await toJax(result)) as never);
}

describe.each(["native", "wasm", "jax", "fallback"] as const)("compile on %s", (where) => {
  const make = where === "fallback" ? compileWithoutPackage() : compile;
  const options = where === "fallback" ? {} : { device: where as Device };

  it("computes what jit computes, in the same trees", async () => {
    const compiled = make(step, options);
    const jitted = jit(step as never) as unknown as typeof step;
    const expected = (await values(jitted(layer(), batches(), np.array(0.1)))) as object;
    const result = await compiled(layer(), batches(), np.array(0.1));
    const leaf = where === "jax" ? JaxArray : NativeArray;
    for (const array of tree.leaves(result as never)) expect(array).toBeInstanceOf(leaf);
    const [got, want] = [await values(result), expected].map((all) => tree.flatten<number>(all as never));
    expect(got[1].toString()).toBe(want[1].toString());
    for (const [i, value] of got[0].entries()) expect(value).toBeCloseTo(want[0][i], 5);
    compiled.dispose();
  });

  it("takes arrays of jax-js, NativeArrays, numbers and booleans, and its own results", async () => {
    const before = liveArrays();
    const compiled = make(
      (state: { x: np.Array; n: np.Array }, flag: np.Array) => ({
        x: np.where(flag, state.x.add(state.n.ref), 0),
        n: state.n.add(1),
      }),
      options,
    );
    let state = await compiled({ x: toNative(Float32Array.of(1, 2), [2]), n: 10 }, true);
    state = await compiled(state as never, np.array(true));
    expect(await values(state)).toEqual({ x: [22, 23], n: 12 });
    const flag = toNative(Uint8Array.of(0), []);
    expect(await values(await compiled({ x: np.ones([2]), n: 1 }, flag))).toEqual({ x: [0, 0], n: 2 });
    expect(liveArrays()).toBe(before);
    compiled.dispose();
  });

  it("is traced once for each shape, dtype and tree", async () => {
    let traced = 0;
    const compiled = make((x: np.Array | np.Array[]) => {
      traced++;
      return Array.isArray(x) ? x[0] : x.add(1);
    }, options);
    const call = async (x: unknown) => tree.dispose((await compiled(x as never)) as never);
    for (let i = 0; i < 3; i++) await call(np.ones([2]));
    expect(traced).toBe(1);
    await call(np.ones([3]));
    await call(np.ones([3], { dtype: "int32" as never }));
    await call([np.ones([3])]);
    await call(np.ones([2]));
    await Promise.all([call(np.ones([7])), call(np.ones([7]))]);
    expect(traced).toBe(5);
    compiled.dispose();
  });

  it("gives overlapping calls their own results", async () => {
    const compiled = make((x: np.Array) => np.square(x).sum(), options);
    const calls = Array.from({ length: 10 }, (_, i) =>
      compiled(toNative(new Float32Array(100).fill(i), [100])),
    );
    const sums = await Promise.all((await Promise.all(calls)).map(async (sum) => (await sum.data())[0]));
    expect(sums).toEqual(Array.from({ length: 10 }, (_, i) => 100 * i * i));
    compiled.dispose();
  });

  it("consumes its arguments at once, and keeps what has a reference left", async () => {
    const compiled = make((x: np.Array, y: np.Array) => x.add(y), options);
    (await compiled(np.ones([2]), np.ones([2]))).dispose();
    const x = np.array([1, 2]);
    const kept = toNative(Float32Array.of(3, 4), [2]);
    const running = compiled(x, kept.ref);
    if (where === "native" || where === "wasm") expect([x.refCount, kept.refCount]).toEqual([0, 1]);
    expect(await values(await running)).toEqual([4, 6]);
    expect([x.refCount, kept.refCount]).toEqual([0, 1]);
    expect(await kept.data()).toEqual(Float32Array.of(3, 4));
    compiled.dispose();
  });

  it("names the argument that was consumed or has too few references", async () => {
    const compiled = make(
      (p: { layers: Layer[] }, y: np.Array) => p.layers[0].w.add(p.layers[0].b).add(y),
      options,
    );
    const w = toNative(new Float32Array(2), [2]);
    const b = np.ones([2]);
    w.dispose();
    const consumed = compiled({ layers: [{ w, b }] }, 1);
    await expect(consumed).rejects.toThrow(ConsumedError);
    await expect(consumed).rejects.toThrow(
      /argument 1, \.layers\[0\]\.w, \(NativeArray:float32\[2\]\) was consumed already\. Write `\.ref`/,
    );
    await expect(compiled({ layers: [{ w: b, b }] }, b)).rejects.toThrow(
      /argument 1, \.layers\[0\]\.b, .*used 2 times in this call but has 1 reference\./,
    );
    expect(b.refCount).toBe(1);
    expect(await values(await compiled({ layers: [{ w: b.ref, b: b.ref }] }, b))).toEqual([3, 3]);
    compiled.dispose();
  });

  it("refuses what is no tree of arrays, and consumes nothing", async () => {
    const compiled = make((x: np.Array, options: { y: np.Array }) => x.add(options.y), options);
    const x = np.ones([2]);
    const refused = async (y: unknown, message: RegExp) => {
      const call = compiled(x, { y } as never);
      await expect(call).rejects.toThrow(ArgumentError);
      await expect(call).rejects.toThrow(message);
    };
    await refused(
      Float32Array.of(1, 2),
      /argument 2, \.y, is a Float32Array\. Make it an array with toNative/,
    );
    await refused(undefined, /argument 2, \.y, is undefined\. Arguments are trees/);
    await refused("1", /argument 2, \.y, is a string/);
    await refused(new Map(), /argument 2, \.y, is a Map/);
    let traced: unknown;
    jit((y: np.Array) => {
      traced = y;
      return y;
    })(np.ones([2])).dispose();
    await refused(traced, /argument 2, \.y, is being traced\. A compiled function runs outside of jit/);
    expect(x.refCount).toBe(1);
    x.dispose();
    compiled.dispose();
  });

  it("refuses a function whose result is no tree of arrays", async () => {
    const x = np.ones([2]);
    const native = toNative(Float32Array.of(1), [1]);
    const refused = async (fn: (x: np.Array) => unknown, message: RegExp) => {
      const call = make(fn, options)(x.ref);
      await expect(call).rejects.toThrow(ResultError);
      await expect(call).rejects.toThrow(message);
      x.dispose();
    };
    await refused(() => undefined, /the result is undefined\. The function must return an array/);
    await refused((a) => ({ loss: [a, "text"] }), /the result, \.loss\[1\], is a string/);
    await refused(async (a) => a, /the result is a Promise\. The function must not be async/);
    await refused(
      (a) => [a, native],
      /the result, \[1\], is NativeArray:float32\[1\], which the function did not/,
    );
    await expect(make((a: np.Array) => a.add(native as never), options)(x)).rejects.toThrow(/toJax\(\)/);
    native.dispose();
  });

  it("passes on what the function throws, and consumes nothing", async () => {
    const x = np.ones([2]);
    const compiled = make((_: np.Array): np.Array => {
      throw new RangeError("no");
    }, options);
    await expect(compiled(x)).rejects.toThrow(RangeError);
    expect(x.refCount).toBe(1);
    x.dispose();
  });

  it("returns nothing, empty arrays and scalars", async () => {
    const nothing = make((_: np.Array) => ({ a: [], b: {} }), options);
    const before = liveArrays();
    expect(await nothing(toNative(Float32Array.of(1), [1]))).toEqual({ a: [], b: {} });
    const empty = make((x: np.Array) => ({ x: x.ref.add(1), n: x.sum() }), options);
    const result = await empty(toNative(new Float32Array(0), [0, 3]));
    expect(result.x.shape).toEqual([0, 3]);
    expect(await values(result)).toEqual({ x: [], n: 0 });
    const only = await make((x: np.Array) => x.mul(2), options)(np.zeros([2, 0]));
    expect((await only.data()).length).toBe(0);
    expect(liveArrays()).toBe(before);
  });

  it("ends what is under way when it is disposed, and refuses later calls", async () => {
    const compiled = make((x: np.Array) => x.add(1), options);
    const first = compiled(np.ones([2]));
    compiled.dispose();
    compiled.dispose();
    expect(await values(await first)).toEqual([2, 2]);
    await expect(compiled(np.ones([2]))).rejects.toThrow(/was disposed\. Compile it again/);
  });
});

type Tree = np.Array | Tree[] | { [name: string]: Tree };

describe("types", () => {
  it("follow trees of any depth, lists of fixed length and results fed back", async () => {
    const compiled = compile((params: Tree, rate: np.Array) => {
      const scaled = tree.map((p: np.Array) => p.mul(rate.ref), params as never) as Tree;
      return { params: scaled, rates: [rate.ref, rate] as [np.Array, np.Array] };
    });
    const start: Tree = [{ w: np.ones([2]) }, []];
    let params: ArgumentTree<Tree> = start;
    let result: Awaited<ReturnType<typeof compiled>> | undefined;
    for (let i = 0; i < 2; i++) {
      result = await compiled(params, 3);
      params = result.params;
      const [first, second]: [NativeArray, NativeArray] = result.rates;
      first.dispose();
      second.dispose();
    }
    const back: Tree = await toJax(result!.params);
    expect(tree.map((leaf: JaxArray) => leaf.js(), back as never)).toEqual([{ w: [9, 9] }, []]);
    compiled.dispose();
  });
});

describe("weak types", () => {
  it("stay weak through a loop, so that nothing is promoted or traced again", async () => {
    let traced = 0;
    const compiled = compile((n: np.Array, i: np.Array) => {
      traced++;
      return { n: n.ref.add(1), product: i.mul(n) };
    });
    let n: NativeArray | number = 2;
    for (let k = 0; k < 3; k++) {
      const result: ResultTree<{ n: np.Array; product: np.Array }> = await compiled(
        n,
        np.array([3], { dtype: "int32" as never }),
      );
      n = result.n;
      expect(n.weakType).toBe(true);
      expect(result.product.dtype).toBe("int32");
      expect([...(await result.product.data())]).toEqual([3 * (k + 2)]);
    }
    expect(traced).toBe(1);
    (n as NativeArray).dispose();
  });
});

describe("a first call", () => {
  it("that shares its arguments with another one consumes them; the other is refused", async () => {
    const before = liveArrays();
    const compiled = compile((x: np.Array, y: np.Array) => x.add(y));
    const [x, y] = [toNative(Float32Array.of(1), [1]), toNative(Float32Array.of(2), [1])];
    const [first, second] = await Promise.allSettled([compiled(x, y.ref), compiled(x, y)]);
    expect(second).toMatchObject({ status: "rejected", reason: { name: "ConsumedError" } });
    expect(await values((first as PromiseFulfilledResult<NativeArray>).value)).toEqual([3]);
    expect(y.refCount).toBe(1);
    y.dispose();
    expect(liveArrays()).toBe(before);
  });
});

describe("devices", () => {
  it("share arrays", async () => {
    const [native, wasm, jax] = (["native", "wasm", "jax"] as Device[]).map((device) =>
      compile((x: np.Array) => x.mul(2), { device }),
    );
    const there = await native(np.array([1, 2]));
    const back = await wasm(there);
    expect(await values(await jax(await native(back)))).toEqual([16, 32]);
  });

  it("do not mind which of two compiled functions an array came from", async () => {
    const double = compile((x: np.Array) => x.mul(2), { threads: 1 });
    const shift = compile((x: np.Array) => x.add(1), { threads: 2 });
    expect(await values(await shift(await double(np.array([1, 2]))))).toEqual([3, 5]);
  });

  it("webgpu is refused where there is none", async () => {
    const call = compile((x: np.Array) => x, { device: "webgpu" })(np.ones([1]));
    await expect(call).rejects.toThrow(DeviceError);
    await expect(call).rejects.toThrow(/needs WebGPU, which is not here/);
  });
});

describe("without onnxruntime-node", () => {
  it("says so once, in one line, and what to install", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    warn.mockClear();
    const compileHere = compilerFor({ ...loaders, native: missing });
    for (let i = 0; i < 2; i++) (await compileHere((x: np.Array) => x.add(i))(np.ones([1]))).dispose();
    expect(warn.mock.calls).toEqual([[expect.stringMatching(/jax-js.* npm install onnxruntime-node$/)]]);
    expect(warn.mock.calls[0][0]).not.toContain("\n");
  });

  it("wasm and webgpu are errors that name the package", async () => {
    const compileHere = compilerFor({ ...loaders, wasm: missing, webgpu: missing });
    for (const device of ["wasm", "webgpu"] as const) {
      const x = np.ones([1]);
      const call = compileHere((a: np.Array) => a, { device })(x);
      await expect(call).rejects.toThrow(DeviceError);
      await expect(call).rejects.toThrow(/npm install onnxruntime-web/);
      expect(x.refCount).toBe(1);
      x.dispose();
    }
  });

  it("a package that does not start is an error with its reason, and is tried again", async () => {
    let attempts = 0;
    const native = async () => {
      if (++attempts === 1) throw new Error("libstdc++ is too old.");
      return loaders.native();
    };
    const compiled = compilerFor({ ...loaders, native })((x: np.Array) => x.add(1));
    const x = np.ones([1]);
    await expect(compiled(x)).rejects.toThrow(
      /onnxruntime-node does not start here: libstdc\+\+ .*device: "jax"/,
    );
    expect(await values(await compiled(x))).toEqual([2]);
  });
});

describe("a runtime that fails", () => {
  const failing = (fails: "create" | "run") => async () => {
    const { default: ort } = (await loaders.native()) as { default: typeof import("onnxruntime-node") };
    const failure = async () => {
      throw new Error("out of memory");
    };
    const create = async (model: Uint8Array, options: object) => {
      if (fails === "create") return failure();
      const session = await ort.InferenceSession.create(model, options);
      return { ...session, run: failure, release: () => session.release() };
    };
    return { Tensor: ort.Tensor, env: ort.env, InferenceSession: { create } };
  };

  it("while it starts: an error that says what else to do; nothing is consumed", async () => {
    const compiled = compilerFor({ ...loaders, native: failing("create") })((x: np.Array) => x.add(1));
    const x = np.ones([1]);
    await expect(compiled(x)).rejects.toThrow(
      /onnxruntime refuses the compiled function: out of memory .*"jax"/,
    );
    expect(x.refCount).toBe(1);
    x.dispose();
  });

  it("while it runs: an error with its reason; the arguments are gone", async () => {
    const before = liveArrays();
    const compiled = compilerFor({ ...loaders, native: failing("run") })((x: np.Array) => x.add(1));
    const x = toNative(Float32Array.of(1), [1]);
    const call = compiled(x);
    await expect(call).rejects.toThrow(RunError);
    await expect(call).rejects.toThrow(/failed while it ran: out of memory/);
    expect(liveArrays()).toBe(before);
  });
});

describe("what cannot be compiled", () => {
  it("is named, with the device that runs it; nothing is consumed", async () => {
    const x = np.array([
      [2, 1],
      [1, 2],
    ]);
    const cholesky = (a: np.Array) => lax.linalg.cholesky(a);
    const call = compile(cholesky)(x);
    await expect(call).rejects.toThrow(UnsupportedPrimitiveError);
    await expect(call).rejects.toThrow(/cholesky.*float32\[2,2\].*device: "jax"/);
    expect(x.refCount).toBe(1);
    const lower = await compile(cholesky, { device: "jax" })(x);
    expect(lower.slice(0, 0).item()).toBeCloseTo(Math.SQRT2, 6);
  });

  it.each([
    [() => compile(3 as never), /first argument must be a function; got number/],
    [
      () => compile((x: np.Array) => x, { device: "cuda" as never }),
      /one of "native", "wasm", "webgpu", "jax"; got "cuda"/,
    ],
    [() => compile((x: np.Array) => x, { threads: 0 }), /threads must be a whole number of 1 or more; got 0/],
    [
      () => compile((x: np.Array) => x, { backend: "wasm" } as never),
      /no option "backend". The options are device and threads/,
    ],
  ])("options are checked at once: %#", (make, message) => {
    expect(make).toThrow(message);
    expect(make).toThrow(CompileError);
  });
});
