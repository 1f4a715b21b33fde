import { expect, it } from "vitest";
import { accuracy, normalizedError } from "./scores.ts";

it("counts rows whose largest logit is the label's", () => {
  const logits = { data: Float32Array.of(1, 0, 0, 2, 3, 1, 0, 0, 5, -1, -2, -3), shape: [4, 3] };
  expect(accuracy(logits, [0, 1, 1, 2])).toBe(0.5);
});

it("is 0 for the targets, 1 for their mean and √(1 + bias²/variance) for a biased guess", () => {
  const targets = [1, 2, 3, 4];
  expect(normalizedError(targets, targets)).toBe(0);
  expect(normalizedError([2.5, 2.5, 2.5, 2.5], targets)).toBe(1);
  expect(normalizedError([3.5, 3.5, 3.5, 3.5], targets)).toBeCloseTo(Math.sqrt(1 + 1 / 1.25), 12);
});
