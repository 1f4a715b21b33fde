import { html, type Markup } from "../markup.ts";
import { shareY } from "./linear.ts";

/** The width of a path's own coordinates: points that share one of these are one on any screen. */
export const WIDE = 2000;

/** A path given in WIDE × height, drawn over the plot at any width; the line keeps its own. */
export function stretched(path: string, kind: string, height: number, beneath: Markup | null = null): Markup {
  return html`<svg x="1%" width="97%" height="${height}" viewBox="0 0 ${WIDE} ${height}" preserveAspectRatio="none" aria-hidden="true">${beneath}<path class="${kind}" d="${path}" vector-effect="non-scaling-stroke"/></svg>`;
}

/** What lies between a path from the left and the plot's foot, to be drawn beneath it. */
export function areaUnder(path: string, kind: string, height: number): Markup {
  return html`<path class="${kind}" d="${path}V${shareY(0, height)}H0Z"/>`;
}
