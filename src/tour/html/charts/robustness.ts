import type { CertifyReport } from "../../../audit/certify-schema.ts";
import { radiusHeldBy, shareText } from "../../../audit/certify-text.ts";
import { formatNumber } from "../../../audit/format-number.ts";
import type { PlotAxis } from "../../../audit/html/charts/axis.ts";
import {
  axisMarks,
  axisX,
  linearFrame,
  QUARTERS,
  quarterLabels,
  shareGrid,
  shareY,
} from "../../../audit/html/charts/linear.ts";
import { isSampled } from "../../../audit/html/charts/robustness.ts";
import { stretched } from "../../../audit/html/charts/stretched.ts";
import { survivalPath } from "../../../audit/html/charts/survival.ts";
import { html, type Markup } from "../../../audit/html/markup.ts";
import { percent } from "../../../audit/html/scale.ts";
import { type Arm, armMark } from "../arms.ts";

const HEIGHT = 340;
/** Lengths that tell their numbers. */
const STOPS = 48;
/** Heights at which the curves bear their names, so that neighbours do not collide. */
const NAME_SHARES = [0.66, 0.5, 0.34] as const;

/**
 * Certified (solid) and attacked (dashed) accuracy of every network over the length of changes; where not all digits
 * were attacked, a thin solid curve of those that were.
 */
export function tourRobustnessChart(
  arms: readonly Arm[],
  epsilons: readonly number[],
  axis: PlotAxis,
): Markup {
  const tried = epsilons.map((epsilon) => {
    const x = percent(axisX(axis, epsilon));
    return html`<line class="tried" x1="${x}" x2="${x}" y1="8" y2="${HEIGHT - 8}"/>`;
  });
  return linearFrame(
    HEIGHT,
    quarterLabels(),
    html`${shareGrid(QUARTERS, HEIGHT)}${axisMarks(axis, HEIGHT, "ε, length of the change (ℓ2)")}${tried}${arms.map((arm) => curvesOf(arm, axis))}${stops(arms, axis)}${arms.map((arm) => marksOf(arm, axis))}${arms.map((arm, i) => nameOf(arm, i, axis))}`,
    "Certified and attacked accuracy over the length of changes",
  );
}

function curvesOf({ name, certificates }: Arm, axis: PlotAxis): Markup {
  const { radii, settings } = certificates;
  const certified = survivalPath(radii.values, axis, axis.high, HEIGHT);
  const solid = stretched(certified, `line ${name}`, HEIGHT);
  if (certificates.attackedPoints === 0) return solid;
  // Changes that were not found are longer than any ε that was tried.
  const changes = radii.attacked.map((distance) => distance ?? Infinity);
  const attacked = survivalPath(changes, axis, settings.epsilons.at(-1) ?? 0, HEIGHT);
  const compared = isSampled(certificates)
    ? stretched(
        survivalPath(attackedRadii(certificates), axis, axis.high, HEIGHT),
        `line thin ${name}`,
        HEIGHT,
      )
    : null;
  return html`${compared}${solid}${stretched(attacked, `line dash ${name}`, HEIGHT)}`;
}

/** Certified radii of the digits that were attacked. */
function attackedRadii({ radii, attackedPoints }: CertifyReport): readonly number[] {
  return radii.values.slice(0, attackedPoints);
}

function marksOf({ name, report, certificates }: Arm, axis: PlotAxis): Markup {
  const marks = certificates.settings.epsilons.map((epsilon) => {
    const key = String(epsilon);
    const x = percent(axisX(axis, epsilon));
    const attacked = report.attacked[key];
    return html`${attacked === undefined ? null : armMark(name, x, shareY(attacked, HEIGHT), false)}${armMark(name, x, shareY(report.certified[key] ?? 0, HEIGHT), true)}`;
  });
  return html`${marks}`;
}

/** Beside its certified curve, where this has come down to a share of its beginning. */
function nameOf({ name, certificates: { radii, clean } }: Arm, i: number, axis: PlotAxis): Markup {
  const share = NAME_SHARES[i % NAME_SHARES.length] * clean;
  const x = axisX(axis, share > 0 ? radiusHeldBy(radii.values, share) : 0);
  return html`<text class="direct" x="${percent(x)}" dx="7" y="${shareY(share, HEIGHT)}">${name}</text>`;
}

function stops(arms: readonly Arm[], axis: PlotAxis): Markup[] {
  const width = 97 / STOPS;
  return Array.from({ length: STOPS }, (_, n) => {
    const at = 1 + width * (n + 0.5);
    const length = lengthAt(axis, (n + 0.5) / STOPS);
    const x = percent(at);
    return html`<g class="column guided"><title>${tip(arms, length)}</title><rect class="hit" x="${percent(at - width / 2)}" width="${percent(width)}" height="${HEIGHT}"/><line class="guide" x1="${x}" x2="${x}" y1="0" y2="${HEIGHT}"/></g>`;
  });
}

/** Three digits of the length that lies at a share of an axis, by halving. */
function lengthAt(axis: PlotAxis, share: number): number {
  let [low, high] = [0, axis.high];
  for (let k = 0; k < 40; k++) {
    const middle = (low + high) / 2;
    if (axis.share(middle) < share) low = middle;
    else high = middle;
  }
  return Number(formatNumber(high, 3));
}

/** The exact shares at a length. */
function tip(arms: readonly Arm[], length: number): string {
  const parts = arms.map(({ name, certificates }) => {
    const { radii, points, attackedPoints, settings } = certificates;
    const longer = (lengths: readonly number[]) => lengths.filter((radius) => radius > length).length;
    const left = radii.attacked.filter((distance) => distance === null || distance > length).length;
    const reached = attackedPoints > 0 && length <= (settings.epsilons.at(-1) ?? 0);
    const sample = shareText(longer(attackedRadii(certificates)) / attackedPoints, attackedPoints);
    const of = isSampled(certificates) ? ` (of these ${sample} certified)` : "";
    const attacked = reached ? `, attacked ${shareText(left / attackedPoints, attackedPoints)}${of}` : "";
    return `${name}: certified ${shareText(longer(radii.values) / points, points)}${attacked}`;
  });
  return [`changes up to ${length}`, ...parts].join(" · ");
}
