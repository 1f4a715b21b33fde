import { formatNumber } from "../../audit/format-number.ts";
import { linearFrame, shareGrid, shareY } from "../../audit/html/charts/linear.ts";
import { html, type Markup } from "../../audit/html/markup.ts";
import { percent } from "../../audit/html/scale.ts";
import { armTitle } from "../cells.ts";
import type { DotsFigure } from "../figures.ts";
import { finite, summarize } from "../statistics.ts";
import type { Study } from "../study.ts";
import { axisFor } from "./axes.ts";
import { armLegend, hueClass } from "./palette.ts";

const HEIGHT = 220;
const RADIUS = 3.5;
/** Percent of a slot that an arm's mean covers. */
const MEAN_SHARE = 0.7;

type Panel = DotsFigure["panels"][number];

/** A dot per run and a bar at the mean, arms beside each other in every group. */
export function dotsFigure(study: Study, { y, panels, references = [] }: DotsFigure): Markup {
  const all = panels.flatMap(({ groups }) =>
    groups.flatMap(({ values }) => values.flatMap((each) => each.values)),
  );
  const axis = axisFor(y, [...all, ...references.map(({ value }) => value)]);
  const heights = axis.ticks.map(({ value, label }): [number, string] => [axis.share(value), label]);
  const lines = references.map(({ value }) => {
    const at = shareY(axis.share(value), HEIGHT);
    return html`<line class="line reference" x1="0" x2="100%" y1="${at}" y2="${at}"/>`;
  });
  const drawn = panels.map((panel) => {
    const plot = html`${shareGrid(
      heights.map(([share]) => share),
      HEIGHT,
    )}${lines}${groupsOf(study, panel, axis.share)}`;
    return html`<div><h3>${panel.title}</h3><p class="note">${y.label}</p>${linearFrame(HEIGHT, heights, plot, `${panel.title}: ${y.label}`)}</div>`;
  });
  const arms = new Set(
    panels.flatMap(({ groups }) => groups.flatMap(({ values }) => values.map(({ arm }) => arm))),
  );
  return html`${armLegend(
    study,
    arms,
    references.map(({ name }) => name),
  )}<div class="plots">${drawn}</div>`;
}

function groupsOf(study: Study, { groups }: Panel, share: (value: number) => number): Markup[] {
  return groups.map(({ name, values }, g) => {
    const left = (100 * g) / groups.length;
    const slot = 100 / groups.length / (values.length + 1);
    const columns = values.map((each, i) => {
      const at = left + slot * (i + 1);
      return column(study, each.arm, name, each.values, at, slot, share);
    });
    const label = html`<text class="tick" x="${percent(left + 50 / groups.length)}" y="${HEIGHT + 8}" text-anchor="middle">${name}</text>`;
    return html`${columns}${label}`;
  });
}

function column(
  study: Study,
  arm: string,
  group: string,
  values: readonly (number | null)[],
  at: number,
  slot: number,
  share: (value: number) => number,
): Markup {
  const numbers = finite(values);
  const { mean, std } = summarize(values);
  const hue = hueClass(study, arm);
  const x = percent(at);
  const said = mean === null ? "no number" : `${formatNumber(mean, 3)} ± ${formatNumber(std ?? 0, 3)}`;
  const tip = `${[group, armTitle(study, arm)].filter((part) => part !== "").join(" · ")}: ${said}`;
  const dots = numbers.map(
    (value) =>
      html`<circle class="mark ${hue}" cx="${x}" cy="${shareY(share(value), HEIGHT)}" r="${RADIUS}"/>`,
  );
  const y = mean === null ? null : shareY(share(mean), HEIGHT);
  const half = (MEAN_SHARE * slot) / 2;
  const bar =
    y === null
      ? null
      : html`<line class="line mean mean-bar ${hue}" x1="${percent(at - half)}" x2="${percent(at + half)}" y1="${y}" y2="${y}"/>`;
  return html`<g class="column"><title>${tip}</title><rect class="hit" x="${percent(at - slot / 2)}" width="${percent(slot)}" height="${HEIGHT}"/>${dots}${bar}</g>`;
}
