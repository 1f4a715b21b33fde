import { addUp, gamma, mulUp, UNIT_ROUNDOFF, up } from "../linalg/rounding.ts";
import { inputIndex, type Network, type Ref } from "./network.ts";
import type { AffineOperation, Box, LinearPart, Operation } from "./operators/operation.ts";
import { roundDown, roundUp } from "./operators/scalar-interval.ts";

/** Far more than what underflow can add to one entry. */
export const UNDERFLOW = 2 ** -1000;

/** x rounded towards +∞, whatever its sign. */
export function above(x: number): number {
  return x + (Math.abs(x) * 2 ** -52 + Number.MIN_VALUE);
}

/** x rounded towards −∞, whatever its sign. */
export function below(x: number): number {
  return x - (Math.abs(x) * 2 ** -52 + Number.MIN_VALUE);
}

/** The box that holds one point. */
export function pointBox(x: Float64Array): Box {
  return { lo: x, hi: x };
}

/** Midpoints (as floats) and radii that cover the box from them. */
export function centred({ lo, hi }: Box): { readonly centre: Float64Array; readonly radius: Float64Array } {
  const centre = new Float64Array(lo.length);
  const radius = new Float64Array(lo.length);
  for (let i = 0; i < lo.length; i++) {
    if (lo[i] === hi[i]) {
      centre[i] = lo[i];
      continue;
    }
    const c = lo[i] / 2 + hi[i] / 2;
    const middle = Number.isFinite(c) ? c : 0;
    centre[i] = middle;
    radius[i] = Math.max(up(Math.max(hi[i] - middle, 0)), up(Math.max(middle - lo[i], 0)));
  }
  return { centre, radius };
}

/** Every entry an interval that holds nothing but is known. */
export function everything(n: number): Box {
  return { lo: new Float64Array(n).fill(-Infinity), hi: new Float64Array(n).fill(Infinity) };
}

/** Adds to `spread` how far Âc may be from Ac' for every c' within `radius` of c, all roundings included. */
function addSpread(part: LinearPart, centre: Float64Array, radius: Float64Array, spread: Float64Array): void {
  const magnitude = part.magnitude ?? part;
  const g = gamma(part.roundings);
  // |Ac' − Âc| ≤ |A|r + γ|A||c|, and fl(|A|w) ≥ (1 − γ)|A|w.
  const weights = radius.map((r, i) => addUp(r, mulUp(g, Math.abs(centre[i]))));
  const reach = magnitude.apply(weights);
  const widen = 1 + 4 * g + 2 ** -50;
  const floor = mulUp(UNDERFLOW, part.cols);
  for (let i = 0; i < spread.length; i++) {
    spread[i] = addUp(spread[i], part.roundings === 0 ? reach[i] : addUp(reach[i] * widen, floor));
  }
}

/**
 * A box that holds Σ Aᵢxᵢ + offset for all xᵢ in the boxes, rounding included.
 */
export function affineImage(operation: AffineOperation, boxes: readonly Box[]): Box {
  if (movesEntries(operation)) return movedImage(operation, boxes);
  const [first] = operation.parts;
  const rows = first.rows;
  if (boxes.some(({ lo, hi }) => !lo.every(Number.isFinite) || !hi.every(Number.isFinite))) {
    return infiniteImage(operation, boxes);
  }
  const middle = new Float64Array(rows);
  const spread = new Float64Array(rows);
  const add = (terms: Float64Array) => {
    for (let i = 0; i < rows; i++) {
      middle[i] += terms[i];
      spread[i] = addUp(spread[i], mulUp(2 * UNIT_ROUNDOFF, Math.abs(middle[i])));
    }
  };
  operation.parts.forEach((part, p) => {
    const { centre, radius } = centred(boxes[p]);
    const terms = part.apply(centre);
    if (p === 0) middle.set(terms);
    else add(terms);
    addSpread(part, centre, radius, spread);
  });
  const { offset, offsetRoundings = 0, offsetMagnitude = offset } = operation;
  if (offset !== undefined) {
    add(offset);
    if (offsetRoundings > 0) {
      const g = gamma(offsetRoundings);
      for (let i = 0; i < rows; i++)
        spread[i] = addUp(spread[i], mulUp(2 * g, Math.abs(offsetMagnitude![i])));
    }
  }
  // An infinite offset (a mask) is exact; any other infinite middle or spread comes from overflow.
  const exact = (i: number) => offset !== undefined && Math.abs(offset[i]) === Infinity;
  const known = (i: number) => Number.isFinite(middle[i]) && spread[i] < Infinity;
  return {
    lo: middle.map((m, i) => (exact(i) ? m : known(i) ? below(m - spread[i]) : -Infinity)),
    hi: middle.map((m, i) => (exact(i) ? m : known(i) ? above(m + spread[i]) : Infinity)),
  };
}

