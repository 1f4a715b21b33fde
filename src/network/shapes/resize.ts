import { floatsAttribute, intsAttribute, stringAttribute } from "../attributes.ts";
import { type Application, rulesFor, type ShapeRule, type ShapeRules } from "./rule.ts";
import {
  asDim,
  type Dim,
  knownContents,
  normalizeAxes,
  ofShape,
  type Shape,
  UNKNOWN,
  unknownDims,
} from "./value.ts";

interface ResizeTarget {
  readonly axes: readonly number[];
  readonly scales: readonly number[] | undefined;
  readonly sizes: readonly (number | null)[] | undefined;
}

/** What a Resize or Upsample node asks for; null when its axes are wrong. */
export function resizeTarget(
  op: Pick<Application, "node" | "opset" | "inputs">,
  rank: number,
): ResizeTarget | null {
  const axes = normalizeAxes(
    intsAttribute(op.node, "axes") ?? Array.from({ length: rank }, (_, i) => i),
    rank,
  );
  const scalesInput = op.node.opType === "Resize" && op.opset >= 11 ? 2 : 1;
  const scales = floatsAttribute(op.node, "scales") ?? knownContents(op.inputs[scalesInput]);
  const sizes = op.opset >= 11 ? op.inputs[3]?.contents : undefined;
  return (
    axes && { axes, scales: scales?.length ? scales : undefined, sizes: sizes?.length ? sizes : undefined }
  );
}

/** "stretch", "not_larger" or "not_smaller": one common scale for all axes unless stretched. */
function keptAspect(shape: Shape, target: ResizeTarget, policy: string): readonly Dim[] {
  const ratios = target.axes.map((a, k) => {
    const [d, size] = [shape[a], target.sizes?.[k] ?? null];
    return d === null || size === null ? null : size / d;
  });
  if (ratios.some((r) => r === null)) return target.axes.map(() => null);
  const known = ratios as readonly number[];
  const scale = policy === "not_larger" ? Math.min(...known) : Math.max(...known);
  return target.axes.map((a) => asDim(Math.floor(scale * shape[a]! + 0.5)));
}

const resize: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const { shape } = x;
  if (shape === null) return [ofShape(null, x.dtype)];
  const target = resizeTarget(op, shape.length);
  // The region of tf_crop_and_resize scales the size as well.
  const cropped = stringAttribute(op.node, "coordinate_transformation_mode") === "tf_crop_and_resize";
  if (target === null) return [ofShape(unknownDims(shape.length), x.dtype)];
  const policy = stringAttribute(op.node, "keep_aspect_ratio_policy") ?? "stretch";
  const out: Dim[] = [...shape];
  const aspect = target.sizes && policy !== "stretch" ? keptAspect(shape, target, policy) : undefined;
  target.axes.forEach((axis, k) => {
    const d = shape[axis];
    const scale = target.scales?.[k];
    if (aspect) out[axis] = aspect[k];
    else if (target.sizes) out[axis] = asDim(target.sizes[k]);
    else if (scale === 1 && !cropped) out[axis] = d;
    else
      out[axis] =
        d === null || scale === undefined || cropped ? null : asDim(Math.floor(Math.fround(d * scale)));
  });
  return [ofShape(out, x.dtype)];
};

const gridSample: ShapeRule = (op) => {
  const x = op.inputs[0] ?? UNKNOWN;
  const grid = op.inputs[1]?.shape ?? null;
  if (x.shape === null || grid === null) return [ofShape(null, x.dtype)];
  return [ofShape([x.shape[0], x.shape[1] ?? null, ...grid.slice(1, -1)], x.dtype)];
};

/** Operators that change the sampling of the spatial axes. */
export const resizeRules: ShapeRules = {
  ...rulesFor(["Resize", "Upsample"], resize),
  GridSample: gridSample,
};
