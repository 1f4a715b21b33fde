import { plainKernels } from "./plain.ts";
import type { Kernels } from "./types.ts";
import { WasmRowBlock } from "./wasm-rows.ts";

/** The kernels in WebAssembly with 128-bit SIMD. */
export const wasmKernels: Kernels = {
  ...plainKernels,
  name: "wasm",
  rowBlock: (type, rows, cols) => new WasmRowBlock(type, rows, cols),
};
