import type { DotsFigure, Line, LinesFigure } from "../figures.ts";
import { metricAt } from "../statistics.ts";
import type { Section, StudyResults } from "../study.ts";
import { RNN_ARMS } from "./arms.ts";
import { detailsOf, geometricMean, longest } from "./runs.ts";

/** What the report draws. */
export function rnnSections(results: StudyResults): Section[] {
  return [
    {
      id: "loss",
      title: "Who gets below the loss of a network without memory",
      lead: "The loss of training batches, each drawn afresh, as a share of the best a network can do that has forgotten its input (dashed: 1). A curve that stays there has learnt the format and remembers nothing. Runs stop when they are solved.",
      figure: lossFigure(results),
    },
    {
      id: "accuracy",
      title: "What is answered right in the end",
      lead: "On sequences not seen before: the last ten symbols (copy; guessing gives 0.125), sums within 0.1 (adding; always saying 1 gives 0.19), digits (guessing gives 0.1). One dot per seed, a bar at the mean.",
      figure: accuracyFigure(results),
    },
    {
      id: "gradients-before",
      title: "How much of a gradient reaches back, before training",
      lead: `${LAG_LEAD} Level is what memory needs.`,
      figure: lagFigure(results, "start"),
    },
    {
      id: "gradients-after",
      title: "How much of a gradient reaches back, after training",
      lead: `${LAG_LEAD} The bound can only say that gradients do not explode; whether they vanish is up to the other singular values and to the slope of tanh.`,
      figure: lagFigure(results, "end"),
    },
  ];
}

const LAG_LEAD =
  "Copy memory with the longest delay: the length of the gradient of the last answer’s loss with respect to the state so many steps earlier, as a share of that at the last step. One panel per arm; thin lines are seeds. Dashed: the proved norm of a step to the power of the lag, which the gradient cannot exceed (‖W‖₂ for tanh networks, ‖I + εA‖₂ + ε‖W‖₂ for the Lipschitz RNN, mean over seeds; none is known for a GRU).";

/** Experiments that are solved or not, with their variants, in the plan's order. */
function memoryVariants({ cells }: StudyResults): { experiment: string; variant: string }[] {
  const keys = cells
    .filter(({ experiment }) => experiment !== "digits")
    .map(({ experiment, variant }) => `${experiment}|${variant}`);
  return [...new Set(keys)].map((key) => {
    const [experiment, variant] = key.split("|");
    return { experiment, variant };
  });
}

function lossFigure(results: StudyResults): LinesFigure {
  return {
    kind: "lines",
    x: { label: "step" },
    y: { label: "loss, of the memoryless one", scale: "log", low: 0.01, high: 10 },
    panels: memoryVariants(results).map(({ experiment, variant }) => {
      const lines = RNN_ARMS.flatMap(({ name }): Line[] => {
        const details = detailsOf(results.records(experiment, name, variant));
        if (details.length === 0) return [];
        return [
          {
            arm: name,
            runs: details.map(({ curve, memoryless }) => ({
              x: curve.x,
              y: curve.y.map((y) => y / memoryless),
            })),
          },
        ];
      });
      const end = Math.max(...lines.flatMap(({ runs }) => runs.flatMap(({ x }) => x)));
      const reference = { arm: null, name: "without memory", runs: [{ x: [0, end], y: [1, 1] }] };
      return { title: `${experiment}, ${variant}`, lines: [...lines, reference] };
    }),
  };
}

function accuracyFigure({ cells }: StudyResults): DotsFigure {
  const keys = [...new Set(cells.map(({ experiment, variant }) => `${experiment}|${variant}`))];
  return {
    kind: "dots",
    y: { label: "share answered right", high: 1 },
    panels: keys.map((key) => {
      const own = cells.filter(({ experiment, variant }) => `${experiment}|${variant}` === key);
      return {
        title: key.replace("|", " ").trim(),
        groups: [
          {
            name: "",
            values: own.map(({ name, runs }) => ({
              arm: name,
              values: runs.map((run) => metricAt(run, "accuracy")),
            })),
          },
        ],
      };
    }),
  };
}

function lagFigure(results: StudyResults, moment: "start" | "end"): LinesFigure {
  const panels = RNN_ARMS.flatMap(({ name, title }) => {
    const details = detailsOf(longest(results, "copy", name));
    if (details.length === 0) return [];
    const { lags } = details[0];
    const norm = geometricMean(details.map((detail) => detail[moment].stepNorm));
    const bound =
      norm === null
        ? []
        : [
            {
              arm: null,
              name: "norm to the power of the lag",
              runs: [{ x: lags, y: lags.map((lag) => norm ** lag) }],
            },
          ];
    return [
      {
        title,
        lines: [
          { arm: name, runs: details.map((detail) => ({ x: lags, y: detail[moment].kept })) },
          ...bound,
        ],
      },
    ];
  });
  return {
    kind: "lines",
    x: { label: "lag (steps)" },
    y: { label: "gradient, of that at the last step", scale: "log", low: 1e-12, high: 1e6 },
    panels,
  };
}
