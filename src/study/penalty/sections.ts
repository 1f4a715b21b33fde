import type { Curve, DotsFigure, Line, LinesFigure } from "../figures.ts";
import type { CellReport } from "../schema.ts";
import { metricAt } from "../statistics.ts";
import type { RunRecord, Section, StudyResults } from "../study.ts";
import { summarizeSpectrum } from "./spectrum.ts";

const LAYER_TITLES = ["First layer (128 × 784)", "Second layer (128 × 128)", "Last layer (10 × 128)"];

/** What the report shows; sections without runs are left out. */
export function sectionsOf(results: StudyResults): Section[] {
  const spectra = armsOf(results, "spectra");
  return [
    ...proximalSection(results),
    ...(spectra.length === 0 ? [] : [endSection(spectra), whileSection(spectra), ...overTime(spectra)]),
    ...generalisationSections(results),
  ];
}

interface ProximalDetail {
  readonly start: readonly number[];
  readonly flow: readonly number[];
  readonly descent: readonly number[];
}

function proximalSection({ cells, records }: StudyResults): Section[] {
  const panels = cells
    .filter(({ experiment }) => experiment === "proximal")
    .flatMap(({ name: arm, variant }) => {
      const detail = records("proximal", arm, variant)[0]?.detail as unknown as ProximalDetail | undefined;
      if (detail === undefined) return [];
      const lines: Line[] = [
        { arm: null, name: "start", runs: [spectrumCurve(detail.start)] },
        { arm, name: "exact flow", runs: [spectrumCurve(detail.flow)] },
        { arm, name: "gradient descent", runs: [spectrumCurve(detail.descent)], dashed: true },
      ];
      return [{ title: variant, lines }];
    });
  if (panels.length === 0) return [];
  return [
    {
      id: "alone",
      title: "Alone, decay scales the spectrum and a spectral penalty cuts its top off flat",
      lead: "Each panel follows the gradient of one penalty, without any data, for a fixed time from the same singular values (dotted). Thick: the exact solution; dashes on it: gradient descent with the library’s penalty. Weight decay lowers every value by the same factor. Spectral penalties lower the largest until it meets the next, then both together, and do not touch the rest.",
      figure: {
        kind: "lines",
        x: { label: "i, by size", low: 1 },
        y: { label: "singular value σᵢ" },
        panels,
      },
    },
  ];
}

interface SpectraDetail {
  readonly steps: readonly number[];
  /** By time, by layer. */
  readonly spectra: readonly (readonly (readonly number[])[])[];
}

interface ArmSpectra {
  readonly arm: string;
  readonly runs: readonly SpectraDetail[];
}

function armsOf({ cells, records }: StudyResults, experiment: string): ArmSpectra[] {
  return cells
    .filter((cell) => cell.experiment === experiment)
    .map(({ name: arm }) => ({ arm, runs: records(experiment, arm).map(detailOf) }))
    .filter(({ runs }) => runs.length > 0);
}

function detailOf({ detail }: RunRecord): SpectraDetail {
  return detail as unknown as SpectraDetail;
}

function endSection(arms: readonly ArmSpectra[]): Section {
  // Ten values do not show on an axis of 128: the last layer is left out.
  const panels = LAYER_TITLES.slice(0, -1).map((title, layer) => ({
    title,
    lines: [
      startLine(arms, layer),
      ...arms.map(({ arm, runs }) => line(arm, runs, (run) => last(run.spectra)[layer])),
    ],
  }));
  return {
    id: "end",
    title: "Singular values after training, at about equal σ₁",
    lead: "All singular values of each weight after training, largest first, beside those at the start (dotted). Flat on the left: many directions share the largest stretch. Near zero on the right: directions the layer hardly uses any more. All but “none” were set to end with about the same σ₁ in the first layer.",
    figure: spectrumFigure(panels),
  };
}

function whileSection(arms: readonly ArmSpectra[]): Section {
  const steps = arms[0].runs[0].steps;
  const chosen = [
    ...new Set([1, Math.round(steps.length / 4), Math.round(steps.length / 2), steps.length - 1]),
  ];
  const panels = chosen.map((time) => ({
    title: `First layer after ${steps[time]} steps`,
    lines: [
      startLine(arms, 0),
      ...arms.map(({ arm, runs }) =>
        line(arm, runs, (run) => run.spectra[Math.min(time, run.spectra.length - 1)][0]),
      ),
    ],
  }));
  return {
    id: "while",
    title: "Singular values while training",
    lead: "The first layer’s at several times of the same runs: how the arms part.",
    figure: spectrumFigure(panels),
  };
}

