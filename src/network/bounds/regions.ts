import type { LinearOperator } from "../../linalg/operator.ts";
import { readRef } from "../evaluate.ts";
import type { Network, Ref } from "../network.ts";
import type { AffineOperation, LinearPart } from "../operators/operation.ts";
import { affineCost } from "./cost.ts";

/**
 * What lies between one value and the nearest values before it that are no affine function of anything else (network
 * inputs and results of nonlinear nodes): one affine map of those, whose linear parts are composed before bounding.
 */
export interface Region {
  readonly sink: Ref;
  /** Nodes (≥ 0) and network inputs (−1, −2, …) that it starts from. */
  readonly sources: readonly number[];
  /** Its affine nodes, in order. */
  readonly nodes: readonly number[];
}

function affineAt(network: Network, node: number): AffineOperation | null {
  const operation = node < 0 ? null : network.nodes[node].operation;
  return operation?.kind === "affine" ? operation : null;
}

/** The affine map that ends in `sink`. */
export function regionOf(network: Network, sink: Ref): Region {
  const sources = new Set<number>();
  const inside = new Set<number>();
  const queue = [sink.node];
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    if (inside.has(at) || sources.has(at)) continue;
    if (affineAt(network, at) === null) {
      sources.add(at);
      continue;
    }
    inside.add(at);
    for (const ref of network.nodes[at].inputs) queue.push(ref.node);
  }
  return { sink, sources: [...sources], nodes: [...inside].sort((a, b) => a - b) };
}

/** Length of a node's result or a network input. */
export function sizeOf(network: Network, node: number): number {
  return node < 0 ? network.inputs[-1 - node].size : network.nodes[node].size;
}

/** The region's linear map from one of its sources to its sink; the other sources are held fixed. */
export function regionOperator(
  network: Network,
  region: Region,
  source: number,
  partOf: (part: LinearPart) => LinearOperator = (part) => part,
): LinearOperator {
  const { sink, nodes } = region;
  const cols = sizeOf(network, source);
  const inputsOf = (x: Float64Array, results: ReadonlyMap<number, Float64Array>, ref: Ref) => {
    const whole = ref.node === source ? x : results.get(ref.node);
    return whole && readRef({ ...ref, node: 0 }, [], [whole]);
  };
  return {
    rows: sink.size,
    cols,
    apply(x) {
      const results = new Map<number, Float64Array>();
      for (const k of nodes) {
        const terms = affineAt(network, k)!.parts.flatMap((part, i) => {
          const argument = inputsOf(x, results, network.nodes[k].inputs[i]);
          return argument === undefined ? [] : [partOf(part).apply(argument)];
        });
        if (terms.length > 0) results.set(k, terms.reduce(plus));
      }
      return (inputsOf(x, results, sink) ?? new Float64Array(sink.size)).slice();
    },
    adjoint(y) {
      const cotangents = new Map<number, Float64Array>();
      const add = (ref: Ref, change: Float64Array) => {
        const total = cotangents.get(ref.node) ?? new Float64Array(sizeOf(network, ref.node));
        for (let i = 0; i < ref.size; i++) total[ref.offset + i] += change[i];
        cotangents.set(ref.node, total);
      };
      add(sink, y);
      for (const k of nodes.toReversed()) {
        const dy = cotangents.get(k);
        if (dy === undefined) continue;
        affineAt(network, k)!.parts.forEach(
          (part, i) => void add(network.nodes[k].inputs[i], partOf(part).adjoint(dy)),
        );
      }
      return cotangents.get(source) ?? new Float64Array(cols);
    },
  };
}

function plus(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((x, i) => x + b[i]);
}

/** Multiplications of one product with the region's map, roughly. */
export function regionCost(network: Network, region: Region): number {
  return region.nodes.reduce((sum, k) => sum + affineCost(affineAt(network, k)!), 0);
}

