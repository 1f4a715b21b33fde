import { addUp, mulUp, sqrtUp } from "../../linalg/rounding.ts";
import { floatAttribute, intAttribute } from "../attributes.ts";
import { bounded, type ConstantRule, unbounded } from "../constants/rule.ts";
import { sizeOf } from "./index-maps.ts";
import type { Box, GeneralOperation, Interval } from "./operation.ts";
import type { OperationRule } from "./rule.ts";
import { about } from "./scalar.ts";
import { hull, product, quotient, sum } from "./scalar-interval.ts";

/*
 * LRN: y_c = x_c·D_c^−β with D_c = bias + (alpha/size)·Σ x_j² over `size` channels around c (Krizhevsky, Sutskever &
 * Hinton 2012, "ImageNet classification with deep convolutional neural networks").
 */

interface Response {
  readonly width: number;
  readonly alpha: number;
  readonly beta: number;
  readonly bias: number;
}

/** The attributes, or what is wrong with them. */
function responseOf(node: Parameters<typeof intAttribute>[0]): Response | string {
  const width = intAttribute(node, "size");
  const alpha = floatAttribute(node, "alpha") ?? Math.fround(1e-4);
  const beta = floatAttribute(node, "beta") ?? 0.75;
  const bias = floatAttribute(node, "bias") ?? 1;
  if (width === undefined || width < 1) return "its size is missing";
  if (!(alpha >= 0 && beta >= 0 && bias > 0))
    return "alpha and beta must not be negative, bias must be positive";
  return { width, alpha, beta, bias };
}

/** base^−exponent enclosed, exponent ≥ 0; also where the base is an interval of positive numbers. */
function power([lo, hi]: Interval, exponent: number): Interval {
  const at = (x: number): Interval => (x === 1 ? [1, 1] : x === Infinity ? [0, 0] : about(x ** -exponent));
  const [least, most] = exponent === 0 ? [1, 1] : hull(at(lo), at(hi));
  return [Math.max(least, 0), most];
}

/** x² over an interval. */
function square(lo: number, hi: number): Interval {
  const [low, high] = [Math.abs(lo), Math.abs(hi)];
  const near = lo <= 0 && hi >= 0 ? 0 : Math.min(low, high);
  const far = Math.max(low, high);
  return [product([near, near], [near, near])[0], product([far, far], [far, far])[1]];
}

/**
 * J has D^−β(1 − 2βt) on its diagonal, t = (alpha/size)x²/D in [0, 1], and, as 2|x_i x_j| ≤ Σx², at most βD^−β in the
 * places of the width − 1 neighbouring channels; D ≥ bias.
 */
export const responseConstant: ConstantRule = ({ node }) => {
  const found = responseOf(node);
  if (typeof found === "string") return unbounded(found);
  const { width, beta, bias } = found;
  const slope = addUp(Math.max(1, Math.abs(2 * beta - 1)), mulUp(width - 1, beta));
  return bounded(
    mulUp(power([bias, bias], beta)[1], slope),
    "bias^−beta·(max(1, |2·beta − 1|) + (size − 1)·beta)",
  );
};

export const responseOperation: OperationRule = ({ node, inputs }) => {
  const found = responseOf(node);
  if (typeof found === "string") return found;
  const [examples = 1, channels = 1, ...spatial] = inputs[0]?.shape ?? [];
  if (spatial.length === 0) return "it takes an input of at least three axes";
  return localResponse(found, examples, channels, sizeOf(spatial));
};

