import type { CertifyReport } from "../../certify-schema.ts";
import { formatCount, formatLower, formatNumber } from "../../format-number.ts";
import { html, type Markup } from "../markup.ts";
import { percent } from "../scale.ts";
import { linearAxis } from "./axis.ts";
import { axisMarks, axisX, linearFrame, shareGrid, shareY } from "./linear.ts";

const HEIGHT = 200;
/** The highest bar ends here, so that the median's label has room above. */
const TOP = 0.88;
/** Of the width that a bin has. */
const BAR_SHARE = 0.86;

/** How many of the right points have which certified radius, and the median of all points. */
export function radiiChart({ radii }: CertifyReport): Markup {
  const { edges, counts } = radii.histogram;
  const axis = linearAxis(1.02 * edges.at(-1)!);
  const most = Math.max(1, ...counts);
  const ticks = most === 1 ? [0, 1] : [0, Math.round(most / 2), most];
  const share = (count: number) => (TOP * count) / most;
  const median = percent(axisX(axis, radii.median));
  const bars = counts.map((count, i) => {
    const [from, to] = [axisX(axis, edges[i]), axisX(axis, edges[i + 1])];
    const top = shareY(share(count), HEIGHT);
    const foot = shareY(0, HEIGHT);
    const bar = html`<rect class="radii" x="${percent(from)}" width="${percent(BAR_SHARE * Math.max(to - from, 0.5))}" y="${top}" height="${Math.round(10 * (foot - top)) / 10}"/>`;
    return html`<g class="column"><title>${tip(edges[i], edges[i + 1], count)}</title><rect class="hit" x="${percent(from)}" width="${percent(to - from)}" height="${HEIGHT}"/>${count === 0 ? null : bar}</g>`;
  });
  return linearFrame(
    HEIGHT,
    ticks.map((count) => [share(count), formatCount(count)]),
    html`${shareGrid(ticks.map(share), HEIGHT)}${axisMarks(axis, HEIGHT, "certified radius")}${bars}<line class="middle" x1="${median}" x2="${median}" y1="0" y2="${HEIGHT - 8}"/><text class="note" x="${median}" dx="5" y="12">median ${formatLower(radii.median, 3)}</text>`,
    "Certified radii of the right points",
  );
}

function tip(from: number, to: number, count: number): string {
  return `radius ${formatNumber(from, 3)} to ${formatNumber(to, 3)} · ${formatCount(count)} ${count === 1 ? "point" : "points"}`;
}
