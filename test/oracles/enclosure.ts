import { expect } from "vitest";
import type { Bound, Guarantee } from "../../src/linalg/bound.ts";
import { PEER_ERROR } from "./norms.ts";

/** Relative gaps asked for, small enough that an estimate would show. */
export const GAPS = { probable: 1e-2, proof: 1e-6 } as const;

export const GUARANTEES: readonly Guarantee[] = ["estimate", "probable", "proof"];

/**
 * Fails unless the bound encloses the peer's σ₁; its guarantee is the one asked for or a stronger one.
 * @param name of the case, for the failure message
 */
export function expectEnclosed(name: string, bound: Bound | null, sigma: number, asked: Guarantee): void {
  const facts = { name, sigma, bound };
  expect({ ...facts, has: bound !== null }).toEqual({ ...facts, has: true });
  const { lower, upper, estimate, guarantee } = bound!;
  const honest = GUARANTEES.indexOf(guarantee) >= GUARANTEES.indexOf(asked);
  const below = lower >= 0 && lower <= sigma * (1 + PEER_ERROR);
  const above = upper === null ? guarantee === "estimate" : upper >= sigma * (1 - PEER_ERROR);
  const guessed = upper !== null || (estimate !== undefined && estimate <= sigma * (1 + PEER_ERROR));
  expect({ ...facts, honest, below, above, guessed }).toEqual({
    ...facts,
    honest: true,
    below: true,
    above: true,
    guessed: true,
  });
}

/** What an upper bound may be where σ₁ is exactly 0 (a kernel that only meets padding): nothing is relative to it. */
const NOTHING = 1e-150;

/** Fails unless the interval is as narrow as asked. */
export function expectGap(name: string, bound: Bound | null, sigma: number, gap: number): void {
  const { lower, upper } = bound!;
  const narrow = sigma === 0 ? upper! <= NOTHING : upper! - lower <= gap * upper!;
  expect({ name, bound, narrow }).toEqual({ name, bound, narrow: true });
}
