import { html, type Markup } from "../../audit/html/markup.ts";
import type { TourName, TourNetwork, TourNetworkReport, TourStory } from "../schema.ts";

/** Of a Lipschitz constant: what an orthonormal network's has beyond, nobody compares. */
export const INTERVAL_DIGITS = 4;

/** One network of the story, with what the tour's report says of it. */
export interface Arm extends TourNetwork {
  readonly report: TourNetworkReport;
}

/** The networks of a story that its report has too, in the story's order. */
export function armsOf({ networks, report }: TourStory): Arm[] {
  return networks.flatMap((network) => {
    const own = report.networks.find(({ name }) => name === network.name);
    return own === undefined ? [] : [{ ...network, report: own }];
  });
}

/** What makes each network what it is, in a line. */
export const DESCRIPTIONS: Readonly<Record<TourName, string>> = {
  plain: "ReLU; its weights grow as they like",
  spectral: "Each weight divided by its σ₁; MaxMin",
  orthonormal: "Every singular value at 1 (Björck); MaxMin",
};

/** Each network's shape, so that colour is never alone; about 10 px wide round the origin. */
const SHAPES: Readonly<Record<TourName, string>> = {
  plain: "M-5 0A5 5 0 1 0 5 0A5 5 0 1 0 -5 0Z",
  spectral: "M-4.5 -4.5H4.5V4.5H-4.5Z",
  orthonormal: "M0 -5.5L5.5 4.5H-5.5Z",
};

/** A network's mark at a place of a plot: filled for what is certified, hollow for what an attack found. */
export function armMark(name: TourName, x: string, y: number, filled: boolean): Markup {
  return html`<svg x="${x}" y="${y}" overflow="visible"><path class="mark ${name}${filled ? "" : " hollow"}" d="${SHAPES[name]}"/></svg>`;
}

/** A network's mark and name, as a heading of what is its own. */
export function armName(name: TourName): Markup {
  return html`<span class="arm">${markKey(name)}${name}</span>`;
}

/** A network's mark for text and legends; no part of saved charts. */
export function markKey(name: TourName, filled = true): Markup {
  return html`<svg class="chart key" width="14" height="14" aria-hidden="true">${armMark(name, "50%", 7, filled)}</svg>`;
}
