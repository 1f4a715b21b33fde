import { lax, numpy as np } from "@jax-js/jax";
import { describe, it } from "vitest";
import { type ArrayFunction, expectSame, Seeded, sampleOf } from "../testing/reference.ts";

const random = new Seeded(1);
const SPECIAL = [Number.NaN, 1, -0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3, -2, 0.5];

const UNARY: Record<string, ArrayFunction> = {
  neg: (x) => x.neg(),
  reciprocal: (x) => np.reciprocal(x),
  floor: (x) => np.floor(x),
  ceil: (x) => np.ceil(x),
  sin: (x) => np.sin(x),
  cos: (x) => np.cos(x),
  atan: (x) => np.arctan(x),
  exp: (x) => np.exp(x),
  erf: (x) => lax.erf(x),
  erfc: (x) => lax.erfc(x),
  "stop gradient": (x) => lax.stopGradient(x),
  absolute: (x) => np.absolute(x),
  sign: (x) => np.sign(x),
  round: (x) => np.round(x),
};

describe("operations of one array", () => {
  it.each(Object.keys(UNARY))("%s", async (name) => {
    for (const shape of [[], [1], [7], [2, 1, 3]]) await expectSame(UNARY[name], [random.sample(shape)]);
  });

  it("asin, log and sqrt on their domains", async () => {
    const inside = { ...random.sample([9]), data: Float32Array.from({ length: 9 }, (_, i) => i / 4 - 1) };
    const positive = { ...inside, data: inside.data.map((x) => x + 1.25) };
    await expectSame((x) => np.arcsin(x), [inside]);
    await expectSame((x) => [np.log(x.ref), np.sqrt(x)], [positive]);
    await expectSame(
      (x) => [np.log(x.ref), np.sqrt(x)],
      [sampleOf([-1, 0, Number.NaN, Number.POSITIVE_INFINITY])],
    );
  });

  it("erfc far out keeps its relative accuracy", async () => {
    for (const x of [3, 4, 5, 6, -6]) await expectSame((y) => lax.erfc(y), [sampleOf([x])]);
  });

  it("of NaN and infinities", async () => {
    for (const name of ["neg", "reciprocal", "floor", "ceil", "exp", "absolute", "atan"]) {
      await expectSame(UNARY[name], [sampleOf(SPECIAL)]);
    }
  });

  it("of integers", async () => {
    for (const dtype of ["int32", "uint32"] as const) {
      await expectSame(
        (x) => [x.neg(), np.bitwiseCount(np.array([7], { dtype: dtype as np.DType }).add(1))],
        [random.sample([5], dtype)],
      );
    }
  });
});

const BINARY: Record<string, (x: np.Array, y: np.Array | number) => np.Array> = {
  add: (x, y) => x.add(y),
  sub: (x, y) => x.sub(y),
  mul: (x, y) => x.mul(y),
  div: (x, y) => x.div(y),
  min: (x, y) => np.minimum(x, y),
  max: (x, y) => np.maximum(x, y),
  mod: (x, y) => x.mod(y),
  less: (x, y) => x.less(y),
  "less or equal": (x, y) => x.lessEqual(y),
  equal: (x, y) => x.equal(y),
  "not equal": (x, y) => x.notEqual(y),
  greater: (x, y) => x.greater(y),
};

const SHAPES = [
  [[], []],
  [[3], []],
  [[2, 3], [3]],
  [
    [2, 1],
    [1, 3],
  ],
  [
    [4, 1, 2],
    [3, 1],
  ],
];

