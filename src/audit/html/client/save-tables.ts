import type { ColumnData } from "../table.ts";
import type { PageData } from "./types.ts";

/** Saves tables as CSV and copies them. Embedded in the page: self-contained. */
export function saveTables(
  data: PageData,
  download: (name: string, type: string, text: string) => void,
): void {
  // A cell that starts like a formula would be run by a spreadsheet; the names come from a model file.
  const cell = (value: string | number | null): string => {
    if (typeof value !== "string") return value === null ? "" : String(value);
    return /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  };
  const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  const rows = (columns: readonly ColumnData[]): string[][] => {
    const kept = columns.filter((column) => column.exported);
    const indices = kept[0]?.values.map((_, i) => i) ?? [];
    return [
      kept.map(({ title }) => title),
      ...indices.map((i) => kept.map(({ values }) => cell(values[i]!))),
    ];
  };
  const csv = (columns: readonly ColumnData[]) =>
    `${rows(columns)
      .map((row) => row.map(quoted).join(","))
      .join("\r\n")}\r\n`;
  const tabs = (columns: readonly ColumnData[]) =>
    rows(columns)
      .map((row) => row.map((text) => text.replace(/\s+/g, " ")).join("\t"))
      .join("\n");

  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-save-csv]")) {
    const id = button.dataset.saveCsv ?? "";
    button.addEventListener("click", () =>
      download(`${data.fileName}-${id}.csv`, "text/csv", csv(data.tables[id]!)),
    );
  }
  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-copy]")) {
    button.hidden = navigator.clipboard === undefined;
    const label = button.textContent;
    button.addEventListener("click", async () => {
      const done = navigator.clipboard.writeText(tabs(data.tables[button.dataset.copy ?? ""]!));
      button.textContent = await done.then(
        () => "Copied",
        () => "Copying was refused",
      );
      setTimeout(() => {
        button.textContent = label;
      }, 2000);
    });
  }
}
