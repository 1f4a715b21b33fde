/** Shows a mark's exact numbers beside it on hover and focus. Embedded in the page: self-contained. */
export function showTips(): void {
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("role", "tooltip");
  document.body.append(tip);

  const adopt = (title: Element): void => {
    const mark = title.parentElement;
    const text = title.textContent ?? "";
    if (mark === null) return;
    mark.setAttribute("data-tip", text);
    mark.setAttribute("aria-label", text);
    title.remove();
  };
  const markOf = (event: Event): Element | null => {
    const target = event.target;
    if (!(target instanceof Element)) return null;
    const title = target.closest("svg.chart g, svg.chart circle")?.querySelector(":scope > title");
    if (title) adopt(title);
    return target.closest("[data-tip]");
  };
  let shown: Element | null = null;
  const show = (mark: Element | null): void => {
    shown = mark;
    tip.hidden = mark === null;
    if (mark === null) return;
    tip.textContent = mark.getAttribute("data-tip");
    const box = (mark.querySelector(".hit") ?? mark).getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const left = box.left + Math.min(box.width / 2, 260) - size.width / 2;
    const above = box.top - size.height - 8;
    tip.style.left = `${Math.max(8, Math.min(left, document.documentElement.clientWidth - size.width - 8))}px`;
    tip.style.top = `${above < 8 ? box.bottom + 8 : above}px`;
  };

  for (const title of document.querySelectorAll("svg.chart g > title")) adopt(title);
  // Scrolling moves marks beneath a resting pointer, which must not take the tip away from the focused mark.
  let pointer = "";
  document.addEventListener("pointermove", (event) => {
    const place = `${event.clientX},${event.clientY}`;
    if (place !== pointer) show(markOf(event));
    pointer = place;
  });
  document.addEventListener("focusin", (event) => show(markOf(event)));
  document.addEventListener("focusout", () => show(null));
  const follow = () => show(document.activeElement === shown ? shown : null);
  document.addEventListener("scroll", follow, { capture: true, passive: true });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") show(null);
  });
}
