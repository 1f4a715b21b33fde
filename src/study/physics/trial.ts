import { deriveSeed } from "../../audit/seeds.ts";
import { RandomStream } from "../../linalg/random.ts";
import { type Control, spectralNorm, uncontrolled } from "../../train.ts";
import { pendulumEnergy } from "../simulators/pendulum.ts";
import { mean } from "../statistics.ts";
import type { Metric, RunContext, RunResult, Task } from "../study.ts";
import { flightPairs, landingMeasures, landings } from "./flights.ts";
import { type Learnt, learn, relativeError, type Snapshot } from "./learn.ts";
import {
  boundedShare,
  type Energy,
  energies,
  energyDrift,
  massError,
  maximumViolations,
  meanError,
  relativeErrors,
  riseShare,
  stepsUntil,
} from "./measures.ts";
import { drawPairs, drawPaths, type Pairs } from "./pairs.ts";
import { type Activation, evaluate, type Perceptron, steepness } from "./perceptron.ts";
import { rollOut } from "./rollout.ts";
import { type StepErrors, stepErrors, stepStretch } from "./stretch.ts";
import { type System, type SystemName, systemNamed } from "./systems.ts";

/** What a run depends on besides arm, rate and seed. */
export interface TrialSetting {
  readonly system: SystemName | "landing";
  /** Training pairs. */
  readonly rows: number;
  /** Of measurement: a share of the largest |x| at a path's start; for the landing the standard deviation of the force, N. */
  readonly noise: number;
  readonly steps: number;
  /** The one-step validation error at which arms are compared. */
  readonly target: number;
  /** c = Lip(f) that the spectral arm is given. */
  readonly cap: number;
  /** λ of weight decay, for its arm. */
  readonly decay: number;
  /** Roll-outs, or landings. */
  readonly starts: number;
  /** How many training horizons the longest roll-out lasts. */
  readonly horizons: number;
}

/** Curves of one network, thinned. */
export interface Curves {
  /** nRMSE by step, averaged over roll-outs. */
  readonly error: Series;
  /** The largest |x| in any roll-out so far, of the largest in training, by step. */
  readonly peak: Series;
  /** null with a coarse solver. */
  readonly bound: StepErrors | null;
}

export interface Series {
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
}

/** What the figures draw: of the network at the common one-step error, and of the one at the end of its budget. */
export interface TrialDetail {
  readonly equal: Curves | Series;
  readonly full: Curves | Series;
}

const SHAPES: Readonly<Record<"rollout" | "landing", { hidden: readonly number[]; activation: Activation }>> =
  {
    rollout: { hidden: [32, 32], activation: "tanh" },
    landing: { hidden: [25, 30, 15], activation: "relu" },
  };
/** Paths that training pairs are drawn from, and those that judge. */
const PATHS = { train: 10, check: 5 };
const CHECK_ROWS = 2000;
/** Steps in one call of the compiled roll-out. */
const CHUNK = 10;
/** Steps over which roll-outs are compared with the truth: 10 s of the pendulum, APEBench's 200 steps of the fields. */
const COMPARED = { pendulum: 1000, field: 200 };
/** What a relative error counts at most, in means. */
const CEILING = 10;
/** Changes below this share are rounding and small errors: of the first energy in a step, of the first maximum. */
const SLACK = { energy: 1e-4, maximum: 0.01 };
const POINTS = 60;

/** Trains one network on a system, and runs it on from its own results. */
export async function trial(task: Task, context: RunContext): Promise<RunResult> {
  const setting = task.setting as unknown as TrialSetting;
  const stream = (use: number) => new RandomStream(deriveSeed(BigInt(task.seed), use));
  const { system: name, rows, noise } = setting;
  const system = name === "landing" ? null : systemNamed(name);
  const draw = (use: number, count: number, paths: number, sigma: number): Pairs =>
    system === null
      ? flightPairs({ rows: count, noise: sigma }, stream(use))
      : drawPairs(system, { paths, rows: count, noise: sigma }, stream(use));
  const train = draw(1, rows, PATHS.train, noise);
  const found = await trained(task, setting, train, draw(2, CHECK_ROWS, PATHS.check, 0), context);
  const common = { validation: found.full.error, diverged: found.diverged ? 1 : 0 };
  if (task.kind === "sweep") return { metrics: common, detail: null };

  const test = draw(3, CHECK_ROWS, PATHS.check, 0);
  const judge =
    system === null || name === "landing"
      ? landingJudge(setting, train, stream)
      : rollOutJudge(system, name, setting, train, stream(4));
  const measured = async ({ f }: Snapshot) => {
    const { metrics, curves } = await judge(f);
    const all: Judged["metrics"] = { oneStep: oneStepError(f, test), ...metrics };
    return { metrics: all, curves };
  };
  const [equal, full] = [await measured(found.equal), await measured(found.full)];
  return {
    metrics: {
      ...common,
      ...equal.metrics,
      bounded: boundedOf(equal.metrics),
      reached: found.reached ? 1 : 0,
      stopped: found.equal.step,
      full: full.metrics,
    },
    detail: JSON.parse(JSON.stringify({ equal: equal.curves, full: full.curves })),
  };
}

/** Shares by how many training horizons they are after, or the only one there is. */
function boundedOf({ bounded, bounded10, bounded100 }: Judged["metrics"]): Metric {
  return bounded ?? { "10": bounded10, "100": bounded100 };
}

