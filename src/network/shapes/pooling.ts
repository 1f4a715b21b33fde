import { intAttribute, intsAttribute } from "../attributes.ts";
import { slidingWindow, windowOutput } from "../window.ts";
import { rulesFor, type ShapeRule, type ShapeRules } from "./rule.ts";
import { shapeFromContents } from "./source.ts";
import { ofShape, type Shape, UNKNOWN, unknownDims } from "./value.ts";

const pool: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const kernel = intsAttribute(op.node, "kernel_shape");
  const { shape } = x;
  const both = (s: Shape | null) => [ofShape(s, x.dtype), ofShape(s, "int64")];
  if (shape === null) return both(kernel ? unknownDims(kernel.length + 2) : null);
  const w = kernel && kernel.length === shape.length - 2 ? slidingWindow(op.node, kernel) : null;
  if (w === null) return both([...shape.slice(0, 2), ...unknownDims(Math.max(shape.length - 2, 0))]);
  return both([...shape.slice(0, 2), ...w.kernel.map((_, i) => windowOutput(w, i, shape[i + 2]))]);
};

const globalPool: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  return [ofShape(x.shape?.map((d, i) => (i < 2 ? d : 1)) ?? null, x.dtype)];
};

const roiPool: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const rois = op.inputs[1]?.shape?.[0] ?? null;
  const pooled = intsAttribute(op.node, "pooled_shape");
  const height = pooled?.[0] ?? intAttribute(op.node, "output_height") ?? 1;
  const width = pooled?.[1] ?? intAttribute(op.node, "output_width") ?? 1;
  return [ofShape([rois, x.shape?.[1] ?? null, height, width], x.dtype)];
};

const unpool: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const given = shapeFromContents(op.inputs[2]);
  if (given !== null) return [ofShape(given, x.dtype)];
  const kernel = intsAttribute(op.node, "kernel_shape");
  const w = kernel ? slidingWindow(op.node, kernel) : null;
  if (x.shape === null || w === null || op.inputs[2] !== undefined) return [ofShape(null, x.dtype)];
  const spatial = w.kernel.map((k, i) => {
    const d = x.shape![i + 2] ?? null;
    return d === null ? null : (d - 1) * w.strides[i] + k - w.pads[i][0] - w.pads[i][1];
  });
  return [ofShape([...x.shape.slice(0, 2), ...spatial], x.dtype)];
};

/** Pooling: sliding, global and over regions. */
export const poolingRules: ShapeRules = {
  ...rulesFor(["MaxPool", "AveragePool", "LpPool", "QLinearAveragePool"], pool),
  ...rulesFor(["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"], globalPool),
  ...rulesFor(["RoiAlign", "MaxRoiPool"], roiPool),
  MaxUnpool: unpool,
};
