/** Shows one of a figure's drawings, as its buttons say: on a log axis or a linear one. Embedded in the page: self-contained. */
export function switchScales(): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-show]")) {
    button.addEventListener("click", () => {
      const figure = button.closest("[data-figure]");
      if (figure === null) return;
      for (const drawing of figure.querySelectorAll<HTMLElement>("[data-variant]")) {
        drawing.hidden = drawing.dataset.variant !== button.dataset.show;
      }
      for (const other of figure.querySelectorAll("button[data-show]")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
    });
  }
}
