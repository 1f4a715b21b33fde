import { shareText } from "../../audit/certify-text.ts";
import { formatCount, formatInterval, formatNumber, formatUpper } from "../../audit/format-number.ts";
import { html, type Markup } from "../../audit/html/markup.ts";
import { percent } from "../../audit/html/scale.ts";
import { VERSION } from "../../version.ts";
import type { TourStory } from "../schema.ts";
import { type Arm, armName, DESCRIPTIONS, INTERVAL_DIGITS } from "./arms.ts";
import { SIDE } from "./pictures.ts";

const GAUGE_HEIGHT = 6;
const PUBLISHED_EPSILONS: readonly number[] = [0.3, 1.58];

/** The story in a minute: as good as each other at reading, unlike in what can be promised. */
export function headline(story: TourStory, arms: readonly Arm[]): Markup {
  const { report, settings } = story;
  const device = report.device === "native" ? "onnxruntime" : "jax-js";
  const facts = [
    `lipschitz ${VERSION}`,
    `seed ${report.seed}`,
    `trained by ${device} in batches of ${settings.batch}`,
    `attacked with ${settings.attackSteps} steps of PGD`,
    `${formatNumber(report.seconds, 2)} s in all`,
  ];
  return html`<section aria-label="Result"><p class="opening">${opening(story, arms)}</p>
<div class="trio cards">${arms.map((arm) => card(arm, report.data.test, mainEpsilons(epsilonsOf(arms))))}</div>
<p class="fine">${lengthSentence(epsilonsOf(arms))} ${facts.join(" · ")}.</p></section>`;
}

function opening({ report }: TourStory, arms: readonly Arm[]): string {
  const { test } = report.data;
  const [worst, best] = rangeOf(arms.map((arm) => shareText(arm.report.accuracy, test)));
  const sizes = new Set(arms.map(({ audit }) => audit.model.parameters));
  const size = sizes.size === 1 ? ` of the same size, ${formatCount([...sizes][0])} parameters each,` : "";
  const read = worst === best ? worst : `${worst} to ${best}`;
  return `${countWord(arms.length)}${size} read handwritten digits. Of ${formatCount(test)} digits that they had not seen they read ${read} correctly. They differ in how steep they are, and so in what can be promised: a digit is certified at ε when no change of length ε, whatever it is, alters what the network reads.`;
}

function countWord(count: number): string {
  return count === 3 ? "Three networks" : count === 1 ? "One network" : `${count} networks`;
}

function rangeOf(shares: readonly string[]): readonly [string, string] {
  const sorted = shares.toSorted((a, b) => Number.parseFloat(a) - Number.parseFloat(b));
  return [sorted[0], sorted[sorted.length - 1]];
}

/** Every ε that was certified, ascending. */
export function epsilonsOf(arms: readonly Arm[]): number[] {
  return [...new Set(arms.flatMap(({ certificates }) => certificates.settings.epsilons))].sort(
    (a, b) => a - b,
  );
}

/** Those of the published tables, where they were certified; else the least and the largest. */
export function mainEpsilons(epsilons: readonly number[]): number[] {
  const published = epsilons.filter((epsilon) => PUBLISHED_EPSILONS.includes(epsilon));
  const ends = epsilons.filter((_, i) => i === 0 || i === epsilons.length - 1);
  return published.length > 0 ? published : ends;
}

/** What the largest ε is in pixels. */
function lengthSentence(epsilons: readonly number[]): string {
  const most = epsilons.at(-1);
  if (most === undefined) return "";
  return `Lengths are ℓ2 over the ${SIDE * SIDE} pixels, which go from 0 to 1: one of ${most} is as much as ${formatNumber(most * most, 2)} pixels turned from white to black, or ${formatNumber(most / SIDE, 2)} on every pixel.`;
}

function card({ name, report }: Arm, test: number, epsilons: readonly number[]): Markup {
  const { lower, upper, guarantee } = report.lipschitz;
  const figure =
    upper === null
      ? html`<p class="figure none">No finite bound</p><p class="unit">on how far a change of the picture moves the scores.</p>`
      : html`<p class="figure">${formatInterval(lower, upper, INTERVAL_DIGITS)}</p><p class="unit">No change of a picture moves the scores more than ${formatUpper(upper)} times as far (Lipschitz constant, ${guarantee}).</p>`;
  const shares = [
    share("Reads correctly", report.accuracy, test, name),
    ...epsilons.map((epsilon) =>
      share(`Certified at ${epsilon}`, report.certified[String(epsilon)] ?? 0, test, name),
    ),
  ];
  return html`<div class="card ${name}"><h3>${armName(name)}</h3><p class="recipe">${DESCRIPTIONS[name]}</p>${figure}<dl class="shares">${shares}</dl></div>`;
}

function share(label: string, value: number, of: number, name: string): Markup {
  const bar = html`<svg class="chart gauge" width="100%" height="${GAUGE_HEIGHT}" aria-hidden="true"><rect class="track" width="100%" height="${GAUGE_HEIGHT}" rx="3"/><rect class="sure ${name}" width="${percent(100 * value)}" height="${GAUGE_HEIGHT}" rx="3"/></svg>`;
  return html`<div><dt>${label}</dt><dd>${shareText(value, of)}</dd>${bar}</div>`;
}
