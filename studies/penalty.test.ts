import { defaultDevice, init } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import type { CellReport } from "../src/study/schema.ts";
import { summarizeMetrics } from "../src/study/statistics.ts";
import type { Metrics, RunRecord, StudyResults, Task } from "../src/study/study.ts";
import { penalty } from "./penalty.ts";

const context = { progress() {} };

function task(experiment: string, arm: string, setting: Task["setting"]): Task {
  return {
    study: "penalty",
    kind: "run",
    experiment,
    arm,
    variant: "",
    setting,
    learningRate: 0.05,
    seed: 3,
  };
}

describe.each(["quick", "full"] as const)("the %s plan", (scale) => {
  const plan = penalty.plan(scale);

  it("names arms, experiments and tunings that exist", () => {
    const arms = penalty.arms.map(({ name }) => name);
    const experiments = penalty.experiments.map(({ name }) => name);
    const tunings = new Set(plan.tunings.map(({ name }) => name));
    expect(tunings.size).toBe(plan.tunings.length);
    for (const cell of plan.cells) {
      expect(arms).toContain(cell.arm);
      expect(experiments).toContain(cell.experiment);
      for (const name of cell.tunings ?? []) expect(tunings).toContain(name);
      if (cell.experiment === "generalisation") expect(cell.tunings?.length).toBeGreaterThan(0);
    }
    const keys = plan.cells.map(({ experiment, arm, variant }) => `${experiment} ${arm} ${variant}`);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("tunes every arm by the validation digits, in runs as long as those that count", () => {
    for (const { arm, setting, score, experiment, rates, choice } of plan.tunings) {
      expect([score, experiment]).toEqual(["validation", "generalisation"]);
      expect(rates.length).toBeGreaterThan(1);
      const cell = plan.cells.find((each) => each.arm === arm && each.setting.batch === setting.batch)!;
      expect(setting).toEqual({ ...cell.setting, ...choice });
    }
  });
});

it("plans five seeds or more", () => {
  expect(penalty.plan("full").seeds).toBeGreaterThanOrEqual(5);
});

describe("a run", () => {
  beforeAll(async () => {
    await init("wasm");
    defaultDevice("wasm");
  });

  it("is finite, and the same twice", async () => {
    for (const name of ["decay", "top", "sn"]) {
      const setting = {
        batch: 64,
        epochs: 2,
        examples: 256,
        strength: name === "sn" ? 1.5 : 0.02,
        watches: 1,
      };
      const run = () => penalty.run(task("spectra", name, setting), context);
      const first = await run();
      expect(await run()).toEqual(first);
      for (const value of Object.values(first.metrics).flatMap((m) => Object.values(m as object)))
        expect(Number.isFinite(value)).toBe(true);
      const detail = first.detail as { steps: number[]; spectra: number[][][] };
      expect(detail.steps).toEqual([0, 8]);
      expect(detail.spectra[0].map((spectrum) => spectrum.length)).toEqual([128, 128, 10]);
      // The estimate that divides follows the weight from below while training.
      if (name === "sn")
        for (const [largest] of detail.spectra[1]) expect(largest / 1.5).toBeGreaterThan(0.999);
    }
  });

  it("of a penalty alone is near the exact solution", async () => {
    const setting = { power: 1, rank: 1, lambda: 4, steps: [100] };
    const first = await penalty.run(task("proximal", "spectral", setting), context);
    expect(await penalty.run(task("proximal", "spectral", setting), context)).toEqual(first);
    const { flowError, mapError, sigma } = first.metrics as Record<string, Record<string, number>>;
    expect(flowError["100"]).toBeLessThan(0.1);
    expect(mapError["100"]).toBeLessThan(0.1);
    // 4, 3.2, 2.8 and 2.4 lose 4 together: (12.4 − 4)/4.
    expect(sigma).toBeCloseTo(2.1);
  });
});

describe("findings", () => {
  it("say that nothing was measured without results", () => {
    for (const { verdict } of penalty.findings(resultsOf([]))) expect(verdict).toBe("not measured");
    expect(penalty.sections(resultsOf([]))).toEqual([]);
  });

  it("judge what the numbers say, both ways", () => {
    const for_ = resultsOf(madeUp({ error: 0.001, spectral: 40, decay: 5, test: [0.91, 0.89] }));
    expect(penalty.findings(for_).map(({ verdict }) => verdict)).toEqual([
      ...["holds", "holds", "holds", "holds"],
      ...["holds in part", "holds", "holds"],
    ]);
    const against = resultsOf(madeUp({ error: 0.3, spectral: 5, decay: 40, test: [0.89, 0.91] }));
    const said = penalty.findings(against);
    expect(said.map(({ verdict }) => verdict)).toEqual([
      ...["does not hold", "does not hold", "does not hold", "does not hold"],
      ...["holds in part", "does not hold", "does not hold"],
    ]);
    expect(said[5].because).toContain("decay is better");
  });

  it("say nothing of arms that were left out", () => {
    const cells = madeUp({ error: 0.001, spectral: 40, decay: 5, test: [0.91, 0.89] });
    const left = resultsOf(cells.filter(({ name }) => name !== "spectral"));
    expect(penalty.findings(left).map(({ verdict }) => verdict)).toEqual([
      ...["not measured", "not measured", "not measured", "not measured"],
      ...["holds in part", "not measured", "not measured"],
    ]);
    for (const { name } of penalty.arms) {
      expect(() => penalty.findings(resultsOf(cells.filter((cell) => cell.name === name)))).not.toThrow();
    }
  });
});

interface MadeUp {
  readonly error: number;
  /** Level, tail and stable rank of the two. */
  readonly spectral: number;
  readonly decay: number;
  /** Of spectral penalty and decay. */
  readonly test: readonly [number, number];
}

/** Decay narrows no gap, everything else does. */
function madeUp({ error, spectral, decay, test }: MadeUp): CellReport[] {
  const layers = (value: number) => ({ first: value, second: value });
  const shape = (value: number) => ({
    ...{ sigma: layers(2), level: layers(value), tail: layers(value), stableRank: layers(value) },
  });
  const learnt = (gap: number, accuracy: number, lipschitz: number) => ({ gap, test: accuracy, lipschitz });
  return [
    cell("proximal", "decay", "", { flowError: { "100": error }, mapError: { "100": error } }),
    cell("proximal", "spectral", "", { flowError: { "50": 1, "100": error } }),
    cell("spectra", "spectral", "", shape(spectral)),
    cell("spectra", "decay", "", shape(decay)),
    ...["batch 16", "batch 512"].flatMap((batch) => [
      cell("generalisation", "none", batch, learnt(0.3, 0.8, 90)),
      cell("generalisation", "decay", batch, learnt(0.3, test[1], 10)),
      cell("generalisation", "spectral", batch, learnt(0.1, test[0], 500 / spectral ** 2)),
      cell("generalisation", "sn", batch, learnt(0.1, 0.9, 1)),
    ]),
  ];
}

/** Two runs that differ a little. */
function cell(experiment: string, name: string, variant: string, metrics: Metrics): CellReport {
  const scaled = (factor: number) =>
    JSON.parse(JSON.stringify(metrics), (_, value) => (typeof value === "number" ? value * factor : value));
  const runs = [scaled(0.999), scaled(1.001)];
  return {
    ...{ name, experiment, variant, setting: {}, learningRate: null },
    runs: runs.map((run, i) => ({ ...run, seed: i + 1, seconds: 1 })),
    summary: summarizeMetrics(runs),
  };
}

function resultsOf(cells: readonly CellReport[]): StudyResults {
  return { cells, sweeps: [], quick: false, records: (): readonly RunRecord[] => [] };
}
