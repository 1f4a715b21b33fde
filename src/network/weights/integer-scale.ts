import type { OnnxGraph, OnnxNode } from "../../formats/onnx/types.ts";
import type { PlaceScales } from "../dequantized-weight.ts";
import { type Scope, type Site, valuesRead } from "../scope.ts";
import { type ComputedWeight, type StoredWeight, storedConstant } from "../stored-weight.ts";

/** Nodes and graph outputs (null) that read each value of a graph. */
type ReadersByName = ReadonlyMap<string, readonly (OnnxNode | null)[]>;

const known = new WeakMap<OnnxGraph, ReadersByName>();

function readersIn(graph: OnnxGraph): ReadersByName {
  const made = known.get(graph);
  if (made !== undefined) return made;
  const readers = new Map<string, (OnnxNode | null)[]>();
  const add = (name: string, reader: OnnxNode | null) => {
    const list = readers.get(name);
    if (list === undefined) readers.set(name, [reader]);
    else list.push(reader);
  };
  for (const node of graph.nodes) for (const name of valuesRead(node)) add(name, node);
  for (const { name } of graph.outputs) add(name, null);
  known.set(graph, readers);
  return readers;
}

/** The one node that reads a value of this graph; null when there are several readers, none, or it is an output. */
export function onlyReader(scope: Scope, name: string): OnnxNode | null {
  const readers = readersIn(scope.graph).get(name) ?? [];
  return readers.length === 1 ? readers[0] : null;
}

/** Factors that the integer product of a node is multiplied by, as far as the pattern goes. */
interface Factors {
  readonly constant: readonly string[];
  readonly dynamic: readonly string[];
}

/** A factor, or the two factors of a product of scales. */
function factorsOf(scope: Scope, name: string): Factors {
  if (scope.isConstant(name)) return { constant: [name], dynamic: [] };
  const site = scope.producer(name);
  if (site?.node.opType !== "Mul") return { constant: [], dynamic: [name] };
  const constant = site.node.inputs.filter((input) => site.scope.isConstant(input));
  return { constant, dynamic: site.node.inputs.filter((input) => !constant.includes(input)) };
}

/** The scale of the activations that were quantised as the network runs: the node's own first input's. */
function isActivationScale({ node, scope }: Site, name: string): boolean {
  const site = scope.producer(name);
  if (site?.node.opType !== "DynamicQuantizeLinear") return false;
  return site.node.outputs[1] === name && site.node.outputs[0] === node.inputs[0];
}

const MULTIPLICATIONS = 2;

/**
 * The constant scale of an integer product (MatMulInteger, ConvInteger), which the operator itself does not take.
 * onnxruntime's quantize_dynamic writes product → Cast → Mul with the activations' scale times the weight's, the two
 * multiplied by another Mul; the two may also follow one after another.
 */
export function integerScale(site: Site): StoredWeight | ComputedWeight {
  const { node, scope } = site;
  const missing = (because: string): ComputedWeight => ({
    tensors: [],
    because: `cannot be found in the graph: ${because}`,
    folds: false,
  });
  let value = node.outputs[0];
  let reader = onlyReader(scope, value);
  if (reader?.opType !== "Cast") return missing("its integers are not converted by one Cast");
  const constant: string[] = [];
  const dynamic: string[] = [];
  for (let i = 0; i < MULTIPLICATIONS && (constant.length === 0 || dynamic.length === 0); i++) {
    value = reader.outputs[0];
    reader = onlyReader(scope, value);
    if (reader?.opType !== "Mul") return missing("the Cast is not followed by Mul with a scale");
    const other: string = reader.inputs[reader.inputs[0] === value ? 1 : 0];
    const factors = factorsOf(scope, other);
    constant.push(...factors.constant);
    dynamic.push(...factors.dynamic);
  }
  if (dynamic.length !== 1 || !isActivationScale(site, dynamic[0])) {
    return missing("no factor is the scale of its dynamically quantised input");
  }
  if (constant.length !== 1) return missing(`${constant.length} constant factors, expected one`);
  return storedConstant(scope, constant[0]);
}

/** A factor of a matrix product's output: it may vary along the matrix's columns only. */
export const alongColumns: PlaceScales = (shape, view) => {
  const rank = view.shape.length;
  return rank < 2 ? null : { axes: shape.map((_, i) => (i === shape.length - 1 ? rank - 1 : null)) };
};

/** A factor of a convolution's output, whose axes are as many as the kernel's: it may vary along the channels only. */
export const alongMaps: PlaceScales = (shape, view) => {
  const missing = view.shape.length - shape.length;
  return missing < 0 ? null : { axes: shape.map((_, i) => (i + missing === 1 ? 0 : null)) };
};
