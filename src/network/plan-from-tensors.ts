import { isFloatType } from "../formats/dtype.ts";
import type { Model, TensorEntry } from "../formats/model.ts";
import type { ConvolutionGeometry } from "../linalg/geometry.ts";
import type { MatrixLayout, SkippedTensor, WeightPlan, WeightUse } from "./use.ts";

/** What an optimiser keeps beside the weights; as large as they are, and no operators. */
const OPTIMISER =
  /(^|[./])(optimizer|optimizers|optim|opt_state|optimizer_state\w*)[./]|(^|[./_])(exp_avg|exp_avg_sq|max_exp_avg_sq|momentum_buffer|square_avg)$/i;

/** Whole words of names that mark a lookup table. */
const EMBEDDING = /(^|[._/])(\w*embed(ding|dings|der)?s?|wte|wpe|tok_embeddings|token_embd)([._/]|$)/i;

const RECURRENT = /(weight_(ih|hh|hr)(_l\d+)?(_reverse)?|recurrent_kernel(:0)?)$/;

/** Vectors and tables that are added to activations, stored with extra axes of size 1. */
const ADDED = /(pos(ition(al)?)?_?emb\w*|cls_?token|mask_?token|class_?token|dist_?token|register_?tokens)/i;

/** Keras and Flax call weights "kernel" and store them [spatial…, c_in, c_out]. */
const CHANNELS_LAST = /(^|[./_])kernel(:0)?$/;

const EXPERTS = /(^|[._/])experts?([._/]|$)/i;

/** Names under which quantising tools store integer weights. */
const WEIGHT_NAME = /(^|[._/])(q?weight|w|kernel|weight_packed|qweight|weight_int\w*)(:0)?$/i;

/** Types that weights have, in a form or a width that is not read; `void` is NumPy's word for bfloat16 and float8. */
const NUMBERS = /^(b?float|complex|void|qu?int)/;

/** Kernels are at most this wide in two and three dimensions (patch embeddings are 32, the widest others 51). */
const MAX_KERNEL = 128;

/** One-dimensional kernels of audio front ends reach a few thousand taps. */
const MAX_KERNEL_1D = 4096;

function matrix(tensor: TensorEntry, operator: WeightUse["operator"]): WeightUse {
  const [rows, cols] = tensor.shape.slice(-2);
  const count = tensor.shape.slice(0, -2).reduce((a, b) => a * b, 1);
  const layout: MatrixLayout = { kind: "matrix", count, rows, cols };
  return { name: tensor.name, weight: tensor, operator, layout, problems: [] };
}

/**
 * Without a graph a kernel is read with stride 1, no dilation and one group at unknown size. The bound then holds
 * for every stride (which only drops outputs), dilation (the same supremum over all sizes) and size. A transposed
 * convolution [c_in, c_out, k…] is read as the convolution whose adjoint it is, with the same norm.
 */
function convolution(tensor: TensorEntry): WeightUse {
  const axes = tensor.shape.length - 2;
  const permutation = CHANNELS_LAST.test(tensor.name)
    ? [axes + 1, axes, ...Array.from({ length: axes }, (_, i) => i)]
    : undefined;
  const kernelShape = permutation?.map((p) => tensor.shape[p]) ?? tensor.shape;
  const geometry: ConvolutionGeometry = {
    strides: new Array<number>(axes).fill(1),
    padding: Array.from({ length: axes }, () => [0, 0] as const),
    dilations: new Array<number>(axes).fill(1),
    groups: 1,
    boundary: "zero",
  };
  const layout = {
    kind: "convolution" as const,
    kernelShape,
    ...(permutation ? { permutation } : {}),
    geometry,
  };
  return {
    name: tensor.name,
    weight: tensor,
    operator: "conv",
    layout,
    problems: assumptions(kernelShape, permutation),
  };
}

function assumptions(
  kernel: readonly number[],
  permutation: readonly number[] | undefined,
): readonly string[] {
  const order = permutation ? "[k…, c_in, c_out] (its name is Keras's or Flax's)" : "[c_out, c_in, k…]";
  const read = `read as a convolution ${order} with one group; without a graph its input size and stride are unknown, so the bound holds for every size, stride and dilation`;
  const depthwise = kernel[1] === 1 && kernel[0] > 1;
  return depthwise
    ? [
        `${read}; if it is depthwise (groups = ${kernel[0]}), its true norm is at most this bound and may lie below the lower one`,
      ]
    : [read];
}

function isWide(tensor: TensorEntry): boolean {
  const axes = tensor.shape.length - 2;
  const spatial = CHANNELS_LAST.test(tensor.name) ? tensor.shape.slice(0, axes) : tensor.shape.slice(2);
  return spatial.some((k) => k > (axes === 1 ? MAX_KERNEL_1D : MAX_KERNEL));
}

type NoWeight = Omit<SkippedTensor, "tensor">;

/** Several axes and no known use: it may well be a weight, so the user should hear of it. */
const unclear = (because: string): NoWeight => ({ because, warn: true });
const harmless = (because: string): NoWeight => ({ because, warn: false });

function floatTensor(tensor: TensorEntry): WeightUse | NoWeight {
  const { name, shape } = tensor;
  const rank = shape.length;
  if (rank < 2) return harmless("a vector or scalar, no linear operator");
  if (shape.includes(0)) return harmless("has no elements");
  if (rank === 2) {
    if (RECURRENT.test(name)) return matrix(tensor, "recurrent");
    return matrix(tensor, EMBEDDING.test(name) ? "embedding" : "dense");
  }
  if (ADDED.test(name)) return harmless("added to activations, no linear operator");
  if (rank === 3 && EXPERTS.test(name)) return matrix(tensor, "dense");
  if (rank > 5) return unclear(`${rank} dimensions: not a kind of weight that is known without a graph`);
  if (isWide(tensor))
    return unclear(
      `${shape.join("x")} is too wide for a convolution kernel; without a graph its use is unknown`,
    );
  return convolution(tensor);
}

function opaqueTensor(tensor: TensorEntry): SkippedTensor {
  const quantised = tensor.shape.length >= 2 && WEIGHT_NAME.test(tensor.name);
  const numeric = NUMBERS.test(tensor.dtype) && tensor.shape.length >= 2;
  return {
    tensor,
    because: tensor.unsupported ?? `${tensor.dtype} is not audited`,
    warn: quantised || numeric || tensor.dtype === "unknown",
  };
}

/**
 * The weights of a file without a graph, told by shape and name: 2-D dense (or embedding, recurrent), 3- to 5-D
 * convolutions at unknown input size, vectors and optimiser state skipped. There is no graph.
 */
export function planFromTensors(model: Model): WeightPlan {
  const uses: WeightUse[] = [];
  const skipped: SkippedTensor[] = [];
  for (const tensor of model.tensors) {
    if (OPTIMISER.test(tensor.name)) {
      skipped.push({ tensor, because: "optimiser state, not a weight", warn: false });
    } else if (tensor.unsupported !== undefined || !isFloatType(tensor.dtype)) {
      skipped.push(opaqueTensor(tensor));
    } else {
      const found = floatTensor(tensor);
      if ("operator" in found) uses.push(found);
      else skipped.push({ tensor, ...found });
    }
  }
  return { uses, skipped, graph: null };
}
