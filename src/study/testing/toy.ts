import type { Metrics, Study, StudyPlan, Task } from "../study.ts";

/** A study whose runs cost nothing: the score of a rate is −(rate − best)², and a run's value is its rate plus its seed. */
export function toyStudy(changes: Partial<Study> = {}): Study {
  return {
    name: "toy",
    title: "Does it add up?",
    claim: "Numbers <b>add</b> up.",
    revision: 1,
    arms: [
      { name: "none", title: "none", about: "Nothing." },
      { name: "some", title: "some & more", about: "Something." },
    ],
    experiments: [
      {
        name: "sums",
        title: "Sums",
        about: "Adds.",
        metrics: [
          { key: "value", title: "value", better: "higher" },
          { key: "share.0.3", title: "share at 0.3", as: "share", better: "lower" },
        ],
      },
    ],
    published: [{ name: "Euclid", metrics: { value: 3 }, source: "Elements, another sum." }],
    plan: toyPlan,
    run: async (task) => ({ metrics: toyMetrics(task), detail: { seed: task.seed } }),
    findings: ({ cells }) => [
      {
        claim: "It adds up.",
        verdict: cells.length > 0 ? "holds" : "not measured",
        because: `${cells.length} cells.`,
      },
    ],
    sections: (results) => [
      {
        id: "values",
        title: "Values",
        lead: "By seed.",
        figure: {
          kind: "dots",
          y: { label: "value" },
          references: [{ name: "three", value: 3 }],
          panels: [
            {
              title: "all",
              groups: [
                {
                  name: "sums",
                  values: results.cells.map(({ name, runs }) => ({
                    arm: name,
                    values: runs.map(({ value }) => value as number),
                  })),
                },
              ],
            },
          ],
        },
      },
    ],
    ...changes,
  };
}

function toyPlan(): StudyPlan {
  const tuning = (arm: string, best: number) => ({
    name: `${arm} rates`,
    experiment: "sums",
    arm,
    rates: [0.1, 0.2, 0.3],
    score: "score",
    better: "higher" as const,
    setting: { best },
    seeds: 2,
  });
  return {
    tunings: [tuning("none", 0.1), tuning("some", 0.3)],
    cells: [
      { experiment: "sums", arm: "none", setting: { steps: 1 }, tuning: "none rates" },
      { experiment: "sums", arm: "some", setting: { steps: 1 }, tuning: "some rates" },
      { experiment: "sums", arm: "some", variant: "once", setting: { steps: 2 }, seeds: 1 },
    ],
    seeds: 3,
  };
}

export function toyMetrics({ kind, learningRate, setting, seed }: Task): Metrics {
  if (kind === "sweep") return { score: -((learningRate! - (setting.best as number)) ** 2) };
  return { value: (learningRate ?? 0) + seed, share: { "0.3": seed / 10 } };
}
