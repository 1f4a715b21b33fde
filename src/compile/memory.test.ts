import { grad, numpy as np, tree } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import { hostBuffers } from "./buffer-pool.ts";
import { compile } from "./compile.ts";
import type { Device } from "./devices.ts";
import { liveArrays } from "./native-array.ts";
import { toNative } from "./to-native.ts";

const SIZE = 128;

/** Momentum on a matrix of 64 KiB; the loss goes to the user. */
function step(params: { w: np.Array; v: np.Array }, x: np.Array) {
  const loss = (w: np.Array) => np.square(np.dot(x.ref, w)).mean();
  const gradient = grad(loss)(params.w.ref);
  const v = params.v.mul(0.9).add(gradient);
  const value = loss(params.w.ref);
  x.dispose();
  return { params: { w: params.w.sub(v.ref.mul(0.01)), v }, loss: value };
}

/** Runs the loop so many times; the parameters at the end are disposed. */
async function train(device: Device, steps: number, onStep: (index: number) => void = () => {}) {
  const compiled = compile(step, device === "native" ? { threads: 1 } : { device: device as "wasm" });
  const batch = Float32Array.from({ length: SIZE }, (_, i) => Math.sin(i));
  const start = () => toNative(new Float32Array(SIZE * SIZE).fill(0.01), [SIZE, SIZE]);
  let params = { w: start(), v: start() };
  for (let i = 0; i < steps; i++) {
    const result = await compiled(params, toNative(batch, [1, SIZE]));
    params = result.params;
    if (i % 100 === 0) expect((await result.loss.data())[0]).toBeGreaterThan(0);
    else result.loss.dispose();
    onStep(i);
  }
  tree.dispose(params as never);
  compiled.dispose();
}

describe("a training loop", () => {
  it("holds as much memory after 10,000 native steps as after 1,000", async () => {
    const before = liveArrays();
    const seen: { rss: number; arrayBuffers: number; unused: number; live: number }[] = [];
    await train("native", 10_000, (i) => {
      if (i % 1000 !== 999) return;
      const { rss, arrayBuffers } = process.memoryUsage();
      seen.push({ rss, arrayBuffers, unused: hostBuffers.unusedBytes, live: liveArrays() - before });
    });
    const [early, late] = [seen[0], seen[9]];
    expect(seen.map(({ live }) => live)).toEqual(new Array(10).fill(2));
    expect(new Set(seen.map(({ unused }) => unused)).size).toBe(1);
    // One array kept of each step would be 590 MB.
    expect(late.arrayBuffers - early.arrayBuffers).toBeLessThan(SIZE * SIZE * 4);
    expect(late.rss - early.rss).toBeLessThan(32 * 2 ** 20);
    expect(liveArrays()).toBe(before);
  });

  it.each(["native", "wasm"] as const)("leaves no array alive over 1,000 steps on %s", async (device) => {
    const before = liveArrays();
    await train(device, 1000, (i) => {
      if (i % 250 === 0) expect(liveArrays() - before).toBe(2);
    });
    expect(liveArrays()).toBe(before);
    expect(hostBuffers.unusedBytes).toBe(0);
  });
});
