import { formatLower, formatUpper } from "../../../audit/format-number.ts";
import { html, type Markup } from "../../../audit/html/markup.ts";
import { percent } from "../../../audit/html/scale.ts";
import type { TourName } from "../../schema.ts";
import { armMark } from "../arms.ts";

const HEIGHT = 16;
const MIDDLE = HEIGHT / 2;
const BAR = 6;

/** Lengths from 0 to `most`: what is certified as a bar, the change found as a mark, what is open between as dashes. */
export function rulerChart(
  name: TourName,
  certifiedRadius: number,
  distance: number | null,
  most: number,
): Markup {
  const at = (length: number) => percent(most > 0 ? (97 * length) / most : 0);
  const end = distance === null ? "100%" : at(distance);
  const mark = distance === null ? null : armMark(name, end, MIDDLE, false);
  const found = distance === null ? "no change found" : `turned at ${formatUpper(distance, 3)}`;
  return html`<svg class="chart ruler" width="100%" height="${HEIGHT}" role="img" aria-label="${`certified below ${formatLower(certifiedRadius, 3)}, ${found}`}"><rect class="track" width="100%" y="${MIDDLE - 1}" height="2"/><line class="open ${name}" x1="${at(certifiedRadius)}" x2="${end}" y1="${MIDDLE}" y2="${MIDDLE}"/><rect class="sure ${name}" width="${at(certifiedRadius)}" y="${MIDDLE - BAR / 2}" height="${BAR}" rx="2"/>${mark}</svg>`;
}
