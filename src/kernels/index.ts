import { plainKernels } from "./plain.ts";
import type { Kernels } from "./types.ts";

export { plainKernels };

/** The fastest kernels this engine can run. */
export function kernels(): Kernels {
  return plainKernels;
}
