/**
 * Functions written for jax-js, gradients included, run by onnxruntime: natively in Node, as WebAssembly or on WebGPU.
 *
 * Needs `@jax-js/jax`, and `onnxruntime-node` or `onnxruntime-web` for the devices that run on them.
 */

export {
  type ArgumentTree,
  type Compile,
  type CompiledFunction,
  type CompileOptions,
  compile,
  type ResultTree,
} from "./compile/compile.ts";
export type { Device } from "./compile/devices.ts";
export type { ArrayData } from "./compile/element-types.ts";
export {
  ArgumentError,
  CompileError,
  ConsumedError,
  DeviceError,
  ResultError,
  RunError,
} from "./compile/errors.ts";
export type { ElementType } from "./compile/lowered.ts";
export { liveArrays, NativeArray } from "./compile/native-array.ts";
export { type JaxTree, toJax } from "./compile/to-jax.ts";
export { toNative } from "./compile/to-native.ts";
export { UnsupportedPrimitiveError } from "./compile/unsupported.ts";
export type { ExportedLayer } from "./train/export/check-file.ts";
export { ExportError } from "./train/export/errors.ts";
export { exportOnnx, type OnnxExport } from "./train/export/onnx.ts";
export type { ExportOptions, ExportProgress } from "./train/export/options.ts";
export { exportSafetensors, type SafetensorsExport } from "./train/export/safetensors.ts";
