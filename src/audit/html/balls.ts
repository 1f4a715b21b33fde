import { formatNumber } from "../format-number.ts";
import { steepestBalls } from "../report-network.ts";
import type { AuditReport } from "../schema.ts";
import { ballsChart } from "./charts/balls.ts";
import { figureSection } from "./document.ts";
import { html, type Markup } from "./markup.ts";

/** Bounds over balls round given points, steepest first, beside the bound over all inputs; nothing without points. */
export function ballsSection({ network }: AuditReport): Markup | null {
  if (network?.local === undefined) return null;
  const { radius, points, total } = network.local;
  const left = points.length === total ? "" : ` The first ${points.length} of ${total} points.`;
  return figureSection(
    "balls",
    "Near given points",
    `Each point's Lipschitz bound over the ball of radius ${formatNumber(radius)} (ℓ2) round it: a dot, steepest first, above the norm of the Jacobian at the point, a ring, which is what was seen and no bound.${left}`,
    null,
    html`<div data-drawing>${ballsChart(steepestBalls(network.local), network.lipschitz.upper)}</div>`,
  );
}
