import type { ConvolutionGeometry } from "../../linalg/geometry.ts";
import { intAttribute, intsAttribute } from "../attributes.ts";
import { unknownSizeAdvice } from "../input-shapes.ts";
import type { Scope, Site } from "../scope.ts";
import { isKnown, type Shape } from "../shapes/value.ts";
import type { StoredWeight } from "../stored-weight.ts";
import { axisOrder, isStoredOrder } from "../strided-view.ts";
import type { ConvolutionLayout } from "../use.ts";
import {
  adjointAxis,
  resolvedPadding,
  type SlidingWindow,
  slidingWindow,
  transposedAxis,
  windowOutput,
} from "../window.ts";
import { type Act, type Action, type WeightRule, weightAt } from "./finding.ts";

type Padding = readonly (readonly [number, number])[];

function adviceAt(scope: Scope): string {
  let root = scope;
  while (root.parent !== null) root = root.parent;
  return unknownSizeAdvice(root.graph, (input) => root.steadyShape(input));
}

/** The kernel's window, or what is wrong with the node. */
function windowOf(site: Site, kernel: readonly number[]): SlidingWindow | string {
  const spatial = kernel.slice(2);
  if (spatial.length === 0)
    return `a convolution needs a kernel of 3 or more dimensions, got ${kernel.length}`;
  const declared = intsAttribute(site.node, "kernel_shape");
  if (declared !== undefined && declared.join() !== spatial.join()) {
    return `kernel_shape is ${declared.join("x")} but the kernel is ${spatial.join("x")}`;
  }
  return slidingWindow(site.node, spatial) ?? "strides, pads or dilations do not fit the kernel";
}

/** kernelShape and permutation, or null when the kernel's elements are regrouped on the way from the file. */
function kernelLayout(weight: StoredWeight): Pick<ConvolutionLayout, "kernelShape" | "permutation"> | null {
  if (isStoredOrder(weight.view)) return { kernelShape: weight.view.shape };
  const permutation = axisOrder(weight.view, weight.tensor.shape);
  return permutation && { kernelShape: weight.view.shape, permutation };
}

function action(
  site: Site,
  weight: StoredWeight,
  operator: "conv" | "conv-transpose",
  geometry: Omit<ConvolutionGeometry, "groups" | "boundary">,
): Action | string {
  const kernel = kernelLayout(weight);
  if (kernel === null || weight.reordered !== undefined)
    return "its axes are regrouped between the file and the convolution";
  const groups = intAttribute(site.node, "group") ?? 1;
  if (groups < 1 || kernel.kernelShape[0] % groups !== 0) {
    return `${kernel.kernelShape[0]} rows of the kernel do not divide into ${groups} groups`;
  }
  if (geometry.padding.some((p) => p[0] < 0 || p[1] < 0))
    return "negative padding (cropping) is not supported";
  const layout: ConvolutionLayout = {
    kind: "convolution",
    ...kernel,
    geometry: { ...geometry, groups, boundary: "zero" },
  };
  if (geometry.inputSize !== undefined) return { operator, layout };
  return { operator, layout, problems: [adviceAt(site.scope)] };
}

function spatialOf(shape: Shape | null, axes: number, channelsLast: boolean): Shape {
  if (shape?.length !== axes + 2) return new Array<null>(axes).fill(null);
  return channelsLast ? shape.slice(1, -1) : shape.slice(2);
}

function channelMismatch(site: Site, shape: Shape | null, perGroup: number, last: boolean): string | null {
  const channels = last ? shape?.at(-1) : shape?.[1];
  const expected = perGroup * (intAttribute(site.node, "group") ?? 1);
  if (channels === null || channels === undefined || channels === expected) return null;
  return `the kernel expects ${expected} input channels, the graph gives ${channels}`;
}

/** How a kernel acts on input 0 of a convolution. */
export function convolutionAction(site: Site, channelsLast: boolean): Act {
  return (weight) => {
    const kernel = weight.view.shape;
    const w = windowOf(site, kernel);
    if (typeof w === "string") return w;
    const shape = site.scope.steadyShape(site.node.inputs[0]);
    const sizes = spatialOf(shape, w.kernel.length, channelsLast);
    const mismatch = channelMismatch(site, shape, kernel[1], channelsLast);
    if (mismatch !== null) return mismatch;
    if (sizes.some((n, i) => n !== null && windowOutput(w, i, n) === null)) {
      return `the kernel does not fit into the input of size ${sizes.join("x")}`;
    }
    return action(site, weight, "conv", {
      inputSize: isKnown(sizes) ? sizes : undefined,
      strides: w.strides,
      padding: sizes.map((n, i) => resolvedPadding(w, i, n)),
      dilations: w.dilations,
    });
  };
}

function convolution(channelsLast: boolean): WeightRule {
  return (site) => weightAt(site, 1, convolutionAction(site, channelsLast));
}

const transposed: WeightRule = (site) =>
  weightAt(site, 1, (weight) => {
    const kernel = weight.view.shape;
    const w = windowOf(site, kernel);
    if (typeof w === "string") return w;
    const shape = site.scope.steadyShape(site.node.inputs[0]);
    const channels = shape?.[1] ?? kernel[0];
    if (channels !== kernel[0])
      return `the kernel expects ${kernel[0]} input channels, the graph gives ${channels}`;
    const axes = spatialOf(shape, w.kernel.length, false).map((n, i) => {
      const axis = transposedAxis(site.node, w, i, n);
      return {
        known: n !== null,
        ...adjointAxis(axis.output, axis.padding, axis.outputPadding, w.strides[i]),
      };
    });
    const sizes = axes.map((a) => (a.known ? a.size : null));
    if (axes.some((a) => a.known && (a.size === null || a.size < 1))) return "its output would be empty";
    const padding: Padding = axes.map((a) => a.padding);
    return action(site, weight, "conv-transpose", {
      inputSize: isKnown(sizes) ? sizes : undefined,
      strides: w.strides,
      padding,
      dilations: w.dilations,
    });
  });

const deformable: WeightRule = (site) =>
  weightAt(
    site,
    1,
    () => "a deformable convolution samples where its input says, so it is no linear operator",
  );

/** Convolutions with a stored kernel. */
export const convolutionWeights: Readonly<Record<string, WeightRule>> = {
  Conv: convolution(false),
  FusedConv: convolution(false),
  NhwcConv: convolution(true),
  NhwcFusedConv: convolution(true),
  ConvTranspose: transposed,
  DeformConv: deformable,
};
