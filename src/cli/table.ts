import {
  formatBytes,
  formatCount,
  formatInterval,
  formatNumber,
  formatShape,
  formatSigma,
} from "../audit/format-number.ts";
import { printable } from "../audit/printable.ts";
import { type Cascade, cascadeOf, formatCumulative, representative } from "../audit/report-cascade.ts";
import type { AuditReport, LayerReport } from "../audit/schema.ts";
import { type Paint, painter } from "./paint.ts";
import { summaryLines } from "./table-summary.ts";
import { fitMiddle, pad, textWidth, wrap } from "./text-width.ts";

export interface TableOptions {
  /** Terminal cells per line. */
  readonly width: number;
  /** False: no escape codes at all. */
  readonly color: boolean;
}

interface Column {
  readonly title: string;
  readonly align: "left" | "right";
  /** One printable text per layer. */
  readonly cells: readonly string[];
  /** Cells needed; the flexible columns may get less or more. */
  readonly width: number;
  /** Columns with the highest number go first when the line is too long; 0 always stays. */
  readonly expendable: number;
  readonly paint?: (paint: Paint, cell: string) => string;
}

const GAP = 2;
const NARROWEST = 40;
const WIDEST = 200;
const NARROWEST_NAME = 14;
const NARROWEST_BAR = 6;
const WIDEST_BAR = 24;
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/**
 * An audit for the terminal: a line per layer, then totals, the network's bound or why there is none, and problems.
 * Fits `width` (within 40 to 200 cells) by shortening names and leaving out the least important columns.
 */
export function renderTable(report: AuditReport, options: TableOptions): string {
  const width = Math.min(WIDEST, Math.max(NARROWEST, options.width));
  const paint = painter(options.color);
  const { files, format, bytes, parameters } = report.model;
  const cascade = cascadeOf(report);
  const about = `${format} · ${formatBytes(bytes)} · ${formatCount(parameters)} parameters`;
  const nothing = "no layers: the file holds no weight that acts as a linear operator";
  return [
    paint.bold(fitMiddle(printable(files.join(", ")), width)),
    paint.dim(fitMiddle(printable(about), width)),
    "",
    ...(report.layers.length === 0 ? wrap(nothing, width) : layerLines(report.layers, cascade, width, paint)),
    "",
    ...summaryLines(report, cascade, width, paint),
    "",
  ].join("\n");
}

function layerLines(layers: readonly LayerReport[], cascade: Cascade, width: number, paint: Paint): string[] {
  const chosen = chooseColumns(columnsOf(layers, cascade), width);
  const widths = shareWidth(chosen, width);
  const total = widths.reduce((sum, w) => sum + w, 0) + GAP * (widths.length - 1);
  const line = (texts: readonly string[]) => texts.join(" ".repeat(GAP)).trimEnd();
  const head = line(chosen.map(({ title, align }, c) => paint.bold(pad(title, widths[c]!, align))));
  const logs = layers.flatMap(({ sigma }) => (sigma === null ? [] : [Math.log10(representative(sigma))]));
  const rows = layers.map((layer, i) =>
    line(
      chosen.map((column, c) => {
        const own = widths[c]!;
        const text = column.title === BAR_TITLE ? bar(layer, logs, own) : fitMiddle(column.cells[i]!, own);
        const cell = pad(text, own, column.align);
        return layer.sigma === null ? paint.red(cell) : (column.paint?.(paint, cell) ?? cell);
      }),
    ),
  );
  return [head, paint.dim("─".repeat(total)), ...rows];
}

const BAR_TITLE = "σ, log";

function columnsOf(layers: readonly LayerReport[], cascade: Cascade): Column[] {
  const products = new Map(cascade.steps.map((step) => [step.layer, formatCumulative(step)]));
  const left = (title: string, expendable: number, cells: readonly string[]): Column =>
    column(title, "left", expendable, cells);
  const right = (title: string, expendable: number, cells: readonly string[]): Column =>
    column(title, "right", expendable, cells);
  const number = (x: number | null) => (x === null ? "–" : formatNumber(x));
  const hasReshaped = layers.some(({ reshapedSigma }) => reshapedSigma !== undefined);
  return [
    left(
      "layer",
      0,
      layers.map(({ name }) => printable(name)),
    ),
    left(
      "operator",
      4,
      layers.map(({ operator }) => operator),
    ),
    left(
      "shape",
      5,
      layers.map(({ shape }) => formatShape(shape)),
    ),
    right(
      "σ",
      0,
      layers.map(({ sigma }) => (sigma === null ? "unknown" : formatSigma(sigma))),
    ),
    ...(hasReshaped ? [right("reshaped", 3, layers.map(reshapedCell))] : []),
    right(
      "Frobenius",
      6,
      layers.map(({ frobenius }) => number(frobenius)),
    ),
    right(
      "stable rank",
      7,
      layers.map(({ stableRank }) => number(stableRank)),
    ),
    {
      ...left(
        BAR_TITLE,
        2,
        layers.map(() => ""),
      ),
      paint: (paint, cell) => paint.cyan(cell),
    },
    right(
      "product",
      1,
      layers.map((_, i) => products.get(i) ?? ""),
    ),
  ];
}

function column(
  title: string,
  align: "left" | "right",
  expendable: number,
  cells: readonly string[],
): Column {
  const width = cells.reduce((most, cell) => Math.max(most, textWidth(cell)), textWidth(title));
  return { title, align, cells, width, expendable };
}

function reshapedCell({ reshapedSigma }: LayerReport): string {
  return reshapedSigma === undefined ? "" : formatInterval(reshapedSigma.lower, reshapedSigma.upper);
}

/** The least a column can do with: names are shortened in the middle, bars drawn smaller. */
function leastWidth({ title, width }: Column): number {
  if (title === "layer") return Math.min(width, NARROWEST_NAME);
  return title === BAR_TITLE ? NARROWEST_BAR : width;
}

function chooseColumns(columns: readonly Column[], width: number): Column[] {
  let kept = [...columns];
  const needed = () => kept.reduce((sum, each) => sum + leastWidth(each) + GAP, -GAP);
  while (needed() > width && kept.some(({ expendable }) => expendable > 0)) {
    const most = Math.max(...kept.map(({ expendable }) => expendable));
    kept = kept.filter(({ expendable }) => expendable !== most);
  }
  return kept;
}

/** What is left over goes to the names first, then to the bars. */
function shareWidth(columns: readonly Column[], width: number): number[] {
  const widths = columns.map(leastWidth);
  let left = width - widths.reduce((sum, w) => sum + w + GAP, -GAP);
  const give = (title: string, most: number) => {
    const c = columns.findIndex((each) => each.title === title);
    if (c < 0) return;
    const more = Math.max(0, Math.min(left, most - widths[c]!));
    widths[c]! += more;
    left -= more;
  };
  give("layer", columns[0]!.width);
  give(BAR_TITLE, WIDEST_BAR);
  return widths;
}

/** σ on a log scale, from a little below the smallest to the largest. */
function bar({ sigma }: LayerReport, logs: readonly number[], width: number): string {
  if (sigma === null) return "";
  const finite = logs.filter(Number.isFinite);
  const high = finite.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const low = finite.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const foot = low - Math.max(0.1, 0.1 * (high - low));
  const share = (Math.log10(representative(sigma)) - foot) / (high - foot);
  if (!(share > 0)) return "";
  const eighths = Math.max(1, Math.round(8 * width * Math.min(1, share)));
  return "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
}
