import { kernels } from "../kernels/index.ts";
import type { BlockScan, RowBlock, StorageType } from "../kernels/types.ts";
import { type ConvolutionOperator, convolution } from "./convolution.ts";
import type { ConvolutionGeometry } from "./geometry.ts";
import { type KernelTensor, type SymbolBound, type SymbolBoundOptions, symbolBound } from "./symbol-bound.ts";
import type { SymbolGrid } from "./symbol-grid.ts";

/** Some rows of a convolution: everything a thread needs to own them. */
export interface ConvolutionPart {
  readonly kernel: Float64Array | Float32Array;
  readonly kernelShape: readonly number[];
  readonly geometry: ConvolutionGeometry;
  /** Output channels [from, to) of the whole. */
  readonly outputChannels: readonly [number, number];
}

const blocks = new Map<number, RowBlock>();
const convolutions = new Map<number, ConvolutionOperator>();
const grams = new Map<number, Float64Array>();

function held<T>(map: Map<number, T>, id: number): T {
  const value = map.get(id);
  if (value === undefined) throw new Error(`no object ${id} is held by this thread`);
  return value;
}

/**
 * What a thread can do: hold rows of one operator in its own memory and multiply by them. Objects live under ids
 * the caller chooses until `release`.
 */
export const tasks = {
  createBlock(id: number, type: StorageType, rows: number, cols: number): void {
    blocks.get(id)?.release();
    blocks.set(id, kernels().rowBlock(type, rows, cols));
  },

  /** Little-endian elements to the position of element `offset`. */
  loadBlock(id: number, bytes: Uint8Array, offset: number): void {
    held(blocks, id).load(bytes, offset);
  },

  scanBlock(id: number, scale: number): BlockScan {
    return held(blocks, id).scan(scale);
  },

  createConvolution(id: number, part: ConvolutionPart): void {
    const { kernel, kernelShape, geometry, outputChannels } = part;
    convolutions.set(id, convolution(kernel, kernelShape, geometry, { outputChannels }));
  },

  /** A v for the rows held. */
  apply(id: number, v: Float64Array): Float64Array {
    const block = blocks.get(id);
    if (block === undefined) return held(convolutions, id).apply(v);
    const y = new Float64Array(block.rows);
    block.apply(v, y);
    return y;
  },

  /** AᵀA v for the rows held: their share of the sum over all rows. */
  gram(id: number, v: Float64Array): Float64Array {
    const w = new Float64Array(v.length);
    const block = blocks.get(id);
    if (block === undefined) held(convolutions, id).gram(v, w);
    else block.gram(v, w);
    return w;
  },

  /** Adds the Gram matrix of a slab (rows × cols, scaled by a power of two) to the accumulator `id`. */
  addGram(id: number, type: StorageType, rows: number, cols: number, bytes: Uint8Array, scale: number): void {
    const slab = kernels().rowBlock(type, rows, cols);
    slab.load(bytes, 0);
    const gram = kernels().gramMatrix(slab, scale);
    slab.release();
    const sum = grams.get(id);
    if (sum === undefined) grams.set(id, gram);
    else for (let i = 0; i < sum.length; i++) sum[i]! += gram[i]!;
  },

  /** Hands the accumulated Gram matrix over and forgets it; empty where nothing was added. */
  takeGram(id: number): Float64Array {
    const gram = grams.get(id) ?? new Float64Array(0);
    grams.delete(id);
    return gram;
  },

  symbolBound(kernel: KernelTensor, grid: SymbolGrid, options: SymbolBoundOptions): SymbolBound {
    return symbolBound(kernel, grid, options);
  },

  release(id: number): void {
    blocks.get(id)?.release();
    convolutions.get(id)?.release();
    blocks.delete(id);
    convolutions.delete(id);
    grams.delete(id);
  },
};

export type Tasks = typeof tasks;