function localResponse(
  response: Response,
  examples: number,
  channels: number,
  pixels: number,
): GeneralOperation {
  const { width, alpha, beta, bias } = response;
  const share = alpha / width;
  const shares = quotient([alpha, alpha], [width, width]);
  const size = examples * channels * pixels;
  const before = Math.floor((width - 1) / 2);
  const after = width - 1 - before;
  /** out_c = Σ over the channels c − back … c + ahead of terms_j, for every example and pixel. */
  const windows = (
    terms: Float64Array,
    back: number,
    ahead: number,
    add = (a: number, b: number) => a + b,
  ) => {
    const out = new Float64Array(size);
    for (let at = 0; at < size; at++) {
      const c = Math.floor(at / pixels) % channels;
      const first = Math.max(c - back, 0) - c;
      const last = Math.min(c + ahead, channels - 1) - c;
      let total = 0;
      for (let j = first; j <= last; j++) total = add(total, terms[at + j * pixels]);
      out[at] = total;
    }
    return out;
  };
  const bases = (x: Float64Array) =>
    windows(
      x.map((v) => v * v),
      before,
      after,
    ).map((s) => bias + share * s);
  /** 2·beta·share·x·D^(−β−1): what neighbours are multiplied by. */
  const couplings = (x: Float64Array, d: Float64Array) =>
    x.map((v, i) => 2 * beta * share * v * d[i] ** (-beta - 1));
  return {
    kind: "general",
    forward([x]) {
      const d = bases(x);
      return x.map((v, i) => v * d[i] ** -beta);
    },
    jvp([x], _y, [dx]) {
      const d = bases(x);
      const k = couplings(x, d);
      const sums = windows(
        x.map((v, i) => v * dx[i]),
        before,
        after,
      );
      return dx.map((v, i) => v * d[i] ** -beta - k[i] * sums[i]);
    },
    vjp([x], _y, dy) {
      const d = bases(x);
      const k = couplings(x, d);
      // Channel j lies in the windows of channels j − after … j + before.
      const sums = windows(
        k.map((v, i) => v * dy[i]),
        after,
        before,
      );
      return [dy.map((v, i) => v * d[i] ** -beta - x[i] * sums[i])];
    },
    image([x]) {
      const d = baseBounds(x);
      const box = { lo: new Float64Array(size), hi: new Float64Array(size) };
      for (let i = 0; i < size; i++) {
        [box.lo[i], box.hi[i]] = product([x.lo[i], x.hi[i]], power([d.lo[i], d.hi[i]], beta));
      }
      return box;
    },
    local([x]) {
      const d = baseBounds(x);
      const far = x.lo.map((l, i) => Math.max(Math.abs(l), Math.abs(x.hi[i])));
      const diagonal = far.map((_, i) => {
        const base: Interval = [d.lo[i], d.hi[i]];
        const [least, most] = quotient(product(square(x.lo[i], x.hi[i]), shares), base);
        const slopes = sum([1, 1], product([-2 * beta, -2 * beta], [least, Math.min(most, 1)]));
        return Math.max(...product(power(base, beta), slopes).map(Math.abs));
      });
      const steep = far.map((v, i) => {
        const factor = product([2 * beta, 2 * beta], product(shares, power([d.lo[i], d.hi[i]], beta + 1)))[1];
        return mulUp(factor, v);
      });
      // Row i: steep_i·Σ far_j over its window; column j: far_j·Σ steep_i over the windows it lies in.
      const rows = windows(far, before, after, addUp).map((s, i) => addUp(diagonal[i], mulUp(steep[i], s)));
      const columns = windows(steep, after, before, addUp).map((s, i) =>
        addUp(diagonal[i], mulUp(far[i], s)),
      );
      const largest = (v: Float64Array) => v.reduce((a, b) => Math.max(a, b), 0);
      const constant = sqrtUp(mulUp(largest(rows), largest(columns)));
      return constant < Infinity ? { constants: [constant], join: "sum" } : null;
    },
  };

  function baseBounds(x: Box): Box {
    const squares = x.lo.map((l, i) => square(l, x.hi[i])[0]);
    const largest = x.lo.map((l, i) => square(l, x.hi[i])[1]);
    const enclose = (s: number): Interval => sum([bias, bias], product(shares, [s, s]));
    return {
      lo: windows(squares, before, after, (a, b) => sum([a, a], [b, b])[0]).map((s) => enclose(s)[0]),
      hi: windows(largest, before, after, addUp).map((s) => enclose(s)[1]),
    };
  }
}
