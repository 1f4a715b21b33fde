import type { Kernels } from "./types.ts";
import { gramMatrix, shiftedCholesky } from "./wasm-matrix.ts";
import { WasmRowBlock } from "./wasm-rows.ts";
import { WasmSymbol } from "./wasm-symbol.ts";

/** The kernels in WebAssembly with 128-bit SIMD. */
export const wasmKernels: Kernels = {
  name: "wasm",
  rowBlock: (type, rows, cols) => new WasmRowBlock(type, rows, cols),
  gramMatrix,
  shiftedCholesky,
  symbol: (kernel, rows, cols, taps, lattice) => new WasmSymbol(kernel, rows, cols, taps, lattice),
};
