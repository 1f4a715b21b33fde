import { shortenMiddle } from "../../printable.ts";
import { html, type Markup } from "../markup.ts";
import { percent } from "../scale.ts";

/** What a chart of 320 px, on a telephone, has room for. */
const NARROW_CHARACTERS_PER_PERCENT = 0.42;

/** A name at the end of its column, `width` in percent; a second, shorter form of a long one for narrow windows. */
export function nameLabel(name: string, width: number, rowHeight: number, longest: number): Markup {
  const wide = shortenMiddle(name, longest);
  const narrow = shortenMiddle(name, Math.floor(width * NARROW_CHARACTERS_PER_PERCENT));
  const text = (content: string, use: string | null) =>
    html`<text${use === null ? null : html` class="${use}"`} x="100%" y="${rowHeight / 2 + 4}" text-anchor="end">${content}</text>`;
  const texts = wide === narrow ? text(wide, null) : [text(wide, "wide"), text(narrow, "narrow")];
  return html`<svg class="name" width="${percent(width)}" height="${rowHeight}">${texts}</svg>`;
}
