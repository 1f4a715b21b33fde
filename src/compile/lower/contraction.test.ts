import { grad, lax, numpy as np } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import { ArrayType } from "../array-type.ts";
import {
  type ArrayFunction,
  evaluated,
  expectClose,
  expectSame,
  lowered,
  Seeded,
  sampleOf,
} from "../testing/reference.ts";
import { operatorsOf } from "../testing/structure.ts";

const random = new Seeded(4);

/** jax-js reads expressions only where iterators have map, from Node 22 on; it takes lists of indices everywhere. */
function einsum(expression: string, x: np.Array, y: np.Array): np.Array {
  const [inputs, output] = expression.split("->");
  const indices = (letters: string) => [...letters].map((letter) => letter.charCodeAt(0));
  const [left, right] = inputs.split(",");
  return np.einsum(x, indices(left), y, indices(right), indices(output));
}

describe("products", () => {
  it("of matrices and vectors, in every order of axes", async () => {
    const a = random.sample([3, 5]);
    const b = random.sample([5, 4]);
    await expectSame((x, y) => np.matmul(x, y), [a, b]);
    await expectSame((x, y) => np.matmul(y.transpose(), x.transpose()), [a, b]);
    await expectSame((x, y) => np.matmul(x, y).transpose(), [a, b]);
    await expectSame((x, y) => np.matmul(x, y), [a, random.sample([5])]);
    await expectSame((x, y) => np.matmul(x, y), [random.sample([3]), a]);
    await expectSame((x, y) => np.dot(x, y), [random.sample([5]), random.sample([5])]);
    await expectSame((x, y) => np.outer(x, y), [random.sample([3]), random.sample([4])]);
    await expectSame((x, y) => np.dot(x, y), [random.sample([5]), random.sample([])]);
  });

  it("of axes of size 1", async () => {
    await expectSame((x, y) => np.matmul(x, y), [random.sample([3, 1]), random.sample([1, 4])]);
    await expectSame((x, y) => np.matmul(x, y), [random.sample([1, 5]), random.sample([5, 1])]);
    await expectSame((x, y) => np.matmul(x, y), [random.sample([1, 1]), random.sample([1, 1])]);
  });

  it("of batches", async () => {
    await expectSame((x, y) => np.matmul(x, y), [random.sample([2, 3, 5]), random.sample([2, 5, 4])]);
    await expectSame((x, y) => np.matmul(x, y), [random.sample([2, 3, 5]), random.sample([5, 4])]);
    await expectSame((x, y) => np.matmul(x, y), [random.sample([6, 1, 3, 5]), random.sample([1, 2, 5, 4])]);
    await expectSame((x, y) => np.vecdot(x, y), [random.sample([4, 5]), random.sample([4, 5])]);
    await expectSame((x, y) => np.vecdot(x, y, { axis: 0 }), [random.sample([4, 5]), random.sample([4, 5])]);
  });

  it.each([
    ["ij,jk->ik", [2, 3], [3, 4]],
    ["ij,kj->ki", [2, 3], [4, 3]],
    ["bij,bkj->bik", [2, 3, 4], [2, 5, 4]],
    ["ibj,jbk->bki", [3, 2, 4], [4, 2, 5]],
    ["abcd,cdef->abef", [2, 3, 4, 2], [4, 2, 3, 2]],
    ["abcd,dcef->feba", [2, 3, 4, 2], [2, 4, 3, 2]],
    ["acbd,dace->ebc", [2, 3, 4, 2], [2, 2, 3, 5]],
    ["ij,ij->", [2, 3], [2, 3]],
    ["ij,ij->j", [2, 3], [2, 3]],
    ["ij,kl->ljki", [2, 3], [4, 5]],
    ["ij,j->", [2, 3], [3]],
  ])("einsum %s", async (expression, a, b) => {
    const [x, y] = [random.sample(a as number[]), random.sample(b as number[])];
    await expectSame((p, q) => einsum(expression as string, p, q), [x, y]);
    const loss = (p: np.Array, q: np.Array) => np.square(einsum(expression as string, p, q)).sum();
    await expectSame((p, q) => [grad(loss)(p.ref, q.ref), grad((s, t) => loss(t, s))(q, p)], [x, y]);
  });

  it("of repeated operands, without repeating them", async () => {
    const repeat = (x: np.Array) => np.broadcastTo(x.reshape([3, 1, 5]), [3, 4, 5]);
    await expectSame((x, y) => np.matmul(repeat(x), y), [random.sample([3, 5]), random.sample([5, 2])]);
    await expectSame((x, y) => np.vecdot(repeat(x), y), [random.sample([3, 5]), random.sample([4, 5])]);
    await expectSame(
      (x, y) =>
        lax.dot(np.broadcastTo(x, [3, 6]), np.broadcastTo(y, [6, 2]), {
          lhsContractingDims: [1],
          rhsContractingDims: [0],
        }),
      [random.sample([3, 1]), random.sample([6, 1])],
    );
    await expectSame((x) => np.vecdot(np.broadcastTo(x, [4, 6]), np.ones([6])), [random.sample([4, 1])]);
  });

  it("of reshaped and transposed operands", async () => {
    const flatten = (x: np.Array) => x.transpose([0, 2, 3, 1]).reshape([2, 24]);
    const loss = (x: np.Array, w: np.Array) => np.square(np.matmul(flatten(x), w)).sum();
    const samples = [random.sample([2, 2, 3, 4]), random.sample([24, 3])];
    await expectSame((x, w) => np.matmul(flatten(x), w), samples);
    await expectSame((x, w) => [grad(loss)(x.ref, w.ref), grad((v, y) => loss(y, v))(w, x)], samples);
    await expectSame(
      (x, w) =>
        np
          .matmul(x.reshape([6, 4]), w)
          .reshape([2, 3, 5])
          .transpose(),
      [random.sample([2, 3, 4]), random.sample([4, 5])],
    );
  });

  it("written as the sum of a product", async () => {
    await expectSame(
      (x, y) => x.reshape([3, 1, 5]).mul(y).sum(-1),
      [random.sample([3, 5]), random.sample([4, 5])],
    );
    await expectSame(
      (x, y) => x.reshape([3, 1, 5]).mul(y).sum([0, 2]),
      [random.sample([3, 5]), random.sample([4, 5])],
    );
  });

  it("of integers, truth values and doubles", async () => {
    for (const dtype of ["int32", "uint32", "bool", "float64"] as const) {
      await expectSame(
        (x, y) => np.matmul(x, y),
        [random.sample([3, 5], dtype), random.sample([5, 4], dtype)],
      );
    }
    const [x, y] = [random.sample([3, 50], "float64"), random.sample([50, 3], "float64")];
    const product = (a: np.Array, b: np.Array) => np.matmul(a, b);
    const [[expected], [got]] = [await evaluated(product, [x, y]), await lowered(product, [x, y])];
    expectClose(got.data, expected.data, 1e-13);
  });

  it("with sums, differences and multiples", async () => {
    const samples = [random.sample([3, 5]), random.sample([5, 4]), random.sample([4]), random.sample([3, 4])];
    await expectSame((x, w, b, r) => np.matmul(x, w).add(b).add(r), samples);
    await expectSame((x, w, b, r) => [np.matmul(x.ref, w.ref).sub(b), r.sub(np.matmul(x, w))], samples);
    await expectSame(
      (x, w, b, r) => [np.matmul(x.ref, w.ref).mul(-2).add(b), np.matmul(x.mul(3), w).neg().add(r)],
      samples,
    );
    await expectSame((x, w, b, r) => r.add(np.matmul(x, w).mul(b.sum())), samples);
    await expectSame(
      (x, w, b, r) =>
        np
          .matmul(x, w)
          .add(b.slice(0))
          .add(r.slice([], [0, 1])),
      samples,
    );
  });
});

