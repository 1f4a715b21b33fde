import type { CertifyReport } from "../certify-schema.ts";
import { attackSentence, boundSentence, promiseSentence } from "../certify-text.ts";
import { html, type Markup } from "./markup.ts";

const ATTACK_LIMITS =
  " What an attack does not find may still exist: its accuracy lies above the true one, certified accuracy below. A point that withstands in one ball counts as withstanding in the smaller ones.";

/** What the numbers claim, what they rest on, and what they do not say. */
export function certifyMeaning(report: CertifyReport): Markup {
  const { settings } = report;
  const scaled = settings.scale !== 1 || settings.shift !== 0;
  const items: readonly (readonly [string, string])[] = [
    [
      "Certified radius",
      `${promiseSentence(report)} A point that is classified wrongly, or by a tie, has radius 0.`,
    ],
    ["Bound", boundSentence(report)],
    ["Attack", `${attackSentence(report)}${settings.attack === "none" ? "" : ATTACK_LIMITS}`],
    [
      "Units",
      `Lengths are of changes of the data as stored${scaled ? "; scale and shift belong to the network, and their rounding is included" : ""}. Clipping a change to a box that holds the point, such as the range of pixels, only shortens it, so radii stay valid. Rounding to whole pixels or to float32 is a change like any other and counts towards the length.`,
    ],
    [
      "Not claimed",
      "Nothing about other points, other kinds of change, or what a float16 or int8 runtime computes from these weights.",
    ],
  ];
  const list = items.map(([term, text]) => html`<div><dt>${term}</dt><dd>${text}</dd></div>`);
  return html`<section aria-labelledby="meaning-title"><div class="section-head"><h2 id="meaning-title">What the numbers mean</h2></div><dl class="meaning">${list}</dl></section>`;
}
