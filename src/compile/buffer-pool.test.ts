import { describe, expect, it } from "vitest";
import { ArrayType } from "./array-type.ts";
import { BufferPool } from "./buffer-pool.ts";

const matrix = new ArrayType([2, 3], "float32");

describe("BufferPool", () => {
  it("hands out zeros of the type at first", () => {
    const buffer = new BufferPool().take(matrix);
    expect(buffer.data).toEqual(new Float32Array(6));
    expect(new BufferPool().take(new ArrayType([0, 4], "int32")).data).toEqual(new Int32Array(0));
  });

  it("reuses a buffer once its last holder has released it, for the same layout only", () => {
    const pool = new BufferPool();
    const first = pool.take(matrix);
    first.retain();
    first.release();
    expect(pool.take(matrix)).not.toBe(first);
    first.release();
    expect(pool.unusedBytes).toBe(24);
    expect(pool.take(new ArrayType([3, 2], "float32"))).not.toBe(first);
    expect(pool.take(new ArrayType([2, 3], "int32"))).not.toBe(first);
    expect(pool.take(new ArrayType([2, 3], "float32", true))).toBe(first);
    expect(pool.unusedBytes).toBe(0);
  });

  it("gives away the memory of a sole holder, and a copy beside other holders", () => {
    const pool = new BufferPool();
    const buffer = pool.take(matrix);
    buffer.retain();
    const copy = buffer.take();
    expect(copy).not.toBe(buffer.data);
    expect(buffer.take()).toBe(buffer.data);
    expect(pool.unusedBytes).toBe(0);
    expect(pool.take(matrix).data).not.toBe(buffer.data);
  });

  it("keeps no more unused memory than was in use at once, and the layouts used last", () => {
    const pool = new BufferPool();
    // 100 bytes at a time, of 50 layouts.
    for (let n = 1; n <= 50; n++)
      pool.take(new ArrayType([25, ...new Array(n).fill(1)], "float32")).release();
    expect(pool.unusedBytes).toBe(100);
    const last = pool.take(new ArrayType([25, ...new Array(50).fill(1)], "float32"));
    expect(pool.unusedBytes).toBe(0);
    const held = [last, pool.take(matrix), pool.take(matrix)];
    for (const buffer of held) buffer.release();
    expect(pool.unusedBytes).toBe(148);
  });

  it("lets go of everything unused after its last user", () => {
    const pool = new BufferPool();
    pool.attach();
    pool.attach();
    const held = pool.take(matrix);
    pool.take(matrix).release();
    pool.detach();
    expect(pool.unusedBytes).toBe(24);
    pool.detach();
    expect(pool.unusedBytes).toBe(0);
    held.release();
    expect(pool.unusedBytes).toBe(24);
  });
});
