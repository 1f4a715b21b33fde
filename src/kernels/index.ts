import { plainKernels } from "./plain.ts";
import type { Kernels } from "./types.ts";
import { wasmKernels } from "./wasm.ts";

export { plainKernels, wasmKernels };

/** A module of one function that returns i8x16.popcnt(i8x16.splat(0)): valid only where SIMD is. */
const SIMD_PROBE = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0],
  ...[10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
);

let chosen: Kernels | undefined;

/** The fastest kernels this engine can run: WebAssembly with SIMD, or else plain JS. */
export function kernels(): Kernels {
  chosen ??= hasSimd() ? wasmKernels : plainKernels;
  return chosen;
}

function hasSimd(): boolean {
  return typeof WebAssembly === "object" && WebAssembly.validate(SIMD_PROBE);
}
