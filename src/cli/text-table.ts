import { printable } from "../audit/printable.ts";
import { fitMiddle, pad, textWidth } from "./text-width.ts";

/** A column of plain text: numbers to the right, names to the left and shortened where the line is too long. */
export interface TextColumn {
  readonly title: string;
  readonly align: "left" | "right";
}

const GAP = "  ";

/** Rows of cells as aligned lines; the first column gives way when `width` is too small. */
export function textTable(
  columns: readonly TextColumn[],
  rows: readonly (readonly string[])[],
  width: number,
): string {
  const safe = rows.map((row) => row.map(printable));
  const widths = columns.map(({ title }, c) =>
    safe.reduce((most, row) => Math.max(most, textWidth(row[c]!)), textWidth(title)),
  );
  const others = widths.slice(1).reduce((sum, w) => sum + w + GAP.length, 0);
  widths[0] = Math.min(widths[0]!, Math.max(12, width - others));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, c) => pad(fitMiddle(cell, widths[c]!), widths[c]!, columns[c]!.align))
      .join(GAP)
      .trimEnd();
  return [columns.map(({ title }) => title), ...safe].map((cells) => `${line(cells)}\n`).join("");
}
