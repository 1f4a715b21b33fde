import { html, type Markup } from "../../audit/html/markup.ts";
import type { PicturesFigure } from "../figures.ts";

/** Pictures in rows, panel by panel. */
export function picturesFigure({ panels }: PicturesFigure): Markup {
  const drawn = panels.map(
    ({ title, note, columns, pictures }) =>
      html`<figure><h3>${title}</h3><div class="gallery" style="--columns:${columns}">${pictures.map(
        (source) => html`<img alt="" src="${source}">`,
      )}</div>${note === undefined ? null : html`<figcaption class="note">${note}</figcaption>`}</figure>`,
  );
  return html`<div class="plots">${drawn}</div>`;
}
