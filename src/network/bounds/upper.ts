import { eclipseUpper, prepareRun, type RunMatrix, type SlopeRange } from "../../linalg/eclipse.ts";
import { frobeniusNorm } from "../../linalg/frobenius.ts";
import { addUp, gamma, mulUp } from "../../linalg/rounding.ts";
import { rootOfSquares } from "../join.ts";
import { type Network, type NetworkNode, type Ref, refKey } from "../network.ts";
import type { AffineOperation, ElementwiseOperation, Sensitivity } from "../operators/operation.ts";
import { isSmall, regionMatrix } from "./explicit-region.ts";
import type { Norms } from "./norms.ts";
import {
  keepsRatios,
  magnitudeOperator,
  pathPart,
  type Region,
  regionCost,
  regionOf,
  regionOperator,
  regionRoundings,
} from "./regions.ts";
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

/** Norms known beforehand, from an audit: of the one part of an affine node. */
export type KnownNorm = (node: NetworkNode) => number | undefined;

/** Wider hidden layers end a run: bounding it as a whole takes the cube of their width, seconds at 512. */
const MOST_HIDDEN = 512;

/** A run of dense layers with elementwise functions between them, ending in a value. */
export interface DenseRun {
  /** The value it starts from. */
  readonly source: number;
  readonly layers: readonly RunMatrix[];
  /** Nodes of the elementwise functions between the layers. */
  readonly bends: readonly number[];
}

/** The difference of two outputs as a linear function of a region's source. */
export interface PairRow {
  readonly entries: Float64Array;
  /** How far the entries may be from the true ones (ℓ2). */
  readonly error: number;
  /** ℓ2, rounded up, the error included. */
  readonly norm: number;
}

/** The global bound of a network: every value's steepness, the better of several ways to it. */
export class UpperBound {
  readonly network: Network;
  /** Of each node's whole result. */
  readonly results: readonly Steepness[];
  /** Of all outputs together. */
  readonly output: Steepness;
  /** True where a run of dense layers was bounded as a whole, and better than layer by layer. */
  #asRun = false;
  readonly #norms: Norms;
  readonly #known: KnownNorm;
  readonly #regions = new Map<string, Region>();
  readonly #matrices = new Map<string, RunMatrix | null>();
  readonly #results: Steepness[] = [];
  readonly #reached = new Map<string, Steepness>();
  readonly #runEnds: ReadonlySet<string>;
  readonly #sensitivities = new Map<NetworkNode, Sensitivity>();
  readonly #regionNorms = new Map<string, number>();
  readonly #pairRows = new Map<string, PairRow>();

  constructor(network: Network, norms: Norms, known: KnownNorm = () => undefined) {
    this.network = network;
    this.#norms = norms;
    this.#known = known;
    this.#runEnds = this.#findRunEnds();
    for (const node of network.nodes) this.#results.push(this.#node(node));
    this.results = this.#results;
    this.output = outputSteepness(network, (ref) => this.at(ref));
  }

