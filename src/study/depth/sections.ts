import type { DotsFigure, Line, LinesFigure } from "../figures.ts";
import { finite, mean, metricAt } from "../statistics.ts";
import type { RunRecord, Section, StudyResults } from "../study.ts";
import { ARMS, type LayerDetail, runsAt, STARTS, type Start, variantOf } from "./arms.ts";

/** In fewer layers there is little to see. */
const DEEP = 20;

/** What the page draws. */
export function sections(results: StudyResults): Section[] {
  return [
    {
      id: "growth",
      title: "What becomes of a small change on its way through the layers",
      lead: "A change of 10⁻⁶ of the input, measured behind every layer before any training (thick: mean over seeds; dashed: the product of the layers’ spectral norms, which it cannot exceed). Above 1 the network is sensitive, and far below 1 the last layers hardly see the input any more; near 10⁻¹⁰ it is the rounding of float64 that shows.",
      figure: layersFigure(results, "growth", "size of the change, of its size at the input"),
    },
    {
      id: "gradients",
      title: "How much gradient each layer gets",
      lead: "The gradient of the loss with respect to each layer’s output, before training, as a share of the last hidden layer’s. A level line is what one wishes for: a line that falls to the left vanishes, one that rises explodes.",
      figure: layersFigure(results, "gradient", "gradient, of that at the last layer"),
    },
    {
      id: "accuracy",
      title: "What is learnt",
      lead: "Test accuracy on digits after the same number of steps, each arm with the learning rate that suited it best at the usual start. One dot per seed, a bar at the mean; 10 % is guessing.",
      figure: accuracyFigure(results),
    },
    {
      id: "rates",
      title: "Which learning rates are survived",
      lead: "20 layers, SGD with momentum 0.9: the share of seeds whose loss ended above twice its first value, or in NaN.",
      figure: ratesFigure(results),
    },
  ];
}

function layersFigure(results: StudyResults, key: "growth" | "gradient", label: string): LinesFigure {
  const own = results.cells.filter(({ experiment }) => experiment === "start");
  const depths = [...new Set(own.map(({ setting }) => setting.depth as number))].filter((n) => n >= DEEP);
  return {
    kind: "lines",
    x: { label: "layer" },
    y: { label, scale: "log", low: 1e-12, high: 1e12 },
    panels: depths.flatMap((depth) =>
      (["he", "steep"] as const).map((start) => ({
        title: variantOf(depth, start),
        lines: ARMS.flatMap(({ name }) =>
          layerLines(runsAt(results, "start", name, depth, start), name, key),
        ),
      })),
    ),
  };
}

function layerLines(runs: readonly RunRecord[], arm: string, key: "growth" | "gradient"): Line[] {
  if (runs.length === 0) return [];
  const details = runs.map(({ detail }) => detail as unknown as LayerDetail);
  const curve = (values: readonly number[]) => ({ x: values.map((_, l) => l + 1), y: values });
  if (key === "gradient") {
    return [
      {
        arm,
        runs: details.map(({ gradient }) => curve(gradient.map((g) => g / gradient[gradient.length - 1]))),
      },
    ];
  }
  return [
    { arm, runs: details.map(({ growth }) => curve(growth)) },
    { arm, runs: [curve(details[0].bound)], dashed: true },
  ];
}

function accuracyFigure(results: StudyResults): DotsFigure {
  const own = results.cells.filter(({ experiment }) => experiment === "digits");
  const depths = [...new Set(own.map(({ setting }) => setting.depth as number))];
  const valuesAt = (depth: number, start: Start) =>
    ARMS.flatMap(({ name }) => {
      const runs = runsAt(results, "digits", name, depth, start);
      const values = runs.map(({ metrics }) => metricAt(metrics, "accuracy"));
      return runs.length === 0 ? [] : [{ arm: name, values }];
    });
  return {
    kind: "dots",
    y: { label: "test accuracy", high: 1 },
    references: [{ name: "guessing", value: 0.1 }],
    panels: (["he", "steep"] as const).map((start) => ({
      title: STARTS[start].title,
      groups: depths.map((depth) => ({ name: `${depth} layers`, values: valuesAt(depth, start) })),
    })),
  };
}

function ratesFigure({ cells }: StudyResults): LinesFigure {
  const lines = ARMS.flatMap(({ name }): Line[] => {
    const own = cells.filter((cell) => cell.experiment === "rates" && cell.name === name);
    if (own.length === 0) return [];
    const x = own.map(({ setting }) => setting.rate as number);
    return [
      {
        arm: name,
        runs: [{ x, y: own.map(({ runs }) => mean(finite(runs.map((each) => metricAt(each, "diverged"))))) }],
      },
    ];
  });
  return {
    kind: "lines",
    x: { label: "learning rate", scale: "log" },
    y: { label: "share of runs that diverged", high: 1 },
    panels: [{ title: "20 layers", lines }],
  };
}
