import { encodeModel, type NodeDescription } from "../../src/formats/onnx/encode.ts";
import type { Layer } from "./certify-networks.ts";

/** Gemm layers with ReLU between them as an ONNX file: x [N, n] → y [N, classes]. */
export function denseModel(layers: readonly Layer[], last: readonly NodeDescription[] = []): Uint8Array {
  const nodes: NodeDescription[] = [];
  let from = "x";
  layers.forEach((_, k) => {
    if (k > 0) {
      nodes.push({ name: `relu${k}`, opType: "Relu", inputs: [from], outputs: [`r${k}`] });
      from = `r${k}`;
    }
    const to = k === layers.length - 1 && last.length === 0 ? "y" : `h${k}`;
    const attributes = { transB: { kind: "int", value: 1 } } as const;
    nodes.push({
      name: `fc${k}`,
      opType: "Gemm",
      inputs: [from, `w${k}`, `b${k}`],
      outputs: [to],
      attributes,
    });
    from = to;
  });
  const initializers = layers.flatMap(({ weights, bias }, k) => [
    { name: `w${k}`, shape: [weights.length, weights[0].length], data: Float32Array.from(weights.flat()) },
    { name: `b${k}`, data: Float32Array.from(bias ?? weights.map(() => 0)) },
  ]);
  return encodeModel({
    opset: 17,
    graph: {
      nodes: [...nodes, ...last],
      initializers,
      inputs: [{ name: "x", shape: ["N", layers[0].weights[0].length] }],
      outputs: [{ name: "y", shape: ["N", layers.at(-1)!.weights.length] }],
    },
  });
}
