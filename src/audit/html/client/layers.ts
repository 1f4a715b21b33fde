import type { SpectrumPlot } from "../charts/spectrum.ts";
import type { PageData } from "./types.ts";

/**
 * Choosing a layer by pointer or keyboard in any chart or in the table: marks it everywhere and shows its panel.
 * Embedded in the page: self-contained; `draw` is the function that drew the first panel.
 */
export function chooseLayers(data: PageData, draw: (plot: SpectrumPlot) => string): void {
  // A page without layers has no panel either, but charts to walk through.
  const part = (name: string): Element => document.querySelector(`[data-panel] [data-panel-${name}]`)!;
  const names = data.tables.layers?.find((column) => column.title === "Layer")?.values ?? [];

  const fact = ([label, value]: readonly [string, string]): Element => {
    const pair = document.createElement("div");
    const term = document.createElement("dt");
    const definition = document.createElement("dd");
    term.textContent = label;
    definition.textContent = value;
    pair.append(term, definition);
    return pair;
  };

  const choose = (index: number): void => {
    const layer = data.panels[index];
    if (layer === undefined) return;
    part("name").textContent = String(names[index] ?? "");
    part("facts").replaceChildren(...layer.facts.map(fact));
    part("note").textContent = layer.note;
    part("chart").innerHTML = layer.plot === null ? "" : draw(layer.plot);
    for (const mark of document.querySelectorAll("[data-layer], tr[data-row]")) {
      const own = mark.getAttribute("data-layer") ?? mark.getAttribute("data-row");
      const isChosen = own === String(index);
      mark.classList.toggle("chosen", isChosen);
      if (mark.classList.contains("row")) mark.setAttribute("aria-selected", String(isChosen));
    }
  };

  const chooseMark = (mark: Element | null): void => {
    const index = mark?.getAttribute("data-layer") ?? mark?.getAttribute("data-row");
    if (index !== null && index !== undefined) choose(Number(index));
  };

  const walk = (container: Element, event: KeyboardEvent): void => {
    const marks = Array.from(container.querySelectorAll<SVGElement>(".row, .column"));
    const at = marks.indexOf(document.activeElement as SVGElement);
    const page = 10;
    const moves: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowRight: at + 1,
      ArrowUp: at - 1,
      ArrowLeft: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: marks.length - 1,
    };
    if (event.key === "Enter" || event.key === " ") {
      chooseMark(document.activeElement);
      event.preventDefault();
    }
    const move = moves[event.key];
    if (at < 0 || move === undefined) return;
    event.preventDefault();
    focusOnly(marks, marks[Math.max(0, Math.min(marks.length - 1, move))]!);
  };

  const focusOnly = (marks: readonly SVGElement[], mark: SVGElement): void => {
    for (const other of marks) other.setAttribute("tabindex", other === mark ? "0" : "-1");
    mark.focus();
    if (mark.classList.contains("row")) chooseMark(mark);
  };

  // One tab stop per chart: the arrow keys move inside it.
  for (const container of document.querySelectorAll("[data-walk]")) {
    const marks = Array.from(container.querySelectorAll(".row, .column"));
    const first = marks.find((mark) => mark.classList.contains("chosen")) ?? marks[0];
    for (const mark of marks) mark.setAttribute("tabindex", mark === first ? "0" : "-1");
    for (const column of marks.filter((mark) => mark.classList.contains("column"))) {
      column.setAttribute("role", column.hasAttribute("data-layer") ? "button" : "img");
    }
    const rows = marks.filter((mark) => mark.classList.contains("row"));
    if (rows.length > 0) container.setAttribute("role", "listbox");
    for (const row of rows) {
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", String(row.classList.contains("chosen")));
    }
    container.addEventListener("keydown", (event) => walk(container, event as KeyboardEvent));
  }
  document.addEventListener("click", (event) => {
    if (event.target instanceof Element)
      chooseMark(event.target.closest("[data-layer], #layers tr[data-row]"));
  });
}