describe("operations of two arrays", () => {
  it.each(Object.keys(BINARY))("%s, broadcasting", async (name) => {
    for (const [a, b] of SHAPES) await expectSame(BINARY[name], [random.sample(a), random.sample(b)]);
  });

  it.each(Object.keys(BINARY))("%s of integers", async (name) => {
    for (const dtype of ["int32", "uint32"] as const) {
      const y = random.between([3], dtype, 1, 5);
      await expectSame(BINARY[name], [random.sample([2, 3], dtype), y]);
      if (dtype === "int32")
        await expectSame(BINARY[name], [random.sample([3], dtype), random.between([3], dtype, -5, -2)]);
    }
  });

  it.each(["add", "mul", "equal", "not equal"])("%s of truth values", async (name) => {
    const [x, y] = [sampleOf([0, 0, 1, 1], [4], "bool"), sampleOf([0, 1, 0, 1], [4], "bool")];
    await expectSame(BINARY[name], [x, y]);
  });

  it.each(["min", "max", "less", "less or equal", "equal", "not equal", "add", "mul"])(
    "%s of NaN",
    async (name) => {
      await expectSame(BINARY[name], [sampleOf(SPECIAL), sampleOf([...SPECIAL].reverse())]);
      // Not 0, whose products with NaN jax-js takes to be 0.
      await expectSame((x) => BINARY[name](x, 0.5), [sampleOf(SPECIAL)]);
    },
  );

  it("division by zero in integers does not crash", async () => {
    // jax-js stops with an error of WebAssembly; what comes out is nobody's business, that it comes out is.
    const { lowered } = await import("../testing/reference.ts");
    await lowered(
      (x, y) => [x.ref.div(y.ref), x.mod(y)],
      [sampleOf([5, -(2 ** 31)], [2], "int32"), sampleOf([0, -1], [2], "int32")],
    );
  });

  it("constants take the array's type", async () => {
    await expectSame((x) => [x.ref.add(1.5), x.ref.mul(2), x.div(2)], [random.sample([3], "int32")]);
    await expectSame((x) => [x.ref.add(1), x.mul(2)], [sampleOf([0, 1], [2], "bool")]);
    await expectSame((x, y) => x.add(y), [random.sample([3], "int32"), random.sample([3])]);
    await expectSame((x, y) => x.less(y), [random.sample([3], "int32"), random.sample([3])]);
  });
});

describe("choices, conversions and bits", () => {
  it("where broadcasts", async () => {
    const condition = sampleOf([1, 0, 1], [3], "bool");
    await expectSame(
      (c, x, y) => np.where(c, x, y),
      [condition, random.sample([2, 3]), random.sample([2, 1])],
    );
    for (const dtype of ["int32", "uint32", "bool"] as const) {
      await expectSame(
        (c, x, y) => np.where(c, x, y),
        [condition, random.sample([3], dtype), random.sample([3], dtype)],
      );
    }
  });

  it("casts truncate and saturate", async () => {
    const wide = sampleOf([1.7, -1.7, 3e9, -3e9, 5e9, Number.NaN, Number.POSITIVE_INFINITY, -0.2]);
    const types = [np.int32, np.uint32, np.bool, np.float64, np.float32];
    await expectSame((x) => types.map((dtype) => x.ref.astype(dtype)), [wide]);
    await expectSame((x) => types.map((dtype) => x.ref.astype(dtype)), [random.sample([4], "int32")]);
    await expectSame((x) => types.map((dtype) => x.ref.astype(dtype)), [random.sample([4], "uint32")]);
    await expectSame((x) => types.map((dtype) => x.ref.astype(dtype)), [sampleOf([0, 1], [2], "bool")]);
  });

  it("bits are shifted, combined, counted and seen as another type", async () => {
    for (const dtype of ["int32", "uint32"] as const) {
      const [x, y] = [random.between([6], dtype, 0, 2 ** 30), random.between([6], dtype, 0, 31)];
      await expectSame((a, b) => [np.leftShift(a.ref, b.ref), np.rightShift(a, b)], [x, y]);
      await expectSame(
        (a, b) => [
          np.bitwiseAnd(a.ref, b.ref),
          np.bitwiseOr(a.ref, b.ref),
          np.bitwiseXor(a.ref, b),
          np.invert(a),
        ],
        [x, y],
      );
      await expectSame((a) => np.bitwiseCount(a), [x]);
      await expectSame((a) => lax.bitcastConvertType(a, np.float32), [x]);
    }
    await expectSame((a) => lax.bitcastConvertType(a, np.int32), [random.sample([6])]);
    const [p, q] = [sampleOf([0, 0, 1, 1], [4], "bool"), sampleOf([0, 1, 0, 1], [4], "bool")];
    await expectSame(
      (a, b) => [np.logicalAnd(a.ref, b.ref), np.logicalOr(a.ref, b.ref), np.logicalXor(a, b)],
      [p, q],
    );
  });
});
