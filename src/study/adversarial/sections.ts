import { formatNumber } from "../../audit/format-number.ts";
import { deriveSeed } from "../../audit/seeds.ts";
import { RandomStream } from "../../linalg/random.ts";
import type {
  DotsFigure,
  Figure,
  Line,
  LinesFigure,
  PicturesFigure,
  Point,
  PointsFigure,
} from "../figures.ts";
import { planeDirections, slicedWasserstein } from "../mixtures/distances.ts";
import type { Target } from "../mixtures/targets.ts";
import { metricAt } from "../statistics.ts";
import type { RunRecord, Section, StudyResults } from "../study.ts";
import { type ArmName, CRITICS } from "./arms.ts";
import type { DigitDetail } from "./digits.ts";
import { average, detailOf, titleOf, variantsOf } from "./findings.ts";
import { DIRECTIONS, type PlanarDetail, SAMPLES, TARGETS } from "./planar.ts";

const NAMES = Object.keys(CRITICS) as ArmName[];
const NORMS = { operator: "norm of the convolution", reshaped: "norm of the reshaped kernel" } as const;
/** Pictures in a row. */
const COLUMNS = 10;

/** The pictures of the study, those first that show most. */
export function ganSections(results: StudyResults): Section[] {
  const all: Section[] = [
    {
      id: "samples",
      title: "What the generators make at setting D",
      lead: "Samples of one run of each arm while both networks train; circles are the 25 modes. Look for circles that stay empty, and for points between them.",
      figure: clouds(results, "grid", "D", NAMES),
    },
    {
      id: "settings",
      title: "How many modes are found, and how well, at six settings of Adam",
      lead: "From mild (A) to harsh (F). A mode is found when one of 2,500 samples lies within three standard deviations of it; the second panel has the share of samples that do. Read both: points scattered everywhere find many modes with a low share. One dot per seed, a bar at the mean.",
      figure: coverageDots(results, "grid"),
    },
    {
      id: "interval",
      title: "How steep the critic is",
      lead: "The certified interval of the critic’s Lipschitz constant through training at D. No pair of points is steeper than the upper bound (proved); some pair is as steep as the lower one (found).",
      figure: intervals(results),
    },
    {
      id: "progress",
      title: "When modes are found",
      lead: "Modes and the share of samples near one through training at D, every seed thin and their mean thick. At the start all samples lie around the origin, which is a mode; then they scatter, and gather. The learning rate falls over the second half.",
      figure: progress(results),
    },
    {
      id: "losses",
      title: "Three losses on the ring",
      lead: "Eight narrow modes on a circle, setting D. One dot per seed.",
      figure: coverageDots(results, "ring"),
    },
    {
      id: "roll",
      title: "A curve instead of modes",
      lead: "The Swiss roll at setting D: samples of one run, and under each the sliced W1 to the roll, mean over seeds.",
      figure: clouds(results, "roll", "", NAMES),
    },
    {
      id: "roll-distance",
      title: "How far the samples are from the Swiss roll",
      lead: "Sliced W1, one dot per seed; the line is what two samples of the roll itself are apart.",
      figure: rollDistances(results),
    },
    {
      id: "distance",
      title: "Does a critic find a distance that is known?",
      lead: "Critics trained to tell two distributions apart whose Wasserstein-1 distance is 1. Both are 1-Lipschitz, so their value cannot lie above the line but by chance; a critic that does not use all of its slope stays below.",
      figure: distances(results),
    },
    {
      id: "digits",
      title: "Digits made by convolutional generators",
      lead: "The first pictures of the first seed, not chosen. The note has the digit-FD, the Fréchet distance to the test digits in the features of a small classifier of this study (not the FID), mean over seeds.",
      figure: digitPictures(results),
    },
  ];
  return all.filter(({ figure }) => hasContent(figure));
}

function hasContent(figure: Figure): boolean {
  if (figure.kind !== "dots") return figure.panels.length > 0;
  return figure.panels.some(({ groups }) => groups.some(({ values }) => values.length > 0));
}

/** Films of the first seed of every arm. */
function clouds(
  results: StudyResults,
  experiment: string,
  variant: string,
  arms: readonly ArmName[],
): PointsFigure {
  const target = TARGETS[experiment === "roll" ? "roll" : "grid"];
  const panels = arms.flatMap((arm) => {
    const runs = results.records(experiment, arm, variant);
    const run = runs.find(({ detail }) => (detail as unknown as PlanarDetail).clouds.length > 0);
    if (run === undefined) return [];
    const { rounds, clouds: shown } = detailOf(run);
    const frames = shown.map((cloud, i) => ({ name: `step ${rounds[i]}`, points: pairs(cloud) }));
    return [{ title: titleOf(arm), note: noteOf(run, runs), arm, targets: target.modes, frames }];
  });
  return { kind: "points", extent: target.extent, panels };
}