/** The control that makes Lip(f) at most c, shared evenly between the layers; windows of w points take √w of it. */
export function controlFor(arm: string, cap: number, layers: number, window: number | null): Control {
  return arm === "spectral"
    ? spectralNorm({ cap: (cap / Math.sqrt(window ?? 1)) ** (1 / layers) })
    : uncontrolled;
}

function trained(
  task: Task,
  setting: TrialSetting,
  train: Pairs,
  validation: Pairs,
  context: RunContext,
): Promise<Learnt> {
  const { steps, target, system } = setting;
  const { hidden, activation } = SHAPES[system === "landing" ? "landing" : "rollout"];
  const window = system === "landing" ? null : systemNamed(system).window;
  return learn(train, validation, {
    hidden,
    activation,
    control: controlFor(task.arm, setting.cap, hidden.length + 1, window),
    decay: task.arm === "decay" ? setting.decay : 0,
    rate: task.learningRate!,
    steps,
    target,
    seed: task.seed,
    progress: (step) => context.progress(step, 2 * steps),
  });
}

function oneStepError(f: Perceptron, { x, y, inputs, count }: Pairs): number {
  const found = Array.from({ length: count }, (_, row) => [
    ...evaluate(f, x.subarray(row * inputs, (row + 1) * inputs)),
  ]);
  return relativeError(found.flat(), y);
}

interface Judged {
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly curves: Curves | Series;
}

type Judge = (f: Perceptron) => Promise<Judged>;

function landingJudge(
  { starts }: TrialSetting,
  { largest }: Pairs,
  stream: (use: number) => RandomStream,
): Judge {
  return async (f) => {
    const flights = landings(f, starts, stream(4));
    const { z } = flights[0];
    const kept = Array.from({ length: POINTS }, (_, i) => Math.floor((i * z.length) / POINTS));
    return {
      metrics: { ...landingMeasures(flights, largest), lipschitz: await steepness(f) },
      curves: { x: kept.map((i) => i / 100), y: kept.map((i) => rounded(z[i])) },
    };
  };
}

function rollOutJudge(
  system: System,
  name: SystemName,
  { starts, horizons }: TrialSetting,
  { largest }: Pairs,
  stream: RandomStream,
): Judge {
  const isField = system.window !== null;
  const compared = Math.min(horizons * system.horizon, isField ? COMPARED.field : COMPARED.pendulum);
  const truth = drawPaths(system, starts, compared, stream);
  return async (f) => {
    const calls = Math.round((horizons * system.horizon) / CHUNK);
    const roll = await rollOut(system, f, truth[0], { calls, chunk: CHUNK });
    const kept = roll.steps.filter((step) => step <= compared);
    const pair = {
      size: system.size,
      found: roll.states.slice(0, kept.length),
      truth: kept.map((step) => truth[step]),
    };
    const errors = relativeErrors(pair);
    const stretch = await stepStretch(system, f);
    const at = (share: number) => roll.peaks[Math.round(share * (roll.peaks.length - 1))];
    return {
      metrics: {
        bounded10: boundedShare(at(10 / horizons), largest),
        bounded100: boundedShare(at(1), largest),
        error: meanError(errors.slice(1), CEILING),
        stepsUntil: stepsUntil(kept, errors),
        ...energyMetrics(name, pair),
        ...(name === "heat"
          ? {
              maximum: maximumViolations(roll.peaks[0], roll.peaks[kept.length - 1], SLACK.maximum),
              mass: massError(pair),
            }
          : {}),
        stretch,
      },
      curves: {
        error: thinned(
          kept,
          errors.map((row) => mean(row)!),
        ),
        peak: thinned(
          roll.steps,
          roll.peaks.map((row) => Math.max(...row) / largest),
          true,
        ),
        bound: stretch === null ? null : thinnedErrors(stepErrors(system, f, stretch, roll, truth)),
      },
    };
  };
}

/** Systems whose energy can only fall. */
const DISSIPATIVE: readonly SystemName[] = ["damped", "heat", "burgers"];

function energyMetrics(
  name: SystemName,
  { size, found, truth }: { size: number; found: readonly Float32Array[]; truth: readonly Float64Array[] },
): Record<string, number> {
  const energy: Energy =
    size === 2 ? (x) => pendulumEnergy(Array.from(x)) : (u) => mean(Array.from(u, (value) => value * value))!;
  const [own, wanted] = [energies(found, size, energy), energies(truth, size, energy)];
  return {
    drift: energyDrift(own, wanted, CEILING),
    ...(DISSIPATIVE.includes(name) ? { rises: riseShare(own, SLACK.energy) } : {}),
  };
}

/** At most POINTS of a series, evenly spaced, or evenly in the logarithm. */
function thinned(x: readonly number[], y: readonly number[], log = false): Series {
  const kept = places(x.length, log);
  return { x: kept.map((i) => x[i]), y: kept.map((i) => rounded(y[i])) };
}

function thinnedErrors({ steps, measured, bound }: StepErrors): StepErrors {
  const kept = places(steps.length, true);
  const of = (values: readonly number[]) => kept.map((i) => rounded(values[i])!);
  return { steps: kept.map((i) => steps[i]), measured: of(measured), bound: of(bound) };
}

function places(length: number, log: boolean): number[] {
  const last = length - 1;
  const at = (share: number) => Math.round(log ? (last + 1) ** share - 1 : last * share);
  return [...new Set(Array.from({ length: POINTS }, (_, i) => at(i / (POINTS - 1))))];
}

function rounded(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(4)) : null;
}