  /** Values that end a run which is no part of a longer one. */
  #findRunEnds(): ReadonlySet<string> {
    const { nodes, outputs } = this.network;
    const bent = nodes.flatMap((node) => (node.operation.kind === "affine" ? [] : node.inputs));
    const ends = new Map(
      [...outputs.map(({ ref }) => ref), ...bent].map((ref) => [refKey(ref), ref] as const),
    );
    for (const ref of [...ends.values()]) {
      for (const k of this.run(ref)?.bends ?? []) ends.delete(refKey(nodes[k].inputs[0]));
    }
    return new Set(ends.keys());
  }

  get method(): "eclipse-fast" | "product" {
    return this.#asRun ? "eclipse-fast" : "product";
  }

  /** How steep the value is that a reference reads, by the best way known to it. */
  at(ref: Ref): Steepness {
    const key = refKey(ref);
    const known = this.#reached.get(key);
    if (known !== undefined) return known;
    const best = this.#best(ref);
    this.#reached.set(key, best);
    return best;
  }

  #best(ref: Ref): Steepness {
    const node = ref.node < 0 ? undefined : this.network.nodes[ref.node];
    const plain = steepnessAt(this.network, ref, this.#results);
    if (node?.operation.kind !== "affine") return plain;
    const better = smaller(plain, this.#composed(ref));
    const run = this.#runEnds.has(refKey(ref)) ? this.run(ref) : null;
    if (run === null || run.layers.length < 2) return better;
    const bound = this.#runBound(run);
    const start = steepnessAt(this.network, wholeOf(this.network, run.source), this.#results);
    const whole = bound === null ? null : scaled(start, bound);
    if (total(whole) < total(better) * (1 - 1e-9)) {
      this.#asRun = true;
      return whole;
    }
    return better;
  }

  #node(node: NetworkNode): Steepness {
    const { operation } = node;
    const taken = takenFrom(this.network, node.inputs, (ref) => this.#before(node, ref));
    if (taken.some((t) => t.steepness === null)) return null;
    switch (operation.kind) {
      case "affine": {
        return joined(taken, this.#affine(node, operation));
      }
      case "elementwise":
        return scaled(taken[0].steepness, steepestSlope(globalSlopes(operation, node.size)));
      case "general": {
        const { steepness } = node;
        return steepness === undefined || "unbounded" in steepness ? null : joined(taken, steepness);
      }
    }
  }

  /** Affine nodes go on from what stands before them; where a region ends, the best way to its end counts. */
  #before(node: NetworkNode, ref: Ref): Steepness {
    return node.operation.kind === "affine" ? steepnessAt(this.network, ref, this.#results) : this.at(ref);
  }

  #affine(node: NetworkNode, { parts }: AffineOperation): Sensitivity {
    const known = this.#sensitivities.get(node);
    if (known !== undefined) return known;
    const audited = parts.length === 1 ? this.#known(node) : undefined;
    const constants =
      audited !== undefined ? [audited] : parts.map((part) => this.#norms.part(part) ?? Infinity);
    const join = parts.length > 1 && rowsApart(parts) ? "euclidean" : "sum";
    this.#sensitivities.set(node, { constants, join });
    return { constants, join };
  }

  /** σ₁ of each part of an affine node, rounded up; ∞ where no bound is known. */
  partNorms(k: number): readonly number[] {
    const node = this.network.nodes[k];
    return node.operation.kind === "affine" ? this.#affine(node, node.operation).constants : [];
  }

  /** σ₁ of a region's linear map from one of its sources, rounded up; ∞ where no bound is known. */
  regionNorm(ref: Ref, source: number): number {
    const key = `${refKey(ref)}<${source}`;
    const known = this.#regionNorms.get(key);
    if (known !== undefined) return known;
    const norm = Math.min(this.#normByLayers(ref, source), this.#composedNorm(ref, source) ?? Infinity);
    this.#regionNorms.set(key, norm);
    return norm;
  }

  /** Of the composition: as a matrix where that is small, as one part where it is one, else by its products. */
  #composedNorm(ref: Ref, source: number): number | null {
    const region = this.region(ref);
    const matrix = this.matrix(ref, source);
    if (matrix !== null) return this.#norms.matrix(matrix);
    if (!this.#worthComposing(region)) return null;
    const part = pathPart(this.network, region);
    if (part !== null) return this.#norms.part(part);
    return this.#norms.composition(
      regionOperator(this.network, region, source),
      regionCost(this.network, region),
    );
  }

  /** Products along the ways from the source, added where they meet. */
  #normByLayers(ref: Ref, source: number): number {
    const reached = new Map<number, Steepness>([[source, Float64Array.of(1)]]);
    const at = (r: Ref) => ({
      ref: r,
      steepness: reached.has(r.node) ? reached.get(r.node)! : Float64Array.of(0),
    });
    for (const k of this.region(ref).nodes) {
      const node = this.network.nodes[k];
      reached.set(k, joined(node.inputs.map(at), this.#affine(node, node.operation as AffineOperation)));
    }
    return total(at(ref).steepness);
  }

  /** Output `label` minus output j as a row over a region's source: its entries, its norm and its rounding. */
  pairRow(ref: Ref, source: number, label: number, j: number): PairRow {
    const key = `${refKey(ref)}<${source} ${label}-${j}`;
    const known = this.#pairRows.get(key);
    if (known !== undefined) return known;
    const region = this.region(ref);
    const y = new Float64Array(ref.size);
    y[label] = 1;
    y[j] = -1;
    const entries = regionOperator(this.network, region, source).adjoint(y);
    const magnitudes = magnitudeOperator(this.network, region, source).adjoint(y.map(Math.abs));
    const terms = regionRoundings(this.network, region) + ref.size + entries.length;
    const error = mulUp(mulUp(2, gamma(terms)), frobeniusNorm(magnitudes).upper);
    const norm = addUp(frobeniusNorm(entries).upper, error);
    const row = { entries, error, norm: Number.isNaN(norm) ? Infinity : norm };
    this.#pairRows.set(key, row);
    return row;
  }

  /** The region that ends in a value. */
  region(ref: Ref): Region {
    const key = refKey(ref);
    const region = this.#regions.get(key) ?? regionOf(this.network, ref);
    this.#regions.set(key, region);
    return region;
  }

  /** Linear operators with nothing between them, composed and bounded at once. */
  #composed(ref: Ref): Steepness {
    const region = this.region(ref);
    if (!this.#worthComposing(region)) return null;
    // Norms cost time; they are of no use behind a value that has no bound.
    const starts = region.sources.map((k) =>
      steepnessAt(this.network, wholeOf(this.network, k), this.#results),
    );
    if (starts.includes(null)) return null;
    const terms: { ref: Ref; steepness: Steepness }[] = [];
    const constants: number[] = [];
    for (const source of region.sources) {
      const start = wholeOf(this.network, source);
      terms.push({ ref: start, steepness: steepnessAt(this.network, start, this.#results) });
      constants.push(this.regionNorm(ref, source));
    }
    return terms.length === 0 ? null : joined(terms, { constants, join: "sum" });
  }

  /** Composing helps where at least two nodes stretch or copy, or ways part and meet; else the norm is known already. */
  #worthComposing({ nodes, sink }: Region): boolean {
    const operations = nodes.map((k) => this.network.nodes[k].operation as AffineOperation);
    const stretching = operations.filter(({ parts }) => parts.length > 1 || !keepsRatios(parts[0]));
    if (stretching.length > 1) return true;
    const reads = nodes.flatMap((k) => this.network.nodes[k].inputs.map((ref) => ref.node)).concat(sink.node);
    return new Set(reads).size < reads.length;
  }

  /** The explicit matrix of a region from one source, where it is small. */
  matrix(ref: Ref, source: number): RunMatrix | null {
    const key = `${refKey(ref)}<${source}`;
    const known = this.#matrices.get(key);
    if (known !== undefined) return known;
    const region = this.region(ref);
    const matrix = isSmall(this.network, region, source) ? regionMatrix(this.network, region, source) : null;
    this.#matrices.set(key, matrix);
    return matrix;
  }

  /** The longest run of dense layers that ends in a value; null where not even its last layer is one. */
  run(ref: Ref): DenseRun | null {
    const layers: RunMatrix[] = [];
    const bends: number[] = [];
    let sink = ref;
    for (;;) {
      const { sources } = this.region(sink);
      const matrix = sources.length === 1 ? this.matrix(sink, sources[0]) : null;
      if (matrix === null || (layers.length > 0 && matrix.rows > MOST_HIDDEN)) break;
      layers.unshift(matrix);
      const [source] = sources;
      const node = source < 0 ? undefined : this.network.nodes[source];
      if (node?.operation.kind !== "elementwise") return { source, layers, bends };
      bends.unshift(source);
      sink = node.inputs[0];
    }
    const [first] = bends;
    if (first === undefined) return null;
    return { source: first, layers, bends: bends.slice(1) };
  }

  #runBound(run: DenseRun): number | null {
    const slopes = run.bends.map((k) => {
      const { operation, size } = this.network.nodes[k];
      return globalSlopes(operation as ElementwiseOperation, size);
    });
    if (!slopes.every(({ min, max }) => min.every(Number.isFinite) && max.every(Number.isFinite)))
      return null;
    return eclipseUpper(prepareRun(run.layers), slopes);
  }
}

/** Slopes of every unit over the whole line. */
export function globalSlopes(operation: ElementwiseOperation, size: number): SlopeRange {
  const min = new Float64Array(size);
  const max = new Float64Array(size);
  for (let i = 0; i < size; i++) [min[i], max[i]] = operation.unit(i).slopes(-Infinity, Infinity);
  return { min, max };
}

/** The largest |slope|. */
export function steepestSlope({ min, max }: SlopeRange): number {
  return max.reduce((m, s, i) => Math.max(m, Math.abs(s), Math.abs(min[i])), 0);
}

/** True when no output row is fed by two parts: a concatenation. */
function rowsApart(parts: AffineOperation["parts"]): boolean {
  const fed = new Uint8Array(parts[0].rows);
  return parts.every((part) => part.rowNorms().every((norm, i) => norm === 0 || fed[i]++ === 0));
}

/** ‖s‖ over all outputs. */
export function outputTotal(bound: UpperBound): number | null {
  const upper = bound.output === null ? Infinity : rootOfSquares([...bound.output]);
  return Number.isFinite(upper) ? upper : null;
}

/** The steepness of a node's result or a network input, as a whole. */
export function steepnessBefore(bound: UpperBound, source: number): Steepness {
  return steepnessAt(bound.network, wholeOf(bound.network, source), bound.results);
}
