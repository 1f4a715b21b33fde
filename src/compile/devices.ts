import { hasBuiltins } from "../platform/builtin.ts";
import { defaultThreads } from "../platform/cores.ts";
import { CopyingSession } from "./copying-session.ts";
import { DeviceError } from "./errors.ts";
import { NativeSession } from "./native-session.ts";
import { LOG_FATAL, type Loaders, type OnnxRuntime, type SessionOptions } from "./onnxruntime.ts";
import { supportsQuietRuns, withQuietRuns } from "./quiet-results.ts";
import type { Engine } from "./session.ts";
import { webEngine } from "./web-engine.ts";

/** Where a compiled function runs. */
export type Device = "native" | "wasm" | "webgpu" | "jax";

export const DEVICES: readonly Device[] = ["native", "wasm", "webgpu", "jax"];

/** A device of onnxruntime. */
export type OnnxDevice = Exclude<Device, "jax">;

const PACKAGES: Readonly<Record<OnnxDevice, string>> = {
  native: "onnxruntime-node",
  wasm: "onnxruntime-web",
  webgpu: "onnxruntime-web",
};

/** The package of a device is not installed. */
export class MissingPackageError extends DeviceError {
  override name = "MissingPackageError";
  /** What to do about it, as an imperative sentence. */
  readonly remedy: string;

  constructor(device: OnnxDevice) {
    const remedy =
      device === "native" && !hasBuiltins()
        ? 'In a browser, compile with { device: "wasm" } or { device: "webgpu" }.'
        : `Run: npm install ${PACKAGES[device]}`;
    super(`compile: device "${device}" needs the package ${PACKAGES[device]}, which is not here. ${remedy}`);
    this.remedy = remedy;
  }
}

/**
 * Loads onnxruntime for a device.
 * @param threads by default as many as help.
 * @throws MissingPackageError when it is not installed, DeviceError when it does not start.
 */
export async function openEngine(device: OnnxDevice, loaders: Loaders, threads?: number): Promise<Engine> {
  const ort = await load(device, loaders);
  if (device === "webgpu" && !hasWebGpu()) {
    throw new DeviceError(
      'compile: device "webgpu" needs WebGPU, which is not here (no navigator.gpu). Compile with { device: "wasm" }.',
    );
  }
  return device === "native"
    ? nativeEngine(ort, threads ?? defaultThreads())
    : webEngine(ort, device, threads);
}

async function nativeEngine(ort: OnnxRuntime, threads: number): Promise<Engine> {
  const options = nativeOptions(threads);
  const start = (model: Uint8Array) => ort.InferenceSession.create(model, options);
  if (!(await supportsQuietRuns(ort))) {
    return { start: async (lowered) => new CopyingSession(ort, await start(lowered.bytes), lowered) };
  }
  return {
    start: async (lowered) => new NativeSession(ort, await start(withQuietRuns(lowered.bytes)), lowered),
  };
}

function hasWebGpu(): boolean {
  return "gpu" in (globalThis.navigator ?? {});
}

async function load(device: OnnxDevice, loaders: Loaders): Promise<OnnxRuntime> {
  try {
    const found = (await loaders[device]()) as OnnxRuntime & { readonly default?: OnnxRuntime };
    // onnxruntime-node is a CommonJS module: Node shows all of it as the default export.
    return found.default ?? found;
  } catch (cause) {
    if (isMissing(device, cause)) throw new MissingPackageError(device);
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DeviceError(
      `compile: ${PACKAGES[device]} does not start here: ${why} Compile with { device: "jax" } to run without it.`,
      { cause },
    );
  }
}

function isMissing(device: OnnxDevice, cause: unknown): boolean {
  if (device === "native" && !hasBuiltins()) return true;
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND";
}

function nativeOptions(threads: number): SessionOptions {
  return {
    intraOpNumThreads: threads,
    executionMode: "sequential",
    // Graphs arrive as they are to run: onnxruntime would only join transpositions again that are faster apart.
    graphOptimizationLevel: "disabled",
    logSeverityLevel: LOG_FATAL,
  };
}