function overTime(arms: readonly ArmSpectra[]): Section[] {
  const panelsOf = (of: "sigma" | "stableRank") =>
    LAYER_TITLES.map((title, layer) => ({
      title,
      lines: arms.map(
        ({ arm, runs }): Line => ({
          arm,
          runs: runs.map(({ steps, spectra }) => ({
            x: steps,
            y: spectra.map((layers) => summarizeSpectrum(layers[layer])[of]),
          })),
        }),
      ),
    }));
  const x = { label: "step" };
  return [
    {
      id: "sigma",
      title: "σ₁ while training",
      lead: "The largest singular value of each weight as its layer uses it. Spectral normalization holds it at its cap from the start; penalties pull it down against what the data ask for.",
      figure: { kind: "lines", x, y: { label: "σ₁" }, panels: panelsOf("sigma") },
    },
    {
      id: "stable-rank",
      title: "Stable rank while training",
      lead: "‖W‖²/σ₁²: how many directions a layer uses, were they all equally large. A higher line at the same σ₁ means a richer layer for the same Lipschitz bound.",
      figure: { kind: "lines", x, y: { label: "stable rank", low: 0 }, panels: panelsOf("stableRank") },
    },
  ];
}

function generalisationSections({ cells }: StudyResults): Section[] {
  const own = cells.filter(({ experiment }) => experiment === "generalisation");
  if (own.length === 0) return [];
  return [
    {
      id: "gap",
      title: "The gap between training and test accuracy, by batch size",
      lead: "A dot per seed, a bar at the mean. 0: what was learnt holds for new digits as well. A network that knows its wrong labels by heart is high up. Every arm at the strength and rate that its validation accuracy chose.",
      figure: dots(own, "gap", { label: "gap, share of digits" }),
    },
    {
      id: "accuracy",
      title: "Test accuracy, by batch size",
      lead: "The same runs on 2,000 test digits with right labels. Higher is better; mind that the axis does not begin at zero.",
      figure: dots(own, "test", { label: "test accuracy", low: lowest(own) }),
    },
  ];
}

function dots(cells: readonly CellReport[], key: string, y: DotsFigure["y"]): DotsFigure {
  const variants = [...new Set(cells.map(({ variant }) => variant))];
  const panels = variants.map((title) => {
    const own = cells.filter(({ variant }) => variant === title);
    const values = own.map((cell) => ({ arm: cell.name, values: valuesOf(cell, key) }));
    return { title: capital(title), groups: [{ name: "", values }] };
  });
  return { kind: "dots", y, panels };
}

/** A round number below every test accuracy. */
function lowest(cells: readonly CellReport[]): number {
  const values = cells.flatMap((cell) => valuesOf(cell, "test")).filter((value) => value !== null);
  return Math.max(0, Math.floor(20 * Math.min(...values) - 0.2) / 20);
}

function valuesOf({ runs }: CellReport, key: string): (number | null)[] {
  return runs.map(({ seed: _seed, seconds: _seconds, ...metrics }) => metricAt(metrics, key));
}

function spectrumFigure(panels: LinesFigure["panels"]): LinesFigure {
  return { kind: "lines", x: { label: "i, by size", low: 1 }, y: { label: "singular value σᵢ" }, panels };
}

function startLine(arms: readonly ArmSpectra[], layer: number): Line {
  const free = arms.find(({ arm }) => arm !== "sn") ?? arms[0];
  return {
    arm: null,
    name: "start",
    runs: free.runs.slice(0, 1).map((run) => spectrumCurve(run.spectra[0][layer])),
  };
}

function line(
  arm: string,
  runs: readonly SpectraDetail[],
  of: (run: SpectraDetail) => readonly number[],
): Line {
  return { arm, runs: runs.map((run) => spectrumCurve(of(run))) };
}

function spectrumCurve(values: readonly number[]): Curve {
  return { x: values.map((_, i) => i + 1), y: values };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function last<T>(values: readonly T[]): T {
  return values[values.length - 1];
}
