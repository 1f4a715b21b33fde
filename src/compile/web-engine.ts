import { hasBuiltins } from "../platform/builtin.ts";
import { CopyingSession, oneAtATime } from "./copying-session.ts";
import type { LoweredFunction } from "./lowered.ts";
import { LOG_FATAL, type OnnxRuntime, type SessionOptions } from "./onnxruntime.ts";
import type { Engine } from "./session.ts";

/**
 * onnxruntime-web. In Node it runs on one thread; in a browser on so many as are wished where the page is cross-origin
 * isolated, and on one elsewhere.
 * @param threads takes effect with the first session of the process and holds for all that follow.
 */
export function webEngine(ort: OnnxRuntime, device: "wasm" | "webgpu", threads: number | undefined): Engine {
  const wished = hasBuiltins() ? 1 : threads;
  if (wished !== undefined) ort.env.wasm.numThreads = wished;
  return {
    async start(lowered) {
      const create = () => ort.InferenceSession.create(lowered.bytes, sessionOptions(device, lowered));
      const session = await oneAtATime(() => withoutGlobalWorker(create));
      return new CopyingSession(ort, session, lowered);
    },
  };
}

/**
 * onnxruntime-web's module for Node defines a global `Worker` when it starts. jax-js takes that for a sign that its memory is
 * shared, in the middle of its work, and fails from then on. One thread needs no worker: the definition is kept away.
 */
async function withoutGlobalWorker<T>(task: () => Promise<T>): Promise<T> {
  if (!hasBuiltins() || "Worker" in globalThis) return task();
  Object.defineProperty(globalThis, "Worker", { configurable: true, get: () => undefined, set: () => {} });
  try {
    return await task();
  } finally {
    delete (globalThis as { Worker?: unknown }).Worker;
  }
}

function sessionOptions(device: "wasm" | "webgpu", lowered: LoweredFunction): SessionOptions {
  const common = {
    executionProviders: [device],
    graphOptimizationLevel: "all",
    logSeverityLevel: LOG_FATAL,
  } as const;
  if (device === "wasm") return common;
  // A GPU buffer holds no float64; such results stay with the CPU.
  const locations = lowered.outputs.map(
    ({ name, dtype }) => [name, dtype === "float64" ? "cpu" : "gpu-buffer"] as const,
  );
  return { ...common, preferredOutputLocation: Object.fromEntries(locations) };
}