function noteOf({ metrics }: RunRecord, runs: readonly RunRecord[]): string {
  const { modes, hq } = metrics;
  if (typeof modes === "number" && typeof hq === "number")
    return `${modes} modes, ${(100 * hq).toFixed(0)} % near one`;
  return `sliced W1 ${(average(runs, "w1") ?? Number.NaN).toFixed(3)}`;
}

function pairs(flat: readonly number[]): Point[] {
  return Array.from({ length: flat.length / 2 }, (_, i): Point => [flat[2 * i], flat[2 * i + 1]]);
}

/** Modes and high quality by variant, both in percent. */
function coverageDots(results: StudyResults, experiment: "grid" | "ring"): DotsFigure {
  const count = TARGETS[experiment].modes.length;
  const groups = (key: string, factor: number) =>
    variantsOf(results, experiment).map((variant) => ({
      name: variant,
      values: NAMES.flatMap((arm) => valuesOf(results.records(experiment, arm, variant), arm, key, factor)),
    }));
  return {
    kind: "dots",
    y: { label: "percent", high: 100 },
    panels: [
      { title: `Modes found, of ${count}`, groups: groups("modes", 100 / count) },
      { title: "Samples near a mode", groups: groups("hq", 100) },
    ],
  };
}

function valuesOf(runs: readonly RunRecord[], arm: string, key: string, factor = 1) {
  if (runs.length === 0) return [];
  const values = runs.map(({ metrics }) => metricAt(metrics, key));
  return [{ arm, values: values.map((value) => (value === null ? null : factor * value)) }];
}

/** Curves of the runs on the grid at D. */
function curves(results: StudyResults, key: "modes" | "hq" | "lower" | "upper", factor = 1): Line[] {
  return NAMES.flatMap((arm) => {
    const runs = results.records("grid", arm, "D").map((run) => {
      const detail = detailOf(run);
      return { x: detail.rounds, y: detail[key].map((value) => (value === null ? null : factor * value)) };
    });
    return runs.length === 0 ? [] : [{ arm, runs }];
  });
}

function intervals(results: StudyResults): LinesFigure {
  const panels = [
    { title: "No pair of points is steeper", lines: curves(results, "upper") },
    { title: "Some pair is as steep as this", lines: curves(results, "lower") },
  ];
  const y = { label: "Lipschitz constant of the critic", scale: "log" } as const;
  return { kind: "lines", x: { label: "step" }, y, panels: filled(panels) };
}

function progress(results: StudyResults): LinesFigure {
  const count = TARGETS.grid.modes.length;
  const panels = [
    { title: `Modes found, of ${count}`, lines: curves(results, "modes", 100 / count) },
    { title: "Samples near a mode", lines: curves(results, "hq", 100) },
  ];
  return { kind: "lines", x: { label: "step" }, y: { label: "percent", high: 100 }, panels: filled(panels) };
}

function filled(panels: LinesFigure["panels"]): LinesFigure["panels"] {
  return panels.filter(({ lines }) => lines.length > 0);
}

function rollDistances(results: StudyResults): DotsFigure {
  const values = NAMES.flatMap((arm) => valuesOf(results.records("roll", arm), arm, "w1"));
  return {
    kind: "dots",
    y: { label: "sliced W1" },
    panels: [{ title: "Swiss roll", groups: [{ name: "", values }] }],
    references: [{ name: "two samples of the roll", value: distanceToItself(TARGETS.roll) }],
  };
}

/** The sliced W1 between two samples of a target: what a perfect generator has. */
function distanceToItself(target: Target): number {
  const [a, b] = [1, 2].map((use) => target.draw(new RandomStream(deriveSeed(0n, use)), SAMPLES));
  return slicedWasserstein(a, b, planeDirections(DIRECTIONS));
}

function distances(results: StudyResults): DotsFigure {
  const groups = variantsOf(results, "distance").map((name) => ({
    name,
    values: NAMES.flatMap((arm) => valuesOf(results.records("distance", arm, name), arm, "w1")),
  }));
  return {
    kind: "dots",
    y: { label: "value of the critic" },
    panels: [{ title: "", groups }],
    references: [{ name: "the true distance", value: 1 }],
  };
}

function digitPictures(results: StudyResults): PicturesFigure {
  const cells = results.cells.filter(({ experiment }) => experiment === "digits");
  const panels = cells.flatMap(({ name, variant }) => {
    const runs = results.records("digits", name, variant);
    const pictures = runs.map(({ detail }) => (detail as unknown as DigitDetail).pictures);
    const shown = pictures.find((each) => each.length > 0);
    if (shown === undefined) return [];
    const fd = average(runs, "fd");
    return [
      {
        title: variant === "" ? titleOf(name) : `${titleOf(name)}, ${NORMS[variant as keyof typeof NORMS]}`,
        note: fd === null ? "no digit-FD" : `digit-FD ${formatNumber(fd, 3)}`,
        columns: COLUMNS,
        pictures: shown,
      },
    ];
  });
  return { kind: "pictures", panels };
}
