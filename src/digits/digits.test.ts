import { describe, expect, it } from "vitest";
import { DIGIT_PIXELS, loadDigits } from "./digits.ts";

describe("the digits that come with the package", () => {
  it("are 8,000 for training and 2,000 for testing, every class in both", async () => {
    const { train, test } = await loadDigits();
    expect([train.count, test.count]).toEqual([8000, 2000]);
    for (const { x, y, count } of [train, test]) {
      expect([x.length, y.length]).toEqual([count * DIGIT_PIXELS, count]);
      const counts = new Array(10).fill(0);
      for (const label of y) counts[label]++;
      expect(Math.min(...counts)).toBeGreaterThan(0.07 * count);
    }
  });

  it("are pictures: ink in the middle, paper at the border, values in [0, 1]", async () => {
    const { train } = await loadDigits();
    const mean = new Float64Array(DIGIT_PIXELS);
    let [low, high] = [1, 0];
    train.x.forEach((value, i) => {
      mean[i % DIGIT_PIXELS] += value / train.count;
      low = Math.min(low, value);
      high = Math.max(high, value);
    });
    expect([low, high]).toEqual([0, 1]);
    expect(mean[0]).toBe(0);
    expect(mean[14 * 28 + 14]).toBeGreaterThan(0.3);
  });

  it("hold no picture in both parts", async () => {
    const { train, test } = await loadDigits();
    const key = (x: Float32Array, i: number) => x.subarray(i * DIGIT_PIXELS, (i + 1) * DIGIT_PIXELS).join();
    const seen = new Set(Array.from({ length: test.count }, (_, i) => key(test.x, i)));
    expect(Array.from({ length: train.count }, (_, i) => key(train.x, i)).filter((k) => seen.has(k))).toEqual(
      [],
    );
  });
});
