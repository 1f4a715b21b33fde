import { describe, expect, it } from "vitest";
import type { SweepReport } from "./schema.ts";
import type { Cell } from "./study.ts";
import { decide } from "./tasks.ts";

const cell: Cell = { experiment: "digits", arm: "decay", setting: { epochs: 5 } };

function sweep(tuning: string, score: number | null, rest: Partial<SweepReport> = {}): SweepReport {
  const rates = [
    { learningRate: 0.1, score },
    { learningRate: 0.2, score: null },
  ];
  return {
    ...{ tuning, experiment: "digits", arm: "decay", score: "validation", better: "higher" },
    rates,
    chosen: 0.1,
    ...rest,
  };
}

describe("decide", () => {
  it("leaves a cell without tunings as it is", () => {
    expect(decide(cell, [])).toEqual({ cell, learningRate: null });
  });

  it("takes the rate of the cell's tuning, and waits for it", () => {
    const tuned = { ...cell, tuning: "a" };
    expect(decide(tuned, [sweep("b", 0.9)])).toBeNull();
    expect(decide(tuned, [sweep("b", 0.9), sweep("a", 0.8)])).toEqual({ cell: tuned, learningRate: 0.1 });
  });

  it("takes rate and choice of the best of several tunings", () => {
    const tuned = { ...cell, tunings: ["a", "b", "c"] };
    const sweeps = [
      sweep("a", 0.8, { choice: { strength: 1 } }),
      sweep("b", 0.9, { choice: { strength: 2 }, chosen: 0.1 }),
      sweep("c", null, { choice: { strength: 3 } }),
    ];
    expect(decide(tuned, sweeps.slice(0, 2))).toBeNull();
    expect(decide(tuned, sweeps)?.cell.setting).toEqual({ epochs: 5, strength: 2 });
    const lower = sweeps.map((each) => ({ ...each, better: "lower" as const }));
    expect(decide(tuned, lower)?.cell.setting).toEqual({ epochs: 5, strength: 1 });
  });
});
