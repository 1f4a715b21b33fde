import { formatCount, formatLower, formatNumber, formatUpper } from "../../audit/format-number.ts";
import { html, type Markup } from "../../audit/html/markup.ts";
import type { FooledDigit, TourStory } from "../schema.ts";
import { armName } from "./arms.ts";
import { rulerChart } from "./charts/ruler.ts";
import { changePicture, digitPicture } from "./pictures.ts";

type Turned = FooledDigit["turned"][number];

/** What all pictures and rulers of the section share, so that they can be compared. */
interface Scales {
  /** The largest change of a pixel, drawn in full colour. */
  readonly change: number;
  /** The longest change or radius: the end of every ruler. */
  readonly length: number;
}

/** Digits under attack: how little it takes to turn each network, and below which length nothing can. */
export function digitsSection({ digits }: TourStory): Markup | null {
  if (digits.length === 0) return null;
  const scales = scalesOf(digits);
  const outside = digits.some(({ turned }) =>
    turned.some(({ change }) => change?.pixels.some((value) => value < 0 || value > 1)),
  );
  const clipped = outside
    ? " The attack may leave the range of pixels, 0 to 1; what lies beyond is drawn as black or white."
    : "";
  return html`<section aria-labelledby="digits-title"><div class="section-head"><h2 id="digits-title">How little it takes</h2></div>
<p class="lead">For each digit and network: the shortest change that the attack found, then the picture with that change, which the network reads as something else.${clipped} The ruler begins at 0; along its bar no change whatsoever can turn the digit (certified), its mark is the change shown, and what lies between is open. All pictures share one scale of colour, all rulers one length.</p>
<ul class="legend"><li><span class="swatch more"></span>ink added</li><li><span class="swatch less"></span>ink removed; full colour is ${formatNumber(scales.change, 2)} of the way from white to black</li></ul>
<ol class="digits">${digits.map((digit) => digitRow(digit, scales))}</ol></section>`;
}

function scalesOf(digits: readonly FooledDigit[]): Scales {
  let [change, length] = [0, 0];
  for (const { pixels, turned } of digits) {
    for (const { change: found, certifiedRadius } of turned) {
      length = Math.max(length, certifiedRadius, found?.distance ?? 0);
      if (found === null) continue;
      for (const [i, value] of found.pixels.entries()) change = Math.max(change, Math.abs(value - pixels[i]));
    }
  }
  return { change, length };
}

function digitRow(digit: FooledDigit, scales: Scales): Markup {
  const { index, label, pixels } = digit;
  const original = html`<div class="original"><img class="picture ink" src="${digitPicture(pixels)}" alt="${`A handwritten ${label}`}" width="28" height="28"><span><b>a ${label}</b><br>digit ${formatCount(index)}</span></div>`;
  return html`<li>${original}${digit.turned.map((turned) => turnedFigure(digit, turned, scales))}</li>
`;
}

function turnedFigure(
  { label, pixels }: FooledDigit,
  { name, change, certifiedRadius }: Turned,
  scales: Scales,
): Markup {
  const certified = html`certified ${formatLower(certifiedRadius, 3)}`;
  const ruler = rulerChart(name, certifiedRadius, change?.distance ?? null, scales.length);
  if (change === null) {
    return html`<figure class="turned"><div class="pair"><span class="picture none">no change<br>found</span></div><figcaption class="says">${armName(name)}<br><span class="sees">still reads ${label}</span>${certified}</figcaption>${ruler}</figure>`;
  }
  const difference = change.pixels.map((value, i) => value - pixels[i]);
  return html`<figure class="turned"><div class="pair"><img class="picture change" src="${changePicture(difference, scales.change)}" alt="the change" width="28" height="28"><img class="picture ink" src="${digitPicture(change.pixels)}" alt="${`the changed picture, which ${name} reads as ${change.predicted}`}" width="28" height="28"></div><figcaption class="says">${armName(name)}<br><span class="sees">reads ${change.predicted}</span>length ${formatUpper(change.distance, 3)}<br>${certified}</figcaption>${ruler}</figure>`;
}
