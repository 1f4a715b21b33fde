import { formatInterval, formatUpper } from "../../audit/format-number.ts";
import { cascadeChart, cascadeScale } from "../../audit/html/charts/cascade.ts";
import { figureSection } from "../../audit/html/document.ts";
import { html, type Markup } from "../../audit/html/markup.ts";
import { type Cascade, cascadeOf, formatCumulative, unlinked } from "../../audit/report-cascade.ts";
import type { AuditReport } from "../../audit/schema.ts";
import { type Arm, armName } from "./arms.ts";
import { SIDE } from "./pictures.ts";

/** The running products beside each other, on one scale, after what the networks are made of. */
export function cascadeSection(arms: readonly Arm[]): Markup {
  const cascades = arms.map(({ audit }) => unlinked(cascadeOf(audit)));
  const scale = cascadeScale(cascades);
  const drawings = arms.map(({ name, audit }, i) => {
    const ends = html`<div class="chart-name"><h3>${armName(name)}</h3><span class="ends">${ending(audit, cascades[i])}</span></div>`;
    return html`<div>${ends}${cascadeChart(cascades[i], scale, name)}</div>`;
  });
  return figureSection(
    "cascade",
    "From the picture to the scores: the cascade",
    html`Each weight stretches a change of what it gets at most by its σ₁, each activation at most by 1. So the running product, step by step, bounds how far a change of the picture can have grown (log axis, one scale for all; proved of the exported files).`,
    layersOf(arms[0].audit),
    html`<div class="trio panels" data-drawing>${drawings}</div>`,
  );
}

/** Where the product ends, and the bound of the whole where that is another. */
function ending({ network }: AuditReport, { steps, isBound, caption }: Cascade): string {
  const last = steps.at(-1);
  if (!isBound || last === undefined) return caption;
  const whole = network?.lipschitz.upper ?? null;
  const product = `product ${formatCumulative(last)}`;
  return whole === null || formatUpper(whole) === formatCumulative(last)
    ? product
    : `${product}; as a whole ${formatInterval(network?.lipschitz.lower ?? null, whole)}`;
}

/** The picture, the values after each weight, and the weights between them. */
function layersOf({ layers }: AuditReport): Markup {
  const widths = widthsOf(layers.map(({ shape }) => shape));
  const last = widths.length - 1;
  const names = widths.map((_, i) =>
    i === 0 ? "pixels" : i === last ? "scores, one per digit" : "hidden units",
  );
  const items = widths.map(
    (width, i) =>
      html`<li>${i === 0 ? null : html`<span class="arrow">–&thinsp;W<sub>${i}</sub>&thinsp;→</span>`}<span class="layer-box"><b>${width}</b>${names[i]}</span></li>`,
  );
  return html`<ol class="flow" aria-label="${`Layers of every network: ${widths.join("-")}`}">${items}</ol>`;
}

/** How many values lie before, between and after matrices in either layout (rows by columns, or columns by rows). */
export function widthsOf(shapes: readonly (readonly number[])[]): number[] {
  const widths = [SIDE * SIDE];
  for (const [a, b] of shapes) widths.push(widths[widths.length - 1] === b ? a : b);
  return widths;
}
