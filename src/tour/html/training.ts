import { formatNumber } from "../../audit/format-number.ts";
import { linearAxis, logAxis, type PlotAxis } from "../../audit/html/charts/axis.ts";
import { figureSection } from "../../audit/html/document.ts";
import { html, type Markup } from "../../audit/html/markup.ts";
import { type Arm, armName } from "./arms.ts";
import { type Curve, curvesChart } from "./charts/curves.ts";
import { runningMean } from "./running-mean.ts";
import { choiceOf, variants } from "./variants.ts";

/** Losses this far below the largest are drawn at the foot of a log axis: a hinge reaches 0. */
const DEEPEST = 1e-4;
/** Layers are told apart by their lines; a fourth begins again. */
const DASHES = ["", " dash", " dots"] as const;

/** Loss and steepness while the networks learn. */
export function trainingSections(arms: readonly Arm[]): Markup {
  return html`${lossSection(arms)}${sigmaSection(arms)}`;
}

function lossSection(arms: readonly Arm[]): Markup {
  const most = Math.max(...arms.flatMap(({ training }) => maximum(training.loss)));
  const all = arms.flatMap(({ training }) => training.loss.filter((value) => value >= DEEPEST * most));
  const x = stepAxis(arms);
  const draw = (y: PlotAxis) =>
    trio(arms, (arm) => html`${chartName(arm, endOfLoss(arm))}${lossChart(arm, x, y)}`);
  return figureSection(
    "loss",
    "What each network learns from: the loss",
    "The loss of every step’s batch: thin as it was, thick its running mean. The networks do not all learn from the same loss, so compare shapes, not heights.",
    null,
    variants({ log: draw(logAxis(all)), linear: draw(linearAxis(1.02 * most)) }, "log"),
    html`${choiceOf("log")}<button type="button" data-save-csv="training">Save CSV</button>`,
  );
}

function lossChart({ name, training }: Arm, x: PlotAxis, y: PlotAxis): Markup {
  const { steps, loss } = training;
  const { mean, window } = runningMean(loss);
  return curvesChart({
    steps,
    curves: [
      { values: loss, kind: `line raw ${name}` },
      { values: mean, kind: `line mean ${name}` },
    ],
    x,
    y,
    label: `${name}: loss over the steps of training`,
    tip: (i) =>
      `step ${steps[i]} · loss ${formatNumber(loss[i], 3)} · mean of ${window} steps ${formatNumber(mean[i], 3)}`,
  });
}

function endOfLoss({ training: { loss } }: Arm): string {
  return `at the end ${formatNumber(runningMean(loss).mean[loss.length - 1], 3)}`;
}

function sigmaSection(arms: readonly Arm[]): Markup {
  const all = arms.flatMap(({ training }) => training.sigma.flatMap(({ values }) => values));
  const x = stepAxis(arms);
  const draw = (y: PlotAxis) =>
    trio(arms, (arm) => html`${chartName(arm, endOfSigma(arm))}${sigmaChart(arm, x, y)}`);
  return figureSection(
    "sigma",
    "What training does to the steepness of each layer",
    "σ₁ of a layer’s weight is the most by which it can stretch a change of what it gets. Here it is as estimated at every step; the exported weights are bounded with proof below.",
    sigmaLegend(arms),
    variants({ log: draw(logAxis([1, ...all])), linear: draw(linearAxis(1.04 * maximum(all))) }, "log"),
    html`${choiceOf("log")}<button type="button" data-save-csv="training">Save CSV</button>`,
  );
}

function sigmaChart({ name, training: { steps, sigma } }: Arm, x: PlotAxis, y: PlotAxis): Markup {
  const curves = sigma.map(({ values }, i): Curve => ({ values, kind: `line ${name}${dashOf(i)}` }));
  return curvesChart({
    steps,
    curves,
    x,
    y,
    label: `${name}: σ₁ of each layer over the steps of training`,
    tip: (i) =>
      `step ${steps[i]} · ${sigma.map(({ layer, values }) => `${layer} ${formatNumber(values[i], 4)}`).join(" · ")}`,
  });
}

function endOfSigma({ training: { sigma } }: Arm): string {
  return `at the end ${sigma.map(({ values }) => formatNumber(values[values.length - 1], 3)).join(", ")}`;
}

/** Which line is which layer; layers at the same place are the same line in every network. */
function sigmaLegend(arms: readonly Arm[]): Markup {
  const count = Math.max(...arms.map(({ training }) => training.sigma.length));
  const items = Array.from({ length: count }, (_, i) => {
    const names = new Set(arms.flatMap(({ training }) => training.sigma[i]?.layer ?? []));
    return html`<li><svg class="chart" width="34" height="14" aria-hidden="true"><line class="key-line${dashOf(i)}" x1="0" x2="34" y1="7" y2="7"/></svg>${[...names].join(" / ")}</li>`;
  });
  return html`<ul class="legend">${items}</ul>`;
}

function dashOf(i: number): string {
  return DASHES[i % DASHES.length];
}

function chartName({ name }: Arm, ends: string): Markup {
  return html`<div class="chart-name"><h3>${armName(name)}</h3><span class="ends">${ends}</span></div>`;
}

/** The networks beside each other, each with its own. */
export function trio(arms: readonly Arm[], draw: (arm: Arm) => Markup): Markup {
  return html`<div class="trio panels">${arms.map((arm) => html`<div>${draw(arm)}</div>`)}</div>`;
}

function stepAxis(arms: readonly Arm[]): PlotAxis {
  return linearAxis(Math.max(...arms.map(({ training }) => training.steps.at(-1) ?? 1)), 2);
}

function maximum(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), 0);
}
