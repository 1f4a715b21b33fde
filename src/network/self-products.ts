import type { OnnxAttribute, OnnxNode } from "../formats/onnx/types.ts";
import { floatAttribute } from "./attributes.ts";
import { INTERNAL_DOMAIN, isKnownDomain } from "./operators/domain.ts";
import type { Scope } from "./scope.ts";
import { knownContents } from "./shapes/value.ts";

/**
 * Exporters write many activations as a product of a value with a function of that value: x·sigmoid(x) for SiLU,
 * x·clip(x + 3, 0, 6) for HardSwish, x·(1 + erf(x/√2)) for GELU. As products of two values they have no constant;
 * as functions of one they do. The nodes of a graph with each such product as one node.
 */
export function withSelfProducts(nodes: readonly OnnxNode[], scope: Scope): readonly OnnxNode[] {
  const known = nodes.filter(isKnownDomain);
  const makers = new Map(known.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const graph = new Graph(makers, scope);
  return nodes.map((node) =>
    node.opType === "Mul" && isKnownDomain(node) ? (graph.product(node) ?? node) : node,
  );
}

class Graph {
  readonly #makers: ReadonlyMap<string, OnnxNode>;
  readonly #scope: Scope;

  constructor(makers: ReadonlyMap<string, OnnxNode>, scope: Scope) {
    this.#makers = makers;
    this.#scope = scope;
  }

  /** The node of one value that a product of two is, or null. */
  product(node: OnnxNode): OnnxNode | null {
    const [a, b] = node.inputs;
    return this.#of(node, a, b) ?? this.#of(node, b, a);
  }

  /** x times what `name` says of x. */
  #of(node: OnnxNode, x: string, name: string): OnnxNode | null {
    const made = this.#makers.get(name);
    switch (made?.opType) {
      case "Sigmoid":
        return this.#swish(node, x, made.inputs[0]);
      case "Tanh":
        return this.#made(made.inputs[0], "Softplus")?.inputs[0] === x
          ? merged(node, x, "Mish", "", {})
          : null;
      case "HardSigmoid":
        return made.inputs[0] === x ? clipped(node, x, hardSigmoid(made)) : null;
      case "Clip":
        return this.#clip(node, x, made);
      case "Add":
        return this.#erf(node, x, made);
      default:
        return null;
    }
  }

  #made(name: string, opType: string): OnnxNode | undefined {
    const made = this.#makers.get(name);
    return made?.opType === opType ? made : undefined;
  }

  /** A constant of one number. */
  #number(name: string): number | undefined {
    const contents = knownContents(this.#scope.value(name));
    return contents?.length === 1 ? contents[0] : undefined;
  }

  /** The other operand of a node with one number as operand, and that number. */
  #withNumber(node: OnnxNode | undefined): { readonly value: string; readonly number: number } | undefined {
    if (node === undefined) return undefined;
    const [a, b] = node.inputs;
    const second = this.#number(b);
    if (second !== undefined) return { value: a, number: second };
    const first = node.opType === "Div" ? undefined : this.#number(a);
    return first === undefined ? undefined : { value: b, number: first };
  }

  #swish(node: OnnxNode, x: string, argument: string): OnnxNode | null {
    if (argument === x) return merged(node, x, "Swish", "", { alpha: 1 });
    const scaled = this.#withNumber(this.#made(argument, "Mul"));
    return scaled?.value === x ? merged(node, x, "Swish", "", { alpha: scaled.number }) : null;
  }

  /** x·clip(x + c, low, high). */
  #clip(node: OnnxNode, x: string, clip: OnnxNode): OnnxNode | null {
    const limit = (input: number, name: string) =>
      clip.inputs.length > 1 ? this.#number(clip.inputs[input] ?? "") : floatAttribute(clip, name);
    const [low, high] = [limit(1, "min"), limit(2, "max")];
    if (low === undefined || high === undefined) return null;
    const shifted = this.#withNumber(this.#made(clip.inputs[0], "Add"));
    const offset = clip.inputs[0] === x ? 0 : shifted?.value === x ? shifted.number : undefined;
    return offset === undefined ? null : clipped(node, x, { slope: 1, offset, low, high });
  }

  /** (k·x)·(1 + erf(x/d)) or (k·x)·(1 + erf(x·m)); k is 1 unless x itself was multiplied by a number before. */
  #erf(node: OnnxNode, x: string, add: OnnxNode): OnnxNode | null {
    const sum = this.#withNumber(add);
    const erf = sum?.number === 1 ? this.#made(sum.value, "Erf") : undefined;
    const argument = erf && this.#makers.get(erf.inputs[0]);
    if (argument?.opType !== "Div" && argument?.opType !== "Mul") return null;
    const scaled = this.#withNumber(argument);
    if (scaled === undefined || !(scaled.number > 0)) return null;
    const own = scaled.value === x ? { value: x, number: 1 } : this.#withNumber(this.#made(x, "Mul"));
    if (own?.value !== scaled.value) return null;
    const by = argument.opType === "Div" ? "divisor" : "factor";
    return merged(node, scaled.value, "ErfProduct", INTERNAL_DOMAIN, {
      [by]: scaled.number,
      outer: own.number,
    });
  }
}

function hardSigmoid(node: OnnxNode): Clipped {
  const slope = floatAttribute(node, "alpha") ?? Math.fround(0.2);
  return { slope, offset: floatAttribute(node, "beta") ?? 0.5, low: 0, high: 1 };
}

interface Clipped {
  readonly slope: number;
  readonly offset: number;
  readonly low: number;
  readonly high: number;
}

function clipped(node: OnnxNode, x: string, { slope, offset, low, high }: Clipped): OnnxNode | null {
  if (![slope, offset, low, high].every(Number.isFinite) || !(slope > 0) || !(low < high)) return null;
  return merged(node, x, "ClippedProduct", INTERNAL_DOMAIN, { slope, offset, low, high });
}

function merged(
  node: OnnxNode,
  x: string,
  opType: string,
  domain: string,
  numbers: Readonly<Record<string, number>>,
): OnnxNode {
  const attributes = new Map<string, OnnxAttribute>();
  for (const [name, value] of Object.entries(numbers)) attributes.set(name, { kind: "float", value });
  return { ...node, opType, domain, inputs: [x], attributes };
}
