import { describe, expect, it } from "vitest";
import { RandomStream } from "../../linalg/random.ts";
import { expectedWithWrongLabels, noisyDigits, withWrongLabels } from "./noisy-digits.ts";

const options = { examples: 500, validation: 300, noise: 0.2, seed: 7 };

describe("noisy labels", () => {
  it("are wrong for exactly their share, and never the right one by chance", () => {
    const labels = Int32Array.from({ length: 1000 }, (_, i) => i % 10);
    const noisy = withWrongLabels(labels, 0.25, new RandomStream(1n));
    expect(noisy.filter((label, i) => label !== labels[i]).length).toBe(250);
    expect([...new Set(noisy)].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("cost what they are expected to", () => {
    expect(expectedWithWrongLabels(1, 0.2)).toBeCloseTo(0.8);
    expect(expectedWithWrongLabels(0.1, 0.2)).toBeCloseTo(0.1);
    expect(expectedWithWrongLabels(0.7, 0)).toBe(0.7);
    // A classifier that is right on 600 of 1,000, against labels made wrong.
    const labels = Int32Array.from({ length: 1000 }, (_, i) => i % 10);
    const answers = labels.map((label, i) => (i < 600 ? label : (label + 1 + (i % 9)) % 10));
    const shares = Array.from({ length: 200 }, (_, k) => {
      const noisy = withWrongLabels(labels, 0.3, new RandomStream(BigInt(k)));
      return noisy.filter((label, i) => label === answers[i]).length / 1000;
    });
    const seen = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    expect(Math.abs(seen - expectedWithWrongLabels(0.6, 0.3))).toBeLessThan(0.003);
  });
});

describe("noisyDigits", () => {
  it("depends on its seed alone and shares no picture between training and validation", async () => {
    const { train, validation, test } = await noisyDigits(options);
    const again = await noisyDigits(options);
    expect([train.count, validation.count, test.count]).toEqual([500, 300, 2000]);
    const names = ({ x, count }: { x: Float32Array; count: number }) =>
      Array.from({ length: count }, (_, i) => x.subarray(784 * i, 784 * (i + 1)).join());
    expect(names(again.train)).toEqual(names(train));
    expect(again.train.y).toEqual(train.y);
    const learnt = new Set(names(train));
    expect(names(validation).some((picture) => learnt.has(picture))).toBe(false);
    const other = await noisyDigits({ ...options, seed: 8 });
    expect(other.train.y).not.toEqual(train.y);
  });
});
