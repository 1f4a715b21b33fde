import { html, type Markup, trusted } from "../../audit/html/markup.ts";
import type { Point, PointsFigure } from "../figures.ts";
import type { Study } from "../study.ts";
import { hueClass } from "./palette.ts";

/** Seconds a frame stays. */
const FRAME_SECONDS = 0.8;
/** Radii as shares of the half-width. */
const DOT = 0.012;
const TARGET = 0.03;

type Panel = PointsFigure["panels"][number];

/** Clouds of points; frames follow each other in an endless film, the last of them where motion is not wanted. */
export function pointsFigure(study: Study, { extent, panels }: PointsFigure): Markup {
  const drawn = panels.map(
    (panel) =>
      html`<figure><h3>${panel.title}</h3>${cloud(study, panel, extent)}${
        panel.note === undefined ? null : html`<figcaption class="note">${panel.note}</figcaption>`
      }</figure>`,
  );
  return html`<div class="plots" style="--least:200px">${drawn}</div>`;
}

function cloud(study: Study, { title, arm, targets, frames }: Panel, extent: number): Markup {
  const round = (value: number) => Math.round((1000 * value) / extent) / 1000;
  const rings = targets.map(
    ([x, y]) =>
      html`<circle class="target" cx="${round(x)}" cy="${round(-y)}" r="${TARGET}" stroke-width="0.006"/>`,
  );
  const shown = frames.map(({ name, points }, i) => {
    const dots = html`<path class="line mean ${hueClass(study, arm)}" style="stroke-width:${DOT * 2};stroke-linecap:round" d="${dotPath(points, round)}"/><text x="-0.96" y="0.96" style="font-size:.09px;fill:var(--muted)">${name}</text>`;
    return frames.length === 1 ? dots : html`<g ${filmed(i, frames.length)}>${dots}</g>`;
  });
  return html`<svg class="chart cloud" viewBox="-1 -1 2 2" role="img" aria-label="${`${title}: samples`}">${keyframes(frames.length)}${rings}${shown}</svg>`;
}

/** When a frame of a film of n is shown: each in its turn, the last twice as long. */
function keyframes(n: number): Markup | null {
  if (n === 1) return null;
  const shown = (name: string, turns: number) => {
    const end = (100 * turns) / (n + 1);
    return `@keyframes ${name}-${n}{0%,${end}%{visibility:visible}${end + 0.01}%,100%{visibility:hidden}}`;
  };
  return html`<style>${trusted(shown("film", 1) + shown("last", 2))}</style>`;
}

/** The place of frame i in its film; without motion the last one is seen. */
function filmed(i: number, n: number): Markup {
  const isLast = i === n - 1;
  const seconds = (n + 1) * FRAME_SECONDS;
  const delay = i * FRAME_SECONDS - seconds;
  return html`class="film" visibility="${isLast ? "visible" : "hidden"}" style="animation:${isLast ? "last" : "film"}-${n} ${seconds}s step-end ${delay}s infinite"`;
}

/** A dot is a line of no length with a round end: one path for all keeps the page small. */
function dotPath(points: readonly Point[], round: (value: number) => number): string {
  return points.map(([x, y]) => `M${round(x)} ${round(-y)}h0`).join("");
}
