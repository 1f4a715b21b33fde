import { defaultDevice, init } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { loadDigits } from "../../digits/digits.ts";
import { limitThreads } from "../../platform/cores.ts";
import { CRITICS } from "./arms.ts";
import { digitJudge } from "./digit-judge.ts";
import { playDigits } from "./digits.ts";
import { FIRST_SEED } from "./seeds.ts";

beforeAll(async () => {
  limitThreads(1);
  await init("wasm");
  defaultDevice("wasm");
});

describe("the judge of pictures", () => {
  it("knows real digits, and finds noise far from them", async () => {
    const judge = await digitJudge();
    const { test } = await loadDigits();
    expect(judge.accuracy).toBeGreaterThan(0.95);
    const real = await judge.judge(test.x);
    expect(real.fd).toBeLessThan(1e-6);
    expect(real.fdTraining).toBeCloseTo(judge.floor, 6);
    expect(real.modes).toBe(10);
    expect(real.reverseKl).toBeLessThan(0.01);
    const blank = await judge.judge(new Float32Array(test.x.length));
    expect(blank.modes).toBe(1);
    expect(blank.reverseKl).toBeCloseTo(Math.log(10), 12);
    expect(blank.fd).toBeGreaterThan(50 * judge.floor);
  });
});

describe("a game on digits", () => {
  it("is the same for the same seed, is judged and shown", async () => {
    const play = () => playDigits(CRITICS.sn1, { norm: "reshaped", rounds: 1 }, 1e-3, FIRST_SEED, () => {});
    const first = await play();
    expect(await play()).toEqual(first);
    const { fd, floor, upper } = first.metrics as Record<string, number>;
    expect(floor).toBeLessThan(fd / 10);
    // Two 4 × 4 windows at stride 2 may stretch twice as much as their reshaped kernels, whose norm is 1.
    expect(upper).toBeLessThan(4 * 1.02);
    const { pictures } = first.detail as { pictures: string[] };
    expect(pictures).toHaveLength(40);
    expect(pictures.every((picture) => picture.startsWith("data:image/png;base64,"))).toBe(true);
  });
});