it("an error names the primitive and its operands", async () => {
  const x = random.sample([2, 2]);
  await expect(lowered((a) => np.linalg.cholesky(a), [x])).rejects.toThrow(
    /cholesky\(float32\[2,2\]\) has no equivalent in onnxruntime.*device: "jax"/,
  );
});

it("what is added to a product of matrices keeps its axes", async () => {
  const add = (x: np.Array, w: np.Array, b: np.Array) => np.matmul(x, w).reshape([2, 1, 2]).add(b);
  for (const shape of [[2], [1, 2], [2, 1, 1], [2, 1, 2], [1, 1, 1]]) {
    await expectSame(add, [random.sample([2, 5]), random.sample([5, 2]), random.sample(shape)]);
  }
});

const norm = (x: np.Array) => np.sqrt(np.sum(np.square(x)));

describe("norms", () => {
  it.each([
    ["zero", [0, 0, 0]],
    ["of squares that underflow", [3e-30, 4e-30, 0]],
    ["of squares that are denormal", [3e-20, 4e-20, 0]],
    ["of squares that overflow", [3e25, 4e25, 0]],
    ["not finite", [1, Number.POSITIVE_INFINITY, 0]],
    ["not a number", [1, Number.NaN, 0]],
  ])("%s", async (_, values) => {
    await expectSame(norm, [sampleOf(values)]);
    await expectSame((x) => np.where(norm(x.ref).greater(0), x.ref.div(norm(x)), 7), [sampleOf(values)]);
  });

  it("of arrays, with their gradients, and beside the square itself", async () => {
    const square = (x: np.Array) => np.sum(np.square(x));
    await expectSame((x) => [norm(x.ref), grad(norm)(x)], [random.sample([3, 4])]);
    await expectSame((x) => [square(x.ref), np.sqrt(square(x))], [random.sample([2, 3, 2])]);
    await expectSame(norm, [random.sample([5], "float64")]);
  });
});

describe("vectors are rows", () => {
  const unit = (x: np.Array) => x.ref.div(norm(x));
  const types = (shapes: readonly number[][]) => shapes.map((shape) => new ArrayType(shape, "float32"));

  it.each<[string, ArrayFunction, number[][], Record<string, number>]>([
    [
      "a power iteration",
      (w, v) => unit(np.matmul(unit(np.matmul(v, w.ref.transpose())), w)),
      [
        [3, 5],
        [1, 5],
      ],
      { Gemm: 2, ReduceL2: 2, Div: 2 },
    ],
    [
      "a product of two vectors as a factor",
      (u, v, w) => w.div(np.sum(u.mul(v))),
      [
        [1, 5],
        [1, 5],
        [2, 5],
      ],
      { Gemm: 1, Div: 1 },
    ],
    [
      "a vector with another one added",
      (w, v, b) => np.matmul(w, v).add(b),
      [[3, 5], [5], [3]],
      { Reshape: 2, Gemm: 1 },
    ],
  ])("%s", async (_, fn, shapes, operators) => {
    await expectSame(
      fn,
      shapes.map((shape) => random.sample(shape)),
    );
    expect(await operatorsOf(fn, types(shapes))).toEqual(operators);
  });

  it("beside vectors of one axis and of more", async () => {
    const samples = [random.sample([3, 5]), random.sample([5]), random.sample([3]), random.sample([2, 3])];
    await expectSame((w, v, b, m) => {
      const product = np.matmul(w, v);
      return [product.ref.mul(product.ref), product.ref.mul(b), product.ref.mul(m), np.exp(product)];
    }, samples);
  });
});
