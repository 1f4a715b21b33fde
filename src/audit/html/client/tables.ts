import type { PageData } from "./types.ts";

/** Sorts tables by their header buttons and filters them by text. Embedded in the page: self-contained. */
export function sortAndFilter(data: PageData): void {
  const compare = (a: string | number | null, b: string | number | null, sign: number): number => {
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), "en", { numeric: true });
  };

  const sort = (table: HTMLTableElement, button: HTMLButtonElement): void => {
    const head = button.closest("th")!;
    const values = data.tables[table.id]![Number(button.dataset.column)]!.values;
    const first = head.classList.contains("number") ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? other : first;
    for (const each of table.querySelectorAll("thead th")) each.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const body = table.tBodies[0]!;
    const rows = Array.from(body.rows);
    rows.sort((a, b) => compare(values[Number(a.dataset.row)]!, values[Number(b.dataset.row)]!, sign));
    body.append(...rows);
  };

  const filter = (table: HTMLTableElement, text: string): string => {
    const wanted = text.trim().toLowerCase();
    const rows = Array.from(table.tBodies[0]!.rows);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !(row.textContent ?? "").toLowerCase().includes(wanted);
      if (!row.hidden) shown += 1;
    }
    return wanted === "" ? "" : `${shown} of ${rows.length}`;
  };

  for (const table of document.querySelectorAll<HTMLTableElement>("table[data-sortable]")) {
    for (const button of table.querySelectorAll<HTMLButtonElement>("thead button")) {
      button.addEventListener("click", () => sort(table, button));
    }
    const input = document.querySelector<HTMLInputElement>(`input[data-filter="${table.id}"]`);
    const output = document.querySelector(`output[data-filter="${table.id}"]`);
    input?.addEventListener("input", () => {
      const count = filter(table, input.value);
      if (output !== null) output.textContent = count;
    });
  }
}
