import type { PageData } from "./types.ts";

/** Saves a chart as one SVG of fixed width, with this theme's colours. Embedded in the page: self-contained. */
export function saveCharts(
  data: PageData,
  download: (name: string, type: string, text: string) => void,
): void {
  const width = 960;
  const space = "http://www.w3.org/2000/svg";

  const make = (tag: string, attributes: Readonly<Record<string, string>>, text = ""): Element => {
    const element = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.textContent = text;
    return element;
  };

  // The page's chart rules, with this theme's colours written out: few drawing programs know CSS variables.
  const rules = (): string => {
    const computed = getComputedStyle(document.documentElement);
    return (document.getElementById("chart-style")?.textContent ?? "").replace(
      /var\((--[\w-]+)\)/g,
      (_, name: string) => computed.getPropertyValue(name).trim(),
    );
  };

  const svg = (figure: Element): string => {
    const drawings: Element[] = [];
    let top = 36;
    const shown = figure.querySelectorAll("[data-drawing]:not([hidden]) svg.chart:not(.key)");
    const several = figure.querySelectorAll("[data-drawing]:not([hidden]) svg.plot").length > 1;
    for (const drawing of shown) {
      const isAxis = drawing.classList.contains("y-axis");
      if (isAxis && several) {
        top += 28;
        const name = drawing.nextElementSibling?.getAttribute("aria-label") ?? "";
        drawings.push(make("text", { class: "end", x: "62", y: String(top - 12) }, name));
      }
      const left = drawing.classList.contains("plot") ? 62 : 8;
      const copy = drawing.cloneNode(true) as Element;
      copy.setAttribute("x", String(left));
      copy.setAttribute("y", String(top));
      copy.setAttribute("width", String(isAxis ? 46 : width - left - 8));
      drawings.push(copy);
      if (!isAxis) top += Number(drawing.getAttribute("height"));
    }
    const height = String(top + 12);
    const whole = make("svg", {
      class: "chart",
      width: String(width),
      height,
      viewBox: `0 0 ${width} ${height}`,
    });
    whole.append(
      make("style", {}, rules()),
      make("rect", { class: "paper", width: "100%", height: "100%" }),
      make(
        "text",
        { class: "chart-title", x: "8", y: "22" },
        figure.querySelector("h2, h3")?.textContent ?? "",
      ),
      ...drawings,
    );
    return new XMLSerializer().serializeToString(whole);
  };

  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-save-svg]")) {
    button.addEventListener("click", () => {
      const figure = button.closest("[data-figure]");
      if (figure !== null)
        download(`${data.fileName}-${button.dataset.saveSvg}.svg`, "image/svg+xml", svg(figure));
    });
  }
}
