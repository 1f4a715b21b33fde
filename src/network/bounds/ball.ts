import type { SlopeRange } from "../../linalg/eclipse.ts";
import { addUp, mulUp } from "../../linalg/rounding.ts";
import { above, below, enclose, imageOf, pointBox, readBox } from "../enclose.ts";
import { rootOfSquares, times } from "../join.ts";
import type { Network, NetworkNode, Ref } from "../network.ts";
import type { Box, ElementwiseOperation, Sensitivity } from "../operators/operation.ts";

import { steepestSlope } from "./upper.ts";

/** What is known of one value over a ball of inputs. */
export interface BallValue {
  /** Holds the value at every point of the ball. */
  readonly box: Box;
  /** ‖value − value at the centre‖ is at most this. */
  readonly move: number;
}

/** Facts of a network that every ball needs: norms of its parts and of their rows. */
export interface PartFacts {
  /** σ₁ of each part of an affine node, rounded up; ∞ where unknown. */
  norms(node: number): readonly number[];
  rowNorms(node: number): readonly Float64Array[];
}

/** A tighter box of the value an elementwise node reads, from elsewhere (a linear relaxation); null for none. */
export type Tighten = (at: {
  readonly node: number;
  /** Of the value read, over the ball and at its centre. */
  readonly box: Box;
  readonly centre: Box;
  /** Slopes of the nodes before. */
  readonly slopes: readonly (SlopeRange | null)[];
}) => Box | null;

/** A network over a ball of inputs. */
export interface Ball {
  readonly inputs: readonly Box[];
  readonly values: readonly BallValue[];
  /** The centre itself, one box of a point per input. */
  readonly points: readonly Box[];
  /** The box at the centre: the value there, rounding included. */
  readonly centre: readonly Box[];
  /** Slopes of each elementwise node's units over the ball. */
  readonly slopes: readonly (SlopeRange | null)[];
}

/**
 * Bounds of every value of a network over the ball of inputs within `radius` (ℓ2) of x, rounded outward: interval
 * arithmetic, and from the first layers on how far a value can move at all, ‖row‖·‖Δinput‖ (Huang et al. 2021,
 * "Training certifiably robust neural networks with efficient local Lipschitz bounds"); the better of both.
 */
export function ballAround(
  network: Network,
  x: readonly Float64Array[],
  radius: number,
  facts: PartFacts,
  tighten: Tighten = () => null,
): Ball {
  const points = x.map(pointBox);
  const centre = enclose(network, points);
  const inputs: BallValue[] = x.map((v) => ({
    box: { lo: v.map((a) => below(a - radius)), hi: v.map((a) => above(a + radius)) },
    move: radius,
  }));
  const values: BallValue[] = [];
  const slopes: (SlopeRange | null)[] = [];
  const read = (ref: Ref): BallValue => {
    const whole = ref.node < 0 ? inputs[-1 - ref.node] : values[ref.node];
    return { box: readBox({ ...ref, node: 0 }, [], [whole.box]), move: whole.move };
  };
  network.nodes.forEach((node, k) => {
    const taken = node.inputs.map(read);
    const { operation } = node;
    if (operation.kind === "elementwise") {
      const middle = readBox(node.inputs[0], points, centre);
      const tight = tighten({ node: k, box: taken[0].box, centre: middle, slopes });
      if (tight !== null) taken[0] = { box: tight, move: taken[0].move };
      slopes.push(slopesOver(operation, taken[0].box));
    } else slopes.push(null);
    const boxes = taken.map((t) => t.box);
    const image = imageOf(operation, boxes, node.size);
    const spread = operation.kind === "affine" ? spreadOf(taken, facts.rowNorms(k)) : null;
    const box = spread === null ? image : within(image, centre[k], spread);
    const steep = sensitivityOver(node, k, boxes, slopes[k], facts);
    const move = steep === null ? Infinity : reach(steep, taken);
    values.push({ box, move: Math.min(move, farthest(box, centre[k])) });
  });
  return { inputs: inputs.map((input) => input.box), values, points, centre, slopes };
}

function slopesOver(operation: ElementwiseOperation, { lo, hi }: Box): SlopeRange {
  const min = new Float64Array(lo.length);
  const max = new Float64Array(lo.length);
  for (let i = 0; i < lo.length; i++) [min[i], max[i]] = operation.unit(i).slopes(lo[i], hi[i]);
  return { min, max };
}

/** How far each entry of Σ Aₚxₚ can move: its row's norm times the move of x. */
function spreadOf(taken: readonly BallValue[], rowNorms: readonly Float64Array[]): Float64Array {
  const spread = new Float64Array(rowNorms[0].length);
  rowNorms.forEach((norms, p) => {
    for (let i = 0; i < norms.length; i++) spread[i] = addUp(spread[i], mulUp(norms[i], taken[p].move));
  });
  return spread;
}

/** The box, cut to what lies within `spread` of the centre's box. */
function within({ lo, hi }: Box, centre: Box, spread: Float64Array): Box {
  return intersection(
    { lo, hi },
    { lo: centre.lo.map((c, i) => below(c - spread[i])), hi: centre.hi.map((c, i) => above(c + spread[i])) },
  );
}

/**
 * What lies in both boxes; both hold the same values, so they meet. Ends of the second that are NaN, where something
 * overflowed, say nothing.
 */
export function intersection(a: Box, b: Box): Box {
  return {
    lo: a.lo.map((x, i) => Math.max(x, numberOr(b.lo[i], -Infinity))),
    hi: a.hi.map((x, i) => Math.min(x, numberOr(b.hi[i], Infinity))),
  };
}

function numberOr(x: number, otherwise: number): number {
  return Number.isNaN(x) ? otherwise : x;
}

/** How steep a node is over the ball, or null where that is not known. */
function sensitivityOver(
  node: NetworkNode,
  k: number,
  boxes: readonly Box[],
  slopes: SlopeRange | null,
  facts: PartFacts,
): Sensitivity | null {
  const { operation, steepness } = node;
  if (operation.kind === "affine") return { constants: facts.norms(k), join: "sum" };
  if (slopes !== null) return { constants: [steepestSlope(slopes)], join: "sum" };
  const global = steepness === undefined || "unbounded" in steepness ? null : steepness;
  return (operation.kind === "general" ? operation.local?.(boxes) : null) ?? global;
}

function reach({ constants, join }: Sensitivity, taken: readonly BallValue[]): number {
  const terms = constants.map((c, i) => times(c, taken[i].move));
  return join === "sum" ? terms.reduce(addUp) : rootOfSquares(terms);
}

function farthest({ lo, hi }: Box, centre: Box): number {
  const most = rootOfSquares(
    Array.from(lo, (l, i) => Math.max(above(hi[i] - centre.lo[i]), above(centre.hi[i] - l), 0)),
  );
  return numberOr(most, Infinity);
}
