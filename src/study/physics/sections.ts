import type { Line, LinesFigure } from "../figures.ts";
import { descent } from "../simulators/landing.ts";
import { metricAt } from "../statistics.ts";
import type { RunRecord, Section, StudyResults } from "../study.ts";
import { ARMS, capitalised, curvesOf, QUESTIONS, questionOf, runsOf, type SystemKey } from "./questions.ts";
import type { Curves, Series, TrialDetail } from "./trial.ts";

const ROLLED = QUESTIONS.filter(({ setting }) => setting.system !== "landing");
const STOPS = [
  { which: "equal", said: "at equal one-step error" },
  { which: "full", said: "after the whole budget" },
] as const;

/** The report's pictures of them. */
export function sections(results: StudyResults): Section[] {
  return [
    {
      id: "bounded",
      title: "Do roll-outs stay within what was ever seen?",
      lead: "The largest |x| of any roll-out so far, as a multiple of the largest in training, for networks after the whole budget. Steps go to a hundred times the length of a training path. A line that rises beyond 10 has left its bounds; a level line is what these systems do.",
      figure: curvesFigure(results, "full", ({ peak }) => peak, {
        x: { label: "step", scale: "log" },
        y: { label: "largest |x|, of the training’s largest", scale: "log", low: 0.1, high: 1e4 },
      }),
    },
    {
      id: "error",
      title: "How soon they part from the truth",
      lead: "nRMSE, the length of the error over the length of the true state, averaged over roll-outs, for networks at equal one-step error: at 1 nothing is left of the prediction. Lines that start together and part show that one-step errors do not tell how a roll-out ends. Chaos parts any two solutions in time.",
      figure: curvesFigure(results, "equal", ({ error }) => error, {
        x: { label: "step", scale: "log" },
        y: { label: "nRMSE", scale: "log", low: 1e-3, high: 1e2 },
      }),
    },
    {
      id: "landing",
      title: "Landing on a learned cushion of air",
      lead: "Height of one landing per seed; dashed: the height wanted. A controller that trusts a steep, wrong force fights its own noise.",
      figure: landingFigure(results),
    },
    {
      id: "bound",
      title: "What one-step errors can add up to, and what they do",
      lead: "The error of a roll-out after n steps, and dashed what it can be at most: Δ·Σ Kⁱ for i < n, where Δ is the largest one-step error on the true path and K is proved from the weights. A smaller K makes the bound less steep; it stays far above what is measured.",
      figure: boundFigure(results),
    },
    {
      id: "frontier",
      title: "The curve over c: what is bounded",
      lead: "Share of roll-outs that are bounded at 100 training horizons, against the cap c on f. Level lines: the arms without a cap.",
      figure: frontierFigure(
        results,
        { equal: "bounded.100", full: "full.bounded100" },
        { label: "share bounded", high: 1 },
      ),
    },
    {
      id: "accuracy",
      title: "The curve over c: what it costs",
      lead: "nRMSE of the same roll-outs. A cap below the steepness of the truth cannot follow it; beyond that, more room is room for noise as well.",
      figure: frontierFigure(
        results,
        { equal: "error", full: "full.error" },
        { label: "nRMSE", scale: "log" },
      ),
    },
  ];
}

function curvesFigure(
  results: StudyResults,
  which: keyof TrialDetail,
  pick: (curves: Curves) => Series,
  axes: Pick<LinesFigure, "x" | "y">,
): LinesFigure {
  return {
    kind: "lines",
    ...axes,
    panels: ROLLED.map(({ title, setting }) => ({
      title: capitalised(title),
      lines: linesOf(results, setting.system, (record) => {
        const curves = curvesOf(record, which);
        return curves === null ? [] : [pick(curves)];
      }),
    })),
  };
}

function linesOf(
  results: StudyResults,
  system: SystemKey,
  curves: (record: RunRecord) => readonly Series[],
): Line[] {
  return ARMS.map(({ name }) => ({ arm: name, runs: runsOf(results, system, name).flatMap(curves) }));
}

function landingFigure(results: StudyResults): LinesFigure {
  const seconds = Array.from({ length: 101 }, (_, i) => i / 10);
  const wanted = { x: seconds, y: seconds.map((time) => descent(1.5)(time)[0]) };
  return {
    kind: "lines",
    x: { label: "seconds" },
    y: { label: "height, m", low: -1, high: 3 },
    panels: STOPS.map(({ which, said }) => ({
      title: capitalised(said),
      lines: [
        { arm: null, name: "height wanted", runs: [wanted] },
        ...linesOf(results, "landing", ({ detail }) => [(detail as unknown as TrialDetail)[which] as Series]),
      ],
    })),
  };
}

function boundFigure(results: StudyResults): LinesFigure {
  const shown = ROLLED.filter(({ setting }) => setting.system !== "kuramoto");
  return {
    kind: "lines",
    x: { label: "step", scale: "log" },
    y: { label: "length of the error", scale: "log", low: 1e-5, high: 1e5 },
    panels: shown.map(({ title, setting }) => {
      const each = (key: "measured" | "bound") =>
        linesOf(results, setting.system, (record) => {
          const found = curvesOf(record, "equal")?.bound;
          return found ? [{ x: found.steps, y: found[key] }] : [];
        });
      const dashed = each("bound").map((line) => ({ ...line, dashed: true }));
      return { title: capitalised(title), lines: [...each("measured"), ...dashed] };
    }),
  };
}

/** A number against c, one curve per seed; level lines for the arms without a cap. */
function frontierFigure(
  results: StudyResults,
  keys: Readonly<Record<(typeof STOPS)[number]["which"], string>>,
  y: LinesFigure["y"],
): LinesFigure {
  return {
    kind: "lines",
    x: { label: "c", scale: "log" },
    y,
    panels: (["damped", "heat"] as const)
      .filter((system) => frontierRuns(results, system).length > 0)
      .flatMap((system) =>
        STOPS.map(({ which, said }) => {
          const { title } = questionOf(system);
          const runs = [...runsOf(results, system, "spectral"), ...frontierRuns(results, system)];
          const caps = [...new Set(runs.map(capOf))].sort((a, b) => a - b);
          const curve = (own: readonly RunRecord[]) => ({
            x: caps,
            y: caps.map((cap) => metricAt(own.find((run) => capOf(run) === cap)?.metrics ?? {}, keys[which])),
          });
          const seeds = [...new Set(runs.map(({ task }) => task.seed))];
          const level = (["none", "decay"] as const).map((arm) => ({
            arm,
            runs: runsOf(results, system, arm).map(({ metrics }) => {
              const value = metricAt(metrics, keys[which]);
              return { x: caps, y: caps.map(() => value) };
            }),
          }));
          const own = seeds.map((seed) => curve(runs.filter(({ task }) => task.seed === seed)));
          return {
            title: `${capitalised(title)}, ${said}`,
            lines: [...level, { arm: "spectral", runs: own }],
          };
        }),
      ),
  };
}

function frontierRuns(results: StudyResults, system: SystemKey): readonly RunRecord[] {
  return results.records("frontier", "spectral").filter(({ task }) => task.setting.system === system);
}

function capOf({ task }: RunRecord): number {
  return task.setting.cap as number;
}
