import { grad, numpy as np } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import { ArrayType } from "../array-type.ts";
import { expectSame, Seeded } from "../testing/reference.ts";
import { countOps, nodesOf } from "../testing/structure.ts";

const random = new Seeded(22);
const typeOf = (...shape: number[]) => new ArrayType(shape, "float32");

describe("sums of many terms", () => {
  it("of products of matrices become one product", async () => {
    const sum = (x: np.Array, y: np.Array) => {
      const terms = [0, 1, 2].map((t) => np.matmul(x.ref.slice(t).transpose(), y.ref.slice(t)));
      return terms.reduce((a, b) => a.add(b));
    };
    const ops = countOps(await nodesOf(sum, [typeOf(3, 4, 30), typeOf(3, 4, 20)]));
    expect(ops).toMatchObject({ contract: 1 });
    expect(ops.add).toBeUndefined();
    await expectSame(sum, [random.sample([3, 4, 30]), random.sample([3, 4, 20])]);
  });

  it("with outer products, scaled and negated ones", async () => {
    const sum = (x: np.Array, y: np.Array, u: np.Array, v: np.Array, s: np.Array) => {
      const product = np.matmul(x.ref.transpose(), y.ref);
      const outer = np.outer(u, v).mul(s.ref);
      return product.add(outer).add(np.matmul(x.transpose(), y.mul(2)).neg().mul(s));
    };
    const shapes = [[5, 30], [5, 20], [30], [20], []];
    const ops = countOps(
      await nodesOf(
        sum,
        shapes.map((shape) => typeOf(...shape)),
      ),
    );
    expect(ops.contract).toBe(1);
    await expectSame(
      sum,
      shapes.map((shape) => random.sample(shape)),
    );
  });

  it("not where copying the operands costs more", async () => {
    const sum = (x: np.Array, y: np.Array) =>
      np.matmul(x.ref.transpose(), y.ref).add(np.matmul(x, y.transpose()));
    expect(countOps(await nodesOf(sum, [typeOf(8, 8), typeOf(8, 8)])).contract).toBe(2);
    await expectSame(sum, [random.sample([8, 8]), random.sample([8, 8])]);
  });

  it("of sums over the same axis become one sum", async () => {
    const sum = (x: np.Array) => [...x].map((part) => np.exp(part).sum(0)).reduce((a, b) => a.add(b));
    expect(countOps(await nodesOf(sum, [typeOf(4, 3, 2)])).reduce).toBe(1);
    await expectSame(sum, [random.sample([4, 3, 2])]);
  });

  it("of padded pieces become one concatenation", async () => {
    const gradient = grad((x: np.Array) =>
      [0, 2, 3].map((t) => np.exp(x.ref.slice([], [t, t + 1])).sum()).reduce((a, b) => a.add(b)),
    );
    const traced = (x: np.Array) => {
      const result = gradient(x.ref);
      x.dispose();
      return result;
    };
    const ops = countOps(await nodesOf(traced, [typeOf(3, 6)]));
    expect(ops).toMatchObject({ concatenate: 1 });
    expect(ops.pad).toBeUndefined();
    await expectSame(traced, [random.sample([3, 6])]);
  });

  it("of overlapping pieces stay sums", async () => {
    const traced = grad((x: np.Array) =>
      np
        .exp(x.ref.slice([0, 3]))
        .sum()
        .add(np.sin(x.slice([2, 5])).sum()),
    );
    await expectSame(traced, [random.sample([6])]);
  });
});
