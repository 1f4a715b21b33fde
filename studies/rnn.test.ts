import { defaultDevice, init } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { liveArrays } from "../src/compile.ts";
import { type KernelStart, RNN_ARMS } from "../src/study/rnn/arms.ts";
import type { RnnDetail } from "../src/study/rnn/detail.ts";
import { summarizeMetrics } from "../src/study/statistics.ts";
import type { Json, Metrics, RunRecord, StudyResults, Task } from "../src/study/study.ts";
import { rnn } from "./rnn.ts";

const context = { progress: () => {} };
const ARMS = rnn.arms.map(({ name }) => name);

function kernelStartsOf(arm: string): readonly KernelStart[] {
  return RNN_ARMS.find(({ name }) => name === arm)?.kernelStarts ?? ["usual"];
}

function taskOf(experiment: string, arm: string, given: Record<string, Json>): Task {
  const setting = { inputStart: 0.05, kernelStart: kernelStartsOf(arm)[0], ...given };
  return { study: "rnn", kind: "run", experiment, arm, variant: "", setting, learningRate: 2e-3, seed: 1 };
}

describe("the plan", () => {
  it.each(["quick", "full"] as const)("%s: names what exists, every cell once", (scale) => {
    const { cells, tunings, seeds } = rnn.plan(scale);
    const keys = cells.map(({ experiment, arm, variant }) => [experiment, arm, variant].join());
    expect(new Set(keys).size).toBe(cells.length);
    expect(new Set(tunings.map(({ name }) => name)).size).toBe(tunings.length);
    for (const cell of cells) {
      expect(ARMS).toContain(cell.arm);
      expect(rnn.experiments.map(({ name }) => name)).toContain(cell.experiment);
      const own = tunings.filter(({ name }) => cell.tunings?.includes(name));
      expect(own.map(({ choice }) => choice)).toEqual(
        kernelStartsOf(cell.arm).flatMap((kernelStart) => [
          { inputStart: 0.05, kernelStart },
          { inputStart: 1, kernelStart },
        ]),
      );
      for (const { arm, experiment, choice, setting } of own) {
        expect([arm, experiment]).toEqual([cell.arm, cell.experiment]);
        expect(setting).toMatchObject(choice!);
      }
    }
    expect(new Set(cells.map(({ arm }) => arm))).toEqual(new Set(ARMS));
    expect(seeds).toBeGreaterThanOrEqual(scale === "full" ? 5 : 1);
  });

  it("judges by seeds that neither settings were found nor rates were chosen with", () => {
    const { firstSeed, seeds } = rnn.plan("full");
    expect(firstSeed).toBe(101);
    expect(firstSeed! + seeds).toBeLessThan(1001);
  });

  it("gives every arm of an experiment the same settings, rates and starts", () => {
    const { cells, tunings } = rnn.plan("full");
    for (const key of new Set(cells.map(({ experiment, variant }) => `${experiment} ${variant}`))) {
      const own = cells.filter(({ experiment, variant }) => `${experiment} ${variant}` === key);
      expect(own).toHaveLength(ARMS.length);
      expect(new Set(own.map(({ setting, seeds }) => JSON.stringify([setting, seeds]))).size).toBe(1);
    }
    for (const { name: experiment } of rnn.experiments) {
      const own = tunings.filter((tuning) => tuning.experiment === experiment);
      const kinds = own.map(({ rates, score, seeds, setting: { inputStart, kernelStart, ...budget } }) => {
        expect([0.05, 1]).toContain(inputStart);
        expect(["usual", "isometry"]).toContain(kernelStart);
        return JSON.stringify([rates, score, seeds, budget]);
      });
      // One arm may choose between two starts of its kernel.
      expect([own.length, new Set(kinds).size]).toEqual([2 * (ARMS.length + 1), 1]);
    }
  });
});

