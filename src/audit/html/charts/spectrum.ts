import { formatInterval, formatNumber, formatSigma } from "../../format-number.ts";
import { representative } from "../../report-cascade.ts";
import type { LayerReport } from "../../schema.ts";
import { logScale } from "../scale.ts";

/** The drawing of a spectrum, in numbers; travels to the page as JSON. */
export interface SpectrumPlot {
  /** Known singular values; `values` are picked evenly from them, first and last included. */
  readonly count: number;
  /** log₁₀ of the picked singular values, largest first. */
  readonly values: readonly number[];
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly (readonly [log10: number, label: string])[];
  /** log₁₀ of both ends of σ, and of the Frobenius norm; null where unknown or zero. */
  readonly sigma: readonly [number, number] | null;
  readonly frobenius: number | null;
}

/** What the panel of a chosen layer shows. */
export interface LayerPanel {
  /** Label and value pairs, formatted. */
  readonly facts: readonly (readonly [string, string])[];
  /** One sentence: what is drawn, or why nothing is. */
  readonly note: string;
  readonly plot: SpectrumPlot | null;
}

/** A zero singular value has no place on a log axis; values this far below the largest are drawn at its foot. */
const DEEPEST_DECADES = 12;

/** The panel of one layer, with at most `mostPoints` singular values drawn (evenly picked, first and last kept). */
export function layerPanel(layer: LayerReport, mostPoints: number): LayerPanel {
  const spectrum = layer.spectrum ?? [];
  if (spectrum.length === 0) return { facts: facts(layer), note: absence(layer), plot: null };
  const note =
    spectrum.length === 1
      ? "The leading singular value."
      : `The ${spectrum.length} leading singular values, largest first.`;
  return { facts: facts(layer), note, plot: spectrumPlot(layer, spectrum, mostPoints) };
}

function spectrumPlot(layer: LayerReport, spectrum: readonly number[], mostPoints: number): SpectrumPlot {
  const { sigma, frobenius } = layer;
  const largest = Math.log10(Math.max(spectrum[0]!, sigma?.lower ?? 0));
  const floor = (Number.isFinite(largest) ? largest : 0) - DEEPEST_DECADES;
  const values = pick(spectrum.length, mostPoints).map((i) =>
    round(Math.max(Math.log10(spectrum[i]!), floor)),
  );
  const ends = sigma === null ? null : logPair(sigma.lower, representative(sigma));
  const frobeniusLog = frobenius !== null && frobenius > 0 ? round(Math.log10(frobenius)) : null;
  const scale = logScale([...values, ...(ends ?? []), frobeniusLog ?? Number.NaN]);
  return {
    count: spectrum.length,
    values,
    low: round(scale.low),
    high: round(scale.high),
    ticks: scale.ticks.map(({ log10, label }) => [round(log10), label]),
    sigma: ends,
    frobenius: frobeniusLog,
  };
}

function facts(layer: LayerReport): [string, string][] {
  const { sigma, reshapedSigma, frobenius, stableRank } = layer;
  return [
    ["σ₁", sigma === null ? "unknown" : formatSigma(sigma)],
    ...(sigma === null ? [] : ([["How", `${sigma.guarantee}, ${sigma.method}`]] as [string, string][])),
    ...(reshapedSigma === undefined
      ? []
      : ([["Reshaped kernel", formatInterval(reshapedSigma.lower, reshapedSigma.upper)]] as [
          string,
          string,
        ][])),
    ["Frobenius", frobenius === null ? "unknown" : formatNumber(frobenius)],
    ["Stable rank", stableRank === null ? "unknown" : formatNumber(stableRank)],
  ];
}

function absence(layer: LayerReport): string {
  if (layer.sigma === null) return layer.problems[0] ?? "This weight could not be read.";
  return "This report holds no further singular values of this layer.";
}

function pick(count: number, most: number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.round((i * (count - 1)) / (most - 1)));
}

function logPair(lower: number, upper: number): readonly [number, number] | null {
  if (!(upper > 0)) return null;
  return [round(Math.log10(Math.max(lower, upper * 10 ** -DEEPEST_DECADES))), round(Math.log10(upper))];
}

function round(x: number): number {
  return Math.round(x * 1e3) / 1e3;
}

/**
 * The spectrum as SVG text. Self-contained, because the page draws the other layers with this very function (its
 * source is embedded): it uses nothing from outside its own body, and puts no text from a model file in the SVG.
 */
export function drawSpectrum(data: SpectrumPlot): string {
  const pace = data.values.length > 1 ? (data.count - 1) / (data.values.length - 1) : 0;
  const points = data.values.map((log10, i): [number, number] => [Math.round(i * pace) + 1, log10]);
  const height = 240;
  const inset = 8;
  const y = (log10: number) =>
    (height - inset - (height - 2 * inset) * ((log10 - data.low) / (data.high - data.low))).toFixed(1);
  const last = data.count;
  const x = (position: number) => `${(4 + (92 * (position - 0.5)) / last).toFixed(2)}%`;
  const line = (kind: string, x1: string, y1: string, x2: string, y2: string) =>
    `<line class="${kind}" x1="${x1}" x2="${x2}" y1="${y1}" y2="${y2}"/>`;
  let labels = "";
  let plot = "";
  for (const [log10, label] of data.ticks) {
    const at = y(log10);
    labels += `<text class="tick" x="100%" y="${Number(at) + 4}" text-anchor="end">${label}</text>`;
    plot += line(log10 === 0 ? "grid one" : "grid", "0", at, "100%", at);
  }
  if (data.frobenius !== null) {
    const at = y(data.frobenius);
    plot += line("frobenius dashed", "0", at, "100%", at);
    plot += `<text class="note" x="98%" y="${Number(at) - 5}" text-anchor="end">Frobenius</text>`;
  }
  if (data.sigma !== null) {
    const [from, to] = data.sigma;
    plot += `<rect class="band" x="0" width="100%" y="${(Number(y(to)) - 1).toFixed(1)}" height="${(Number(y(from)) - Number(y(to)) + 2).toFixed(1)}"/>`;
    plot += `<text class="note" x="98%" y="${Number(y(from)) + 15}" text-anchor="end">σ₁</text>`;
  }
  points.forEach(([position, log10], i) => {
    const before = points[i - 1];
    if (before !== undefined) plot += line("spectrum", x(before[0]), y(before[1]), x(position), y(log10));
  });
  if (points.length <= 80) {
    for (const [position, log10] of points) {
      const value = Number((10 ** log10).toPrecision(4));
      plot += `<circle class="spectrum" cx="${x(position)}" cy="${y(log10)}" r="3"><title>singular value ${position}: ${value}</title></circle>`;
    }
  }
  for (const position of last > 1 ? [1, last] : [1]) {
    plot += `<text class="tick" x="${x(position)}" y="${height + 12}" text-anchor="middle">${position}</text>`;
  }
  return (
    `<div class="frame"><svg class="chart y-axis" width="46" height="${height}" aria-hidden="true">${labels}</svg>` +
    `<svg class="chart plot" width="100%" height="${height + 16}" role="img" aria-label="Singular values, largest first">${plot}</svg></div>`
  );
}
