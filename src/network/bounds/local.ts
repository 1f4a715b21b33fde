import {
  eclipseFunctionals,
  eclipseUpper,
  type PreparedRun,
  prepareRun,
  type SlopeRange,
} from "../../linalg/eclipse.ts";
import { matrixFrobeniusUp } from "../../linalg/frobenius.ts";
import { addUp, mulUp, up } from "../../linalg/rounding.ts";
import { above, below, readBox, UNDERFLOW } from "../enclose.ts";
import { checkInputs } from "../evaluate.ts";
import { times } from "../join.ts";
import { type Network, type Ref, refKey } from "../network.ts";
import type { Box } from "../operators/operation.ts";
import { type Ball, ballAround, intersection, type PartFacts, type Tighten } from "./ball.ts";
import type { Norms } from "./norms.ts";
import { regionOperator } from "./regions.ts";
import { type LinearForm, movesOf, RunRelaxation } from "./relaxation.ts";
import {
  joined,
  outputSteepness,
  type Steepness,
  scaled,
  smaller,
  steepnessAt,
  takenFrom,
  total,
  wholeOf,
} from "./steepness.ts";
import { type DenseRun, steepestSlope, type UpperBound } from "./upper.ts";

/** A network's Lipschitz bound over one ball. */
export interface LocalBound {
  /** Of all outputs together over the ball; null where none is known. */
  readonly upper: number | null;
  /** Share of the units of elementwise functions whose slope is the same all over the ball. */
  readonly fixedUnits: number;
}

/** A run that ends in an output, prepared for many balls. */
interface PreparedOutput {
  readonly run: DenseRun;
  readonly prepared: PreparedRun;
  /** Where the run starts at a network input and its matrices are exact. */
  readonly relaxation: RunRelaxation | null;
}

/**
 * Lipschitz bounds over balls of inputs. Over a ball many units keep one slope (a ReLU that stays on or off), so
 * the network is far less steep than over all inputs.
 */
export class LocalBounds {
  readonly #network: Network;
  readonly #global: UpperBound;
  readonly #norms: Norms;
  readonly #facts: PartFacts;
  readonly #output: PreparedOutput | null;

  constructor(global: UpperBound, norms: Norms) {
    this.#network = global.network;
    this.#global = global;
    this.#norms = norms;
    this.#facts = partFacts(global);
    const [output] = this.#network.outputs;
    const run = this.#network.outputs.length === 1 ? global.run(output.ref) : null;
    this.#output = run === null || run.layers.length < 2 ? null : preparedOutput(run);
  }