describe("runs", () => {
  beforeAll(async () => {
    await init("wasm");
    defaultDevice("wasm");
  });

  it.each(ARMS)("of %s are the same for the same seed", async (arm) => {
    const task = taskOf("adding", arm, { steps: 3, length: 5 });
    const before = liveArrays();
    const first = await rnn.run(task, context);
    expect(await rnn.run(task, context)).toEqual(first);
    expect(liveArrays()).toBe(before);
    const { loss, accuracy, kept, stepNorm, ofBound } = first.metrics as unknown as {
      loss: number;
      accuracy: number;
      kept: { start: number; end: number };
      stepNorm: { start: number | null; end: number | null };
      ofBound: number | null;
    };
    for (const value of [loss, accuracy, kept.start, kept.end]) expect(Number.isFinite(value)).toBe(true);
    if (arm === "gru") expect([stepNorm.end, ofBound]).toEqual([null, null]);
    else expect(ofBound).toBeLessThanOrEqual(1.001);
    if (arm === "band" || arm === "bandStart") expect(stepNorm.start).toBeCloseTo(1, 3);
    if (arm === "band") expect(stepNorm.end).toBeCloseTo(1, 3);
    if (arm === "bandStart") expect(stepNorm.end).toBeGreaterThan(1.002);
    const detail = first.detail as unknown as RnnDetail;
    expect(detail.start.kept[0]).toBe(1);
    expect(detail.lags.at(-1)).toBe(4);
    expect(JSON.stringify(detail).length).toBeLessThan(100_000);
  });

  it("differ between seeds, on the copy task too", async () => {
    const task = taskOf("copy", "spectral", { steps: 2, length: 1 });
    const [first, second] = [await rnn.run(task, context), await rnn.run({ ...task, seed: 2 }, context)];
    expect(first.metrics.loss).not.toBe(second.metrics.loss);
  });

  it("differ with the start of the input kernel, and say which it was", async () => {
    const small = await rnn.run(taskOf("copy", "plain", { steps: 1, length: 1 }), context);
    const large = await rnn.run(taskOf("copy", "plain", { steps: 1, length: 1, inputStart: 1 }), context);
    expect([small.metrics.inputStart, large.metrics.inputStart]).toEqual([0.05, 1]);
    expect(small.metrics.loss).not.toBe(large.metrics.loss);
  });

  it("of spectral networks that start like the band have a step of norm 1 at once", async () => {
    for (const experiment of ["adding", "copy"]) {
      const task = taskOf(experiment, "spectral", { steps: 1, length: 4, kernelStart: "isometry" });
      const { metrics } = await rnn.run(task, context);
      expect((metrics.stepNorm as { start: number }).start).toBeCloseTo(1, 3);
      expect(metrics.isometric).toBe(1);
    }
  });

  it("stop when the task is solved, and say when", async () => {
    const task = taskOf("adding", "gru", { steps: 2000, length: 2 });
    const { metrics, detail } = await rnn.run({ ...task, learningRate: 1e-2 }, context);
    expect(metrics.solved).toBe(1);
    expect(metrics.solvedAt).toBeLessThan(2000);
    expect(metrics.loss).toBeLessThan(0.01);
    expect(metrics.accuracy).toBeGreaterThan(0.5);
    expect((detail as unknown as RnnDetail).curve.x.at(-1)).toBeLessThan(2000);
  });

  it("of digits read rows, and a rate far too large is a result, not an error", async () => {
    const task = taskOf("digits", "plain", { steps: 3 });
    const { metrics } = await rnn.run(task, context);
    expect(metrics.accuracy).toBeGreaterThan(0);
    expect(metrics.solvedAt).toBeNull();
    const broken = await rnn.run({ ...task, learningRate: 1e30 }, context);
    expect(broken.metrics.diverged).toBe(1);
  });
});

/** Results made by hand: a run per seed for each of the given cells. */
function resultsOf(
  cells: readonly {
    experiment: string;
    arm: string;
    variant?: string;
    runs: readonly Metrics[];
    grown?: number;
  }[],
): StudyResults {
  const records = cells.flatMap(({ experiment, arm, variant = "", runs, grown = 1 }) =>
    runs.map((metrics, i): RunRecord => {
      const lag = { kept: [1, grown], stepNorm: 1 };
      const curve = { x: [1, 2], y: [0.1, 0.05] };
      const detail: RnnDetail = { memoryless: 0.1, curve, lags: [0, 1], start: lag, end: lag };
      const task = { ...taskOf(experiment, arm, {}), variant, seed: i + 1 };
      return { task, seconds: 1, metrics, detail: detail as unknown as Json };
    }),
  );
  return {
    cells: cells.map(({ experiment, arm, variant = "", runs }) => ({
      name: arm,
      experiment,
      variant,
      setting: {},
      learningRate: 1e-3,
      runs: runs.map((metrics, i) => ({ ...metrics, seed: i + 1, seconds: 1 })) as never,
      summary: summarizeMetrics(runs),
    })),
    records: (experiment, arm, variant) =>
      records.filter(
        ({ task }) =>
          task.experiment === experiment &&
          task.arm === arm &&
          (variant === undefined || task.variant === variant),
      ),
    sweeps: [],
    quick: false,
  };
}

