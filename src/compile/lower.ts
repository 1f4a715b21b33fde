import { encodeModel } from "../formats/onnx/encode.ts";
import { type Node, topological } from "./graph.ts";
import { BINARY_OPS, UNARY_OPS } from "./lower/elementwise.ts";
import { Emitter } from "./lower/emitter.ts";
import type { LoweredFunction, NamedLeaf } from "./lowered.ts";
import type { TracedFunction } from "./trace.ts";
import { UnsupportedPrimitiveError } from "./unsupported.ts";

export { UnsupportedPrimitiveError } from "./unsupported.ts";

/**
 * A traced function as an ONNX model.
 * @throws UnsupportedPrimitiveError for a primitive that onnxruntime has no equivalent of.
 */
export function lower(traced: TracedFunction): LoweredFunction {
  const emitter = new Emitter();
  const names = new Map<Node, string>();
  const used = new Set<number>();
  for (const node of topological(traced.graph.outputs)) {
    if (node.op === "input") {
      used.add(node.parameters.index);
      names.set(node, `in${node.parameters.index}`);
    } else
      names.set(
        node,
        emit(
          emitter,
          node,
          node.inputs.map((n) => names.get(n)!),
        ),
      );
  }
  const inputs: NamedLeaf[] = traced.inputs.map((leaf, i) => ({
    ...leaf,
    name: used.has(i) ? `in${i}` : "",
  }));
  const outputs: NamedLeaf[] = traced.outputs.map((leaf, i) => ({ ...leaf, name: `out${i}` }));
  for (const [i, node] of traced.graph.outputs.entries()) {
    emitter.nodes.push({ opType: "Identity", inputs: [names.get(node)!], outputs: [`out${i}`] });
  }
  const bytes = encodeModel({
    opset: 21,
    irVersion: 10,
    graph: {
      nodes: emitter.nodes,
      initializers: emitter.initializers,
      inputs: inputs.filter(({ name }) => name !== ""),
      outputs,
    },
  });
  return { bytes, inputs, outputs };
}

const DT = { float32: 1, int32: 6, bool: 9, float16: 10, float64: 11, uint32: 12 };

function emit(e: Emitter, node: Node, x: string[]): string {
  const refuse = () => new UnsupportedPrimitiveError(node.op, node.inputs);
  switch (node.op) {
    case "constant":
      return e.tensor(node.dtype, node.shape, node.parameters.data);
    case "scalar":
      return e.scalar(node.parameters.value, node.dtype);
    case "reshape":
      return e.op("Reshape", [x[0], e.integers(node.shape)]);
    case "expand":
      return e.op("Expand", [x[0], e.integers(node.shape)]);
    case "transpose":
      return e.op("Transpose", x, { perm: node.parameters.permutation });
    case "cast":
      return e.op("Cast", x, { to: DT[node.dtype] });
    case "where":
      return e.op("Where", x);
    case "slice": {
      const { starts, steps } = node.parameters;
      const ends = starts.map((s, i) =>
        steps[i] < 0 && s - node.shape[i] < 0 ? -(2 ** 31) : s + steps[i] * node.shape[i],
      );
      return e.op("Slice", [
        x[0],
        e.integers(starts),
        e.integers(ends),
        e.integers(starts.map((_, i) => i)),
        e.integers(steps),
      ]);
    }
    case "pad": {
      const w = node.parameters.widths;
      return e.op("Pad", [x[0], e.integers([...w.map((p) => p[0]), ...w.map((p) => p[1])])]);
    }
    case "concatenate":
      return e.op("Concat", x, { axis: node.parameters.axis });
    case "compare": {
      const { comparison } = node.parameters;
      if (comparison === "notEqual") return e.op("Not", [e.op("Equal", x)]);
      return e.op({ less: "Less", lessOrEqual: "LessOrEqual", equal: "Equal" }[comparison], x);
    }
    case "reduce": {
      const op = { add: "ReduceSum", mul: "ReduceProd", min: "ReduceMin", max: "ReduceMax" }[
        node.parameters.reduction
      ];
      return e.op(op, [x[0], e.integers(node.parameters.axes)], { keepdims: 0 });
    }
    case "dot": {
      const [a, b] = node.inputs.map((n) => n.shape);
      const r = a.length;
      if (r >= 3 && b.length === r && a[r - 2] === 1 && b[r - 3] === 1 && r === 3) {
        const left = e.op("Reshape", [x[0], e.integers([a[0], a[2]])]);
        const right = e.op("Reshape", [x[1], e.integers([b[1], b[2]])]);
        return e.op("Gemm", [left, right], { transB: 1 });
      }
      return e.op("ReduceSum", [e.op("Mul", x), e.integers([node.shape.length])], { keepdims: 0 });
    }
    case "conv": {
      const p = node.parameters;
      if (p.batchDims > 0 || p.lhsDilation.some((d) => d !== 1)) throw refuse();
      const pads = [...p.padding.map((a) => a[0]), ...p.padding.map((a) => a[1])];
      return e.op("Conv", x, { strides: p.strides, dilations: p.rhsDilation, pads });
    }
    case "opaque":
      throw new UnsupportedPrimitiveError(node.parameters.primitive, node.inputs);
    default: {
      const op = { ...UNARY_OPS, ...BINARY_OPS }[node.op as never] as string | undefined;
      if (op === undefined) throw refuse();
      return e.op(op, x);
    }
  }
}