/** Far more than 2⁵³ times what underflow can add to an entry. */
const UNDERFLOW = 2 ** -900;

/**
 * The region's map with |A| for every part A, each result a little larger: rounding errors are relative to it, those
 * of underflow too.
 */
export function magnitudeOperator(network: Network, region: Region, source: number): LinearOperator {
  const enlarged = (y: Float64Array) => y.map((a) => a + UNDERFLOW);
  return regionOperator(network, region, source, (part) => {
    const size = part.magnitude ?? part;
    return {
      rows: part.rows,
      cols: part.cols,
      apply: (x) => enlarged(size.apply(x)),
      adjoint: (y) => enlarged(size.adjoint(y)),
    };
  });
}

/**
 * Roundings on the longest way through the region, of its products and of those of its adjoint: what
 * `LinearPart.roundings` is for one part. The adjoint adds up what the rows of a part, and what several parts, take
 * from one entry, also where entries are only copied.
 */
export function regionRoundings(network: Network, region: Region): number {
  const readers = new Map<number, number>();
  const refs = region.nodes.flatMap((k) => network.nodes[k].inputs);
  for (const { node } of [region.sink, ...refs]) readers.set(node, (readers.get(node) ?? 0) + 1);
  const most = new Map<number, number>();
  const at = ({ node }: Ref) => (most.get(node) ?? 0) + readers.get(node)!;
  for (const k of region.nodes) {
    const { parts } = affineAt(network, k)!;
    const before = parts.map((part, i) => at(network.nodes[k].inputs[i]) + part.roundings + part.rows);
    most.set(k, Math.max(...before) + parts.length - 1);
  }
  return at(region.sink);
}

/** True when the region's products with unit vectors are its matrix, without rounding. */
export function isExact(network: Network, region: Region): boolean {
  const parts = region.nodes.map((k) => affineAt(network, k)!.parts);
  if (parts.some((several) => several.length > 1)) return false;
  const [first, ...rest] = parts.flatMap(([part], i) => (part.roundings > 0 ? [i] : []));
  if (first === undefined) return true;
  // Copies before it would add up entries of its rows.
  const before = parts.slice(0, first).every(([part]) => movesOnly(part));
  return rest.length === 0 && parts[first][0].exactEntries === true && before;
}

/** True when entries are moved, each to one place at most. */
function movesOnly(part: LinearPart): boolean {
  return part.norm !== undefined && part.roundings === 0 && part.norm({}).upper === 1;
}

/** True when a part before or behind another changes its norm by one known number: moves, multiples of the identity. */
export function keepsRatios(part: LinearPart): boolean {
  const factors = part.diagonal?.factors;
  return factors?.every((f) => Math.abs(f) === Math.abs(factors[0])) === true || movesOnly(part);
}

/**
 * The region as one part: where it is a path on which diagonal matrices can be taken into what they scale (a
 * convolution and the batch normalisation behind it) and all else only passes values on. null otherwise.
 */
export function pathPart(network: Network, { nodes, sink }: Region): LinearPart | null {
  let whole: LinearPart | null = null;
  let at: Ref | null = null;
  for (const k of nodes) {
    const { parts } = affineAt(network, k)!;
    const { inputs, size } = network.nodes[k];
    if (parts.length !== 1 || inputs[0].size !== sizeOf(network, inputs[0].node)) return null;
    if (at !== null && inputs[0].node !== at.node) return null;
    const [part] = parts;
    at = { node: k, offset: 0, size };
    if (isIdentity(part)) continue;
    if (whole !== null && part.diagonal === undefined) return null;
    whole = whole === null ? part : (whole.scaleRows?.(part.diagonal!) ?? null);
    if (whole === null) return null;
  }
  return at !== null && at.node === sink.node && sink.size === at.size ? whole : null;
}

function isIdentity({ diagonal }: LinearPart): boolean {
  return diagonal?.factors.every((f) => f === 1) === true;
}