const good = {
  loss: 0.001,
  accuracy: 1,
  solved: 1,
  solvedAt: 500,
  diverged: 0,
  kept: { end: 0.5 },
  smallest: { end: 1 },
  stepNorm: { end: 1.2 },
  ofBound: 0.9,
};
const bad = {
  ...good,
  loss: 0.2,
  accuracy: 0.1,
  solved: 0,
  solvedAt: null,
  kept: { end: 1e-30 },
  smallest: { end: 0.01 },
};

function cellsWith(byArm: Record<string, Metrics[]>, grown: Record<string, number> = {}) {
  return Object.entries(byArm).flatMap(([arm, runs]) => [
    { experiment: "copy", arm, variant: "T = 100", runs: [good] },
    ...["copy", "adding"].map((experiment) => ({
      experiment,
      arm,
      variant: "T = 200",
      runs,
      ...(arm in grown ? { grown: grown[arm] } : {}),
    })),
    { experiment: "digits", arm, runs: [{ ...good, accuracy: 0.9 }] },
  ]);
}

const FREE = ["plain", "clipping", "bandStart"];
const COMPARED = [...FREE, "spectral", "band"];
const everyFree = (runs: Metrics[]) => Object.fromEntries(FREE.map((arm) => [arm, runs]));

const verdicts = (results: StudyResults) => rnn.findings(results).map(({ verdict }) => verdict);

describe("findings", () => {
  it("are not measured without results, and figures are empty", () => {
    expect(new Set(verdicts(resultsOf([])))).toEqual(new Set(["not measured"]));
    for (const { figure } of rnn.sections(resultsOf([]))) {
      expect(figure.kind === "lines" || figure.kind === "dots" ? figure.panels : null).toEqual([]);
    }
  });

  it("hold where the band remembers, free networks do not, and spectral normalization neither explodes nor remembers", () => {
    const results = resultsOf(
      cellsWith({ ...everyFree([bad, bad]), spectral: [bad, bad], band: [good, good] }, { plain: 1e9 }),
    );
    expect(verdicts(results)).toEqual([
      "holds", // the band copies over the longest delay
      "holds", // and adds
      "holds", // plain fails
      "holds", // so does the band's start without the band
      "holds", // no explosion
      "does not hold", // spectral normalization alone remembers
      "holds", // the bound
      "holds", // digits
    ]);
    expect(rnn.sections(results)).toHaveLength(4);
  });

  it("judge the opposite", () => {
    const over = { ...good, ofBound: 1.1 };
    const results = resultsOf(
      cellsWith({ ...everyFree([good, good]), spectral: [over, over], band: [bad, bad] }, { spectral: 3 }),
    );
    expect(verdicts(results)).toEqual([
      "does not hold",
      "does not hold",
      "does not hold",
      "does not hold",
      "does not hold",
      "holds",
      "does not hold",
      "holds",
    ]);
  });

  it("say in part when some seeds do", () => {
    const mixed = [good, bad];
    const results = resultsOf(cellsWith({ ...everyFree(mixed), spectral: mixed, band: mixed }));
    expect(verdicts(results).filter((verdict) => verdict === "holds in part")).toHaveLength(4);
  });

  it("say who else solved what the band is asked for, and count each arm's runs once", () => {
    const gru = { gru: [good, bad], band: [bad, bad] };
    const [copied, added] = rnn.findings(resultsOf(cellsWith({ ...gru, ...everyFree([bad]) })));
    expect(copied.because).toBe(
      "Solved by 0 of 2 seeds on copy T = 200 (mean accuracy 10.0 %). Other arms that did: GRU (1 of 2).",
    );
    expect(added.because).toMatch(/Other arms that did: GRU \(1 of 2\)\.$/);
    const [alone, , plain] = rnn.findings(resultsOf(cellsWith({ band: [good], ...everyFree([bad]) })));
    expect(alone.because).toBe(
      "Solved by 1 of 1 seeds on copy T = 200 (mean accuracy 100.0 %), in 500 steps. No other arm did.",
    );
    expect(plain.because).toBe(
      "Plain: solved by 0 of 1 seeds on copy T = 200 (mean accuracy 10.0 %) and 0 of 1 seeds on adding T = 200 (mean loss 0.20). With clipping: by 0 of 1 seeds on copy T = 200 (mean accuracy 10.0 %) and 0 of 1 seeds on adding T = 200 (mean loss 0.20).",
    );
  });

  it.each(COMPARED)("stand %s left out", (left) => {
    const others = COMPARED.filter((arm) => arm !== left);
    const results = resultsOf(cellsWith(Object.fromEntries(others.map((arm) => [arm, [good]]))));
    expect(verdicts(results)).toContain("not measured");
    expect(rnn.sections(results)).toHaveLength(4);
  });
});
