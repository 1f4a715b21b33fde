import type { DotsFigure, Line, LinesFigure } from "../figures.ts";
import { mean, metricAt } from "../statistics.ts";
import type { RunRecord, Section, StudyResults } from "../study.ts";
import type { RobustnessCurves } from "./curves.ts";

const NETWORKS = [
  ["mlp", "MLP"],
  ["conv", "Convolutional network"],
] as const;
/** The lengths of change that the dots show, as the metrics name them. */
const EPSILONS = ["0.3", "0.5", "1", "1.58"];
/** Where the frontier's axis begins; networks that know less are of no use. */
const LEAST_CLEAN = { full: 0.85, quick: 0.6 };

interface NamedArm {
  readonly name: string;
  readonly title: string;
}

/** The pictures of the report, of what was run. */
export function robustSections(arms: readonly NamedArm[], results: StudyResults): Section[] {
  const sections: Section[] = [
    {
      id: "certified",
      title: "What is proved",
      lead:
        "The share of the test digits that are classified correctly and that no change of this ℓ2 length can turn, whatever " +
        "it is. A dot is one network (one seed), a bar their mean. Higher is better; at 0 only correctness counts.",
      figure: certifiedFigure(arms, results),
    },
    ...NETWORKS.map(([experiment, title]) => ({
      id: `curves-${experiment}`,
      title: `Between proof and attack: ${title}`,
      lead:
        "For the attacked test digits: the share proved unturnable (solid) and the share that our attack did not turn (dashed), over " +
        "the length of the change. The true share lies between the two lines. A wide gap means that little is known: the network " +
        "may be more robust than can be proved, or the attack too weak.",
      figure: curvesFigure(arms, results, experiment),
    })),
    {
      id: "frontier",
      title: "What a certificate costs",
      lead:
        "Each dot is one network: how many digits it gets right, and how many of all digits it certifies. The line joins the means of " +
        "one arm from one setting to the next (margin, cap, radius or strength of decay; the table has the numbers). Up and to the " +
        "right is better; networks to the left of the axis are not shown.",
      figure: frontierFigure(arms, results),
    },
    {
      id: "steepness",
      title: "How steep the networks are",
      lead:
        "The proved upper bound of each network's Lipschitz constant, on a logarithmic axis. A certified radius is a difference of " +
        "outputs divided by such a bound, so a steeper network needs larger differences for the same radius.",
      figure: steepnessFigure(arms, results),
    },
  ];
  return sections.filter(({ figure }) => "panels" in figure && figure.panels.length > 0);
}

function armsWith(arms: readonly NamedArm[], results: StudyResults, experiment: string): string[] {
  return arms.map(({ name }) => name).filter((name) => results.records(experiment, name).length > 0);
}

function certifiedFigure(arms: readonly NamedArm[], results: StudyResults): DotsFigure {
  const panels = NETWORKS.flatMap(([experiment, title]) => {
    const shown = armsWith(arms, results, experiment);
    const groups = [["0", "clean"], ...EPSILONS.map((epsilon) => [epsilon, `certified.${epsilon}`])];
    const valuesOf = (key: string) =>
      shown.map((arm) => ({
        arm,
        values: results.records(experiment, arm).map(({ metrics }) => metricAt(metrics, key)),
      }));
    return shown.length === 0
      ? []
      : [{ title, groups: groups.map(([name, key]) => ({ name, values: valuesOf(key) })) }];
  });
  return {
    kind: "dots",
    y: { label: "share of the test digits certified, by length of change", low: 0, high: 1 },
    panels,
  };
}

function curvesFigure(arms: readonly NamedArm[], results: StudyResults, experiment: string): LinesFigure {
  const panels = armsWith(arms, results, experiment).map((arm) => {
    const curves = results
      .records(experiment, arm)
      .map(({ detail }) => detail as unknown as RobustnessCurves);
    const line = (key: "certified" | "attacked"): Line => ({
      arm,
      name: key,
      runs: curves.map((each) => ({ x: each.epsilons, y: each[key] })),
      dashed: key === "attacked",
    });
    return { title: titleOf(arms, arm), lines: [line("certified"), line("attacked")] };
  });
  return {
    kind: "lines",
    x: { label: "length of the change (ℓ2)" },
    y: { label: "share of the attacked digits", low: 0, high: 1 },
    panels,
  };
}

const titleOf = (arms: readonly NamedArm[], arm: string) =>
  arms.find(({ name }) => name === arm)?.title ?? arm;

function frontierFigure(arms: readonly NamedArm[], results: StudyResults): LinesFigure {
  const panels = ["0.3", "1.58"].flatMap((epsilon) => {
    const lines = armsWith(arms, results, "frontier").flatMap((arm) =>
      frontierLines(arms, results, arm, epsilon),
    );
    return lines.length === 0 ? [] : [{ title: `Certified at ${epsilon}`, lines }];
  });
  return {
    kind: "lines",
    x: { label: "clean accuracy", low: leastClean(results), high: 1 },
    y: { label: "share certified", low: 0, high: 1 },
    panels,
  };
}

/** One line and its dots for each kind of setting that an arm varies; the kind is the first word of its variants. */
function frontierLines(
  arms: readonly NamedArm[],
  results: StudyResults,
  arm: string,
  epsilon: string,
): Line[] {
  const variants = results.cells
    .filter((cell) => cell.experiment === "frontier" && cell.name === arm)
    .map(({ variant }) => variant);
  const kinds = [...new Set(variants.map(kindOf))];
  return kinds.flatMap((kind, k) => {
    const clouds = variants
      .filter((variant) => kindOf(variant) === kind)
      .map((variant) =>
        results
          .records("frontier", arm, variant)
          .flatMap((run) => placeOf(run, epsilon, leastClean(results))),
      );
    const shown = clouds.filter((cloud) => cloud.length > 0);
    const centres = shown.map((cloud) => [mean(cloud.map(([x]) => x))!, mean(cloud.map(([, y]) => y))!]);
    const curve = (points: readonly (readonly number[])[]) => ({
      x: points.map(([x]) => x),
      y: points.map(([, y]) => y),
    });
    const name = [titleOf(arms, arm), kind].filter((word) => word !== "").join(", ");
    return [
      { arm, name, runs: [curve(centres)], dashed: k > 0 },
      { arm, name, runs: [curve(shown.flat())], dots: true },
    ];
  });
}

const leastClean = ({ quick }: StudyResults) => (quick ? LEAST_CLEAN.quick : LEAST_CLEAN.full);

const kindOf = (variant: string) => variant.split(" ")[0];

/** Clean and certified share of one run, where it is on the axis. */
function placeOf({ metrics }: RunRecord, epsilon: string, least: number): (readonly [number, number])[] {
  const clean = metricAt(metrics, "clean");
  const certified = metricAt(metrics, `certified.${epsilon}`);
  return clean === null || certified === null || clean < least ? [] : [[clean, certified]];
}

function steepnessFigure(arms: readonly NamedArm[], results: StudyResults): DotsFigure {
  const panels = NETWORKS.flatMap(([experiment, title]) => {
    const values = armsWith(arms, results, experiment).map((arm) => ({
      arm,
      values: results.records(experiment, arm).map(({ metrics }) => metricAt(metrics, "lipschitz")),
    }));
    return values.length === 0 ? [] : [{ title, groups: [{ name: "", values }] }];
  });
  return {
    kind: "dots",
    y: { label: "upper bound of the Lipschitz constant (proof)", scale: "log" },
    panels,
  };
}