  /**
   * The ball of inputs within `radius` (ℓ2) of x, every value bounded.
   * @throws RangeError when x is no input of the network, or the radius negative.
   */
  around(x: readonly Float64Array[], radius: number): LocalView {
    checkInputs(this.#network, x);
    if (!(radius >= 0)) throw new RangeError(`the radius of a ball must not be negative, got ${radius}`);
    const forms: LinearForm[] = [];
    const ball = ballAround(this.#network, x, radius, this.#facts, (at) => this.#tighten(forms, radius, at));
    return new LocalView(this.#network, this.#global, this.#norms, this.#output, ball, forms, radius);
  }

  /** Pre-activations of the run from the input by linear relaxation. */
  #tighten(
    forms: LinearForm[],
    radius: number,
    { node, box, centre, slopes }: Parameters<Tighten>[0],
  ): Box | null {
    const relaxation = this.#output?.relaxation ?? null;
    const at = this.#output?.run.bends.indexOf(node) ?? -1;
    if (relaxation === null || at < 0 || forms.length !== at) return null;
    const before = at === 0 ? null : slopes[this.#output!.run.bends[at - 1]];
    const form = before === null ? relaxation.start() : relaxation.next(forms[at - 1], radius, before, at);
    forms.push(form);
    const moves = movesOf(form, radius);
    return intersection(box, {
      lo: centre.lo.map((c, i) => below(c + moves.lo[i])),
      hi: centre.hi.map((c, i) => above(c + moves.hi[i])),
    });
  }
}

function preparedOutput(run: DenseRun): PreparedOutput {
  const exact = run.source < 0 && run.layers.every((layer) => layer.error === 0);
  return { run, prepared: prepareRun(run.layers), relaxation: exact ? new RunRelaxation(run.layers) : null };
}

function partFacts(global: UpperBound): PartFacts {
  const rows = new Map<number, readonly Float64Array[]>();
  return {
    norms: (node) => global.partNorms(node),
    rowNorms(node) {
      const known = rows.get(node);
      if (known !== undefined) return known;
      const { operation } = global.network.nodes[node];
      const found = operation.kind === "affine" ? operation.parts.map((part) => part.rowNorms()) : [];
      rows.set(node, found);
      return found;
    },
  };
}

/** One ball. */
export class LocalView {
  readonly ball: Ball;
  readonly #network: Network;
  readonly #global: UpperBound;
  readonly #norms: Norms;
  readonly #output: PreparedOutput | null;
  readonly #forms: readonly LinearForm[];
  readonly #radius: number;
  readonly #boxes: readonly Box[];
  readonly #results = new Map<number, Steepness>();
  readonly #reached = new Map<string, Steepness>();

  constructor(
    network: Network,
    global: UpperBound,
    norms: Norms,
    output: PreparedOutput | null,
    ball: Ball,
    forms: readonly LinearForm[],
    radius: number,
  ) {
    this.#network = network;
    this.#global = global;
    this.#norms = norms;
    this.#output = output;
    this.ball = ball;
    this.#boxes = ball.values.map((value) => value.box);
    this.#forms = forms;
    this.#radius = radius;
  }

  /** The Lipschitz bound of all outputs together over the ball. */
  bound(): LocalBound {
    const whole = outputSteepness(this.#network, (ref) => this.#at(ref));
    const run = this.#runSlopes();
    const byRun = run === null ? null : eclipseUpper(this.#output!.prepared, run);
    const start = byRun === null ? null : scaled(this.#start(this.#output!.run.source), byRun);
    const upper = Math.min(total(whole), total(start));
    return { upper: Number.isFinite(upper) ? upper : null, fixedUnits: fixedShare(this.ball) };
  }

  /**
   * For each output j of the network's one output: the Lipschitz bound of output `label` minus output j over the
   * ball; ∞ where none is known.
   */
  pairs(label: number): Float64Array {
    const [{ ref }] = this.#network.outputs;
    const slopes = this.#runSlopes();
    const byRun =
      slopes === null
        ? null
        : eclipseFunctionals(this.#output!.prepared, slopes, differences(ref.size, label), ref.size - 1);
    // A run from the input is never bounded worse as a whole than layer by layer.
    const wanted = byRun === null || this.#output!.run.source >= 0;
    const pairs = wanted ? this.#pairsByLayers(ref, label) : new Float64Array(ref.size).fill(Infinity);
    if (byRun === null) return pairs;
    const start = total(this.#start(this.#output!.run.source));
    others(ref.size, label).forEach((j, i) => {
      pairs[j] = Math.min(pairs[j], times(byRun[i], start));
    });
    return pairs;
  }

  /** For each output j, the most by which output `label` minus output j falls anywhere in the ball; ∞ if unknown. */
  falls(label: number): Float64Array {
    const [{ ref }] = this.#network.outputs;
    const { lo, hi } = this.#boxOf(ref);
    const centre = readBox(ref, this.ball.points, this.ball.centre);
    const falls = Float64Array.from({ length: ref.size }, (_, j) =>
      j === label ? 0 : addUp(rise(lo[label], centre.hi[label]), rise(centre.lo[j], hi[j])),
    );
    const relaxation = this.#output?.relaxation ?? null;
    const slopes = this.#runSlopes();
    if (relaxation === null || slopes === null || this.#forms.length !== slopes.length) return falls;
    const better = relaxation.falls(this.#forms.at(-1)!, this.#radius, slopes.at(-1)!, label);
    return falls.map((fall, j) => Math.min(fall, better[j]));
  }

  /** Slopes of the prepared run over the ball; null without a run or where one is not finite. */
  #runSlopes(): readonly SlopeRange[] | null {
    if (this.#output === null) return null;
    const slopes = this.#output.run.bends.flatMap((k) => this.ball.slopes[k] ?? []);
    return slopes.every(isBounded) ? slopes : null;
  }

  /** How steep the value is that a run or region starts from, over the ball. */
  #start(source: number): Steepness {
    return source < 0 ? steepnessAt(this.#network, wholeOf(this.#network, source), []) : this.#result(source);
  }

  #result(k: number): Steepness {
    const known = this.#results.get(k);
    if (known !== undefined) return known;
    const found = this.#computed(k);
    this.#results.set(k, found);
    return found;
  }

  /** Of a nonlinear node, from what it reads. */
  #computed(k: number): Steepness {
    const node = this.#network.nodes[k];
    const taken = takenFrom(this.#network, node.inputs, (ref) => this.#at(ref));
    const slopes = this.ball.slopes[k];
    if (slopes !== null) return scaled(taken[0].steepness, steepestSlope(slopes));
    const boxes = node.inputs.map((ref) => this.#boxOf(ref));
    const local = node.operation.kind === "general" ? (node.operation.local?.(boxes) ?? null) : null;
    const global = node.steepness === undefined || "unbounded" in node.steepness ? null : node.steepness;
    const [a, b] = [local, global].map((s) => (s === null ? null : joined(taken, s)));
    return smaller(a, b);
  }

  #boxOf(ref: Ref): Box {
    return readBox(ref, this.ball.inputs, this.#boxes);
  }

  /**
   * The steepness of a region's end. The slopes of the functions it starts from are taken into its linear map, column
   * by column, where that map can be bounded as a matrix or by its products.
   */
  #at(ref: Ref): Steepness {
    const known = this.#reached.get(refKey(ref));
    if (known !== undefined) return known;
    const found = this.#reach(ref);
    this.#reached.set(refKey(ref), found);
    return found;
  }

  #reach(ref: Ref): Steepness {
    if (ref.node < 0) return steepnessAt(this.#network, ref, []);
    if (this.#network.nodes[ref.node].operation.kind !== "affine") return this.#result(ref.node);
    const region = this.#global.region(ref);
    let sum: Steepness = null;
    for (const source of region.sources) {
      const term = this.#throughRegion(ref, source);
      if (term === null) return null;
      sum = sum === null ? term : sum.map((s, i) => addUp(s, term[i]));
    }
    return smaller(sum, this.#global.at(ref));
  }

  #throughRegion(ref: Ref, source: number): Steepness {
    const slopes = source < 0 ? null : this.ball.slopes[source];
    const plain = this.#global.regionNorm(ref, source);
    if (slopes === null) return scaled(this.#start(source), plain);
    const steepest = Float64Array.from(slopes.max, (b, i) => Math.max(Math.abs(b), Math.abs(slopes.min[i])));
    const before = this.#at(this.#network.nodes[source].inputs[0]);
    const largest = steepest.reduce((a, b) => Math.max(a, b), 0);
    const cheap = mulUp(plain, largest);
    const masked = largest === 0 ? 0 : this.#maskedNorm(ref, source, steepest);
    return scaled(before, Math.min(cheap, masked));
  }

  /** σ₁ of the region's map with its columns scaled by the slopes. */
  #maskedNorm(ref: Ref, source: number, slopes: Float64Array): number {
    if (!slopes.every((s) => Number.isFinite(s))) return Infinity;
    const matrix = this.#global.matrix(ref, source);
    if (matrix !== null) {
      const { rows, cols, entries, error } = matrix;
      const scaledEntries = entries.map((a, i) => a * slopes[i % cols]);
      // Each product is rounded once; the matrix itself is off by `error`, times the largest slope.
      const largest = slopes.reduce((a, b) => Math.max(a, b), 0);
      const rounding = addUp(
        mulUp(2 ** -52, matrixFrobeniusUp(scaledEntries)),
        mulUp(UNDERFLOW, rows * cols),
      );
      const off = addUp(mulUp(error, largest), rounding);
      return this.#norms.matrix({ rows, cols, entries: scaledEntries, error: off }) ?? Infinity;
    }
    const whole = regionOperator(this.#network, this.#global.region(ref), source);
    const masked = {
      rows: whole.rows,
      cols: whole.cols,
      apply: (x: Float64Array) => whole.apply(x.map((v, i) => v * slopes[i])),
      adjoint: (y: Float64Array) => whole.adjoint(y).map((v, i) => v * slopes[i]),
    };
    return this.#norms.operator(masked) ?? Infinity;
  }

  /** Pairs of outputs by the rows of the last region, its columns scaled by the slopes before it. */
  #pairsByLayers(ref: Ref, label: number): Float64Array {
    const pairs = new Float64Array(ref.size);
    for (const j of others(ref.size, label)) pairs[j] = this.#pair(ref, label, j);
    return pairs;
  }

  #pair(ref: Ref, label: number, j: number): number {
    const region = this.#global.region(ref);
    const terms = region.sources.map((source) => {
      const row = this.#global.pairRow(ref, source, label, j);
      const slopes = source < 0 ? null : this.ball.slopes[source];
      if (row === null) return Infinity;
      if (slopes === null) return mulUp(row.norm, total(this.#start(source)));
      const before = total(this.#at(this.#network.nodes[source].inputs[0]));
      const steepest = steepestSlope(slopes);
      const weighted = row.entries.map(
        (a, i) => a * Math.max(Math.abs(slopes.min[i]), Math.abs(slopes.max[i])),
      );
      if (!isBounded(slopes)) return Infinity;
      // Each entry is a product that was rounded once.
      const size = addUp(mulUp(matrixFrobeniusUp(weighted), 1 + 2 ** -51), mulUp(UNDERFLOW, weighted.length));
      const norm = addUp(size, mulUp(row.error, steepest));
      return mulUp(norm, before);
    });
    return terms.reduce((a, b) => addUp(a, b), 0);
  }
}

/** Rows e_label − e_j for every other j. */
function differences(size: number, label: number): Float64Array {
  const rows = new Float64Array((size - 1) * size);
  others(size, label).forEach((j, i) => {
    rows[i * size + label] = 1;
    rows[i * size + j] = -1;
  });
  return rows;
}

/** How far b may lie above a, rounded up. */
function rise(a: number, b: number): number {
  return up(Math.max(0, b - a));
}

function isBounded({ min, max }: SlopeRange): boolean {
  return min.every((a) => Number.isFinite(a)) && max.every((b) => Number.isFinite(b));
}

/** Every output but one. */
export function others(size: number, label: number): readonly number[] {
  return Array.from({ length: size }, (_, j) => j).filter((j) => j !== label);
}

function fixedShare({ slopes }: Ball): number {
  let units = 0;
  let fixed = 0;
  for (const range of slopes) {
    range?.min.forEach((a, i) => {
      units++;
      if (a === range.max[i]) fixed++;
    });
  }
  return units === 0 ? 1 : fixed / units;
}
