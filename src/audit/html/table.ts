import { formatInterval, formatNumber, formatShape, formatSigma } from "../format-number.ts";
import { representative } from "../report-cascade.ts";
import type { LayerReport } from "../schema.ts";
import { html, type Markup } from "./markup.ts";

/** A cell's value for sorting and CSV, at full precision. */
export type CellValue = string | number | null;

/** One column: how a row reads in the table (absent: CSV only) and its value. */
export interface TableColumn<Row> {
  readonly title: string;
  readonly value: (row: Row) => CellValue;
  readonly cell?: (row: Row) => Markup | string;
  readonly numeric?: boolean;
  /** Names the row. */
  readonly headsRow?: boolean;
  /** Its value only serves sorting; CSV leaves it out. */
  readonly sortOnly?: boolean;
}

/** A column as the page's script needs it, row by row. */
export interface ColumnData {
  readonly title: string;
  readonly exported: boolean;
  readonly values: readonly CellValue[];
}

/** A layer and its place (from 1) among all layers of the report. */
export interface LayerRow {
  readonly layer: LayerReport;
  readonly position: number;
}

const cellNumber = (x: number | null) => (x === null ? "–" : formatNumber(x));

/** Everything the report says of a layer. Columns without a cell are exported only. */
export const LAYER_COLUMNS: readonly TableColumn<LayerRow>[] = [
  { title: "#", numeric: true, value: ({ position }) => position, cell: ({ position }) => String(position) },
  { title: "Layer", value: ({ layer }) => layer.name, cell: nameCell, headsRow: true },
  { title: "Weight", value: ({ layer }) => layer.weight },
  { title: "Operator", value: ({ layer }) => layer.operator, cell: ({ layer }) => layer.operator },
  {
    title: "Shape",
    value: ({ layer }) => formatShape(layer.shape),
    cell: ({ layer }) => formatShape(layer.shape),
  },
  { title: "Type", value: ({ layer }) => layer.dtype, cell: ({ layer }) => layer.dtype },
  {
    title: "σ",
    numeric: true,
    sortOnly: true,
    value: ({ layer }) => (layer.sigma === null ? null : representative(layer.sigma)),
    cell: ({ layer }) => (layer.sigma === null ? "–" : formatSigma(layer.sigma)),
  },
  { title: "σ lower", numeric: true, value: ({ layer }) => layer.sigma?.lower ?? null },
  { title: "σ upper", numeric: true, value: ({ layer }) => layer.sigma?.upper ?? null },
  { title: "σ estimate", numeric: true, value: ({ layer }) => layer.sigma?.estimate ?? null },
  { title: "Guarantee", value: ({ layer }) => layer.sigma?.guarantee ?? null },
  {
    title: "Method",
    value: ({ layer }) => layer.sigma?.method ?? null,
    cell: ({ layer }) => (layer.sigma === null ? "–" : layer.sigma.method),
  },
  { title: "Iterations", numeric: true, value: ({ layer }) => layer.sigma?.iterations ?? null },
  {
    title: "Reshaped σ",
    numeric: true,
    value: ({ layer }) => layer.reshapedSigma?.upper ?? layer.reshapedSigma?.lower ?? null,
    cell: reshapedCell,
  },
  {
    title: "Frobenius",
    numeric: true,
    value: ({ layer }) => layer.frobenius,
    cell: ({ layer }) => cellNumber(layer.frobenius),
  },
  {
    title: "Stable rank",
    numeric: true,
    value: ({ layer }) => layer.stableRank,
    cell: ({ layer }) => cellNumber(layer.stableRank),
  },
  {
    title: "Problems",
    value: ({ layer }) => (layer.problems.length === 0 ? null : layer.problems.join("; ")),
    cell: problemCell,
  },
];

function nameCell({ layer }: LayerRow): Markup {
  const weight =
    layer.weight === layer.name || layer.weight.startsWith(`${layer.name}.`)
      ? null
      : html`<span class="weight"><bdi>${layer.weight}</bdi></span>`;
  return html`<bdi>${layer.name}</bdi>${weight}`;
}

function reshapedCell({ layer }: LayerRow): string {
  const reshaped = layer.reshapedSigma;
  return reshaped === undefined ? "" : formatInterval(reshaped.lower, reshaped.upper);
}

/** A mark: the sentences, often the same for most layers, stand once in the list of problems. */
function problemCell({ layer }: LayerRow): Markup | string {
  if (layer.problems.length === 0) return "";
  const [kind, sign] = layer.sigma === null ? ["error", "✕"] : ["warning", "!"];
  return html`<a class="sign ${kind}" href="#problems" title="${layer.problems.join("; ")}">${sign} ${layer.problems.length}</a>`;
}

/** The rows' values column by column, for sorting and CSV. */
export function columnData<Row>(columns: readonly TableColumn<Row>[], rows: readonly Row[]): ColumnData[] {
  return columns.map(({ title, value, sortOnly }) => ({
    title,
    exported: sortOnly !== true,
    values: rows.map((row) => value(row)),
  }));
}

/** A table whose headers sort it once the script runs. Columns that are empty throughout are not drawn. */
export function sortableTable<Row>(
  id: string,
  caption: string,
  columns: readonly TableColumn<Row>[],
  rows: readonly Row[],
): Markup {
  const drawn = columns
    .map((column, place) => ({ column, place }))
    .filter(({ column }) => isDrawn(column, rows));
  const heads = drawn.map(
    ({ column: { title, numeric }, place }) =>
      html`<th scope="col" aria-sort="none"${numeric ? html` class="number"` : null}><button type="button" data-column="${place}">${title}</button></th>`,
  );
  const body = rows.map((row, index) => {
    const cells = drawn.map(({ column }) => drawCell(column, row));
    return html`<tr data-row="${index}">${cells}</tr>
`;
  });
  return html`<div class="scroll-x" tabindex="0" role="region" aria-label="${caption}"><table id="${id}" data-sortable><caption class="visually-hidden">${caption}</caption><thead><tr>${heads}</tr></thead><tbody>
${body}</tbody></table></div>`;
}

function isDrawn<Row>({ cell, value }: TableColumn<Row>, rows: readonly Row[]): boolean {
  return cell !== undefined && rows.some((row) => value(row) !== null);
}

function drawCell<Row>({ cell, numeric, headsRow }: TableColumn<Row>, row: Row): Markup {
  const content = cell === undefined ? "" : cell(row);
  if (headsRow) return html`<th scope="row">${content}</th>`;
  return numeric ? html`<td class="number">${content}</td>` : html`<td>${content}</td>`;
}