/** True when no entry is multiplied, negated or rounded. */
function movesEntries({ parts, offsetRoundings = 0 }: AffineOperation): boolean {
  return offsetRoundings === 0 && parts.every((part) => part.roundings === 0 && part.magnitude === undefined);
}

/** Where entries are only moved, ends move exactly, infinite ones too; only terms that meet are added. */
function movedImage({ parts, offset }: AffineOperation, boxes: readonly Box[]): Box {
  const added = (ends: readonly Float64Array[], rounded: (x: number) => number) => {
    const [first, ...rest] = parts.map((part, p) => part.apply(ends[p]));
    if (rest.length === 0 && offset === undefined) return first;
    const total = first.slice();
    for (const terms of offset === undefined ? rest : [...rest, offset]) {
      for (let i = 0; i < total.length; i++) {
        if (terms[i] === 0) continue;
        // An infinite offset (a mask) outweighs everything.
        const alone = total[i] === 0 || (terms === offset && Math.abs(terms[i]) === Infinity);
        total[i] = alone ? terms[i] : rounded(total[i] + terms[i]);
      }
    }
    return total;
  };
  return {
    lo: added(
      boxes.map((b) => b.lo),
      roundDown,
    ),
    hi: added(
      boxes.map((b) => b.hi),
      roundUp,
    ),
  };
}

/** With unbounded entries: rows that touch one are unbounded, the others are enclosed as usual. */
function infiniteImage(operation: AffineOperation, boxes: readonly Box[]): Box {
  const open = boxes.map(({ lo, hi }) =>
    lo.map((x, i) => (Number.isFinite(x) && Number.isFinite(hi[i]) ? 0 : 1)),
  );
  const reached = new Float64Array(operation.parts[0].rows);
  operation.parts.forEach((part, p) => {
    (part.magnitude ?? part).apply(open[p]).forEach((t, i) => {
      reached[i] += t;
    });
  });
  const closed = boxes.map(({ lo, hi }, p) => ({
    lo: lo.map((x, i) => (open[p][i] === 0 ? x : 0)),
    hi: hi.map((x, i) => (open[p][i] === 0 ? x : 0)),
  }));
  const { lo, hi } = affineImage(operation, closed);
  return {
    lo: lo.map((x, i) => (reached[i] === 0 ? x : -Infinity)),
    hi: hi.map((x, i) => (reached[i] === 0 ? x : Infinity)),
  };
}

/** A box that holds the operation's result for every point of the boxes; unbounded where nothing is known. */
export function imageOf(operation: Operation, boxes: readonly Box[], size: number): Box {
  switch (operation.kind) {
    case "affine":
      return affineImage(operation, boxes);
    case "elementwise": {
      const [{ lo, hi }] = boxes;
      const image = { lo: new Float64Array(size), hi: new Float64Array(size) };
      for (let i = 0; i < size; i++) [image.lo[i], image.hi[i]] = operation.unit(i).image(lo[i], hi[i]);
      return image;
    }
    case "general":
      return operation.image?.(boxes) ?? everything(size);
  }
}

/** The box a reference reads. */
export function readBox(ref: Ref, inputs: readonly Box[], values: readonly Box[]): Box {
  const at = inputIndex(ref);
  const { lo, hi } = at === null ? values[ref.node] : inputs[at];
  if (lo.length === ref.size) return { lo, hi };
  const end = ref.offset + ref.size;
  return { lo: lo.subarray(ref.offset, end), hi: hi.subarray(ref.offset, end) };
}

/**
 * Interval arithmetic: for each node a box that holds its result, in real arithmetic, for all inputs in the boxes.
 * With point boxes it encloses the true value at that point: how far a float64 run may be off.
 */
export function enclose(network: Network, inputs: readonly Box[]): readonly Box[] {
  const values: Box[] = [];
  for (const node of network.nodes) {
    const boxes = node.inputs.map((ref) => readBox(ref, inputs, values));
    values.push(imageOf(node.operation, boxes, node.size));
  }
  return values;
}
