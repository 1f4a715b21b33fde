import { hasBuiltins } from "../platform/builtin.ts";

/**
 * The part of onnxruntime's JavaScript interface that is used here. onnxruntime-node and onnxruntime-web share it; both
 * are optional, so their own types must not appear in this package's declarations.
 */
export interface OnnxRuntime {
  readonly Tensor: TensorConstructor;
  readonly InferenceSession: {
    create(model: Uint8Array, options: SessionOptions): Promise<OrtSession>;
  };
  readonly env: { readonly wasm: { numThreads?: number } };
}

export type TensorConstructor = new (
  type: string,
  data: ArrayBufferView,
  dims: readonly number[],
) => OrtTensor;

export interface OrtTensor {
  readonly dims: readonly number[];
  /** Where the elements are: "cpu", or "gpu-buffer". */
  readonly location: string;
  /** The elements, of a tensor on the CPU. */
  readonly data: unknown;
  /** The elements, wherever they are. */
  getData(): Promise<unknown>;
  /** Frees what a tensor on a GPU holds. */
  dispose(): void;
}

export type OrtTensors = Record<string, OrtTensor>;

export interface OrtSession {
  readonly inputNames: readonly string[];
  /** @param fetches names of the wanted outputs, with tensors to write them to or null. */
  run(
    feeds: OrtTensors,
    fetches: Record<string, OrtTensor | null>,
    options?: { readonly logSeverityLevel: LogLevel },
  ): Promise<OrtTensors>;
  release(): Promise<void>;
}

type LogLevel = 0 | 1 | 2 | 3 | 4;

/** Fatal errors only: all others are thrown, and nothing prints inside the library. */
export const LOG_FATAL = 4;

/** https://onnxruntime.ai/docs/api/js/interfaces/InferenceSession.SessionOptions.html */
export interface SessionOptions {
  readonly executionProviders?: readonly string[];
  readonly intraOpNumThreads?: number;
  readonly interOpNumThreads?: number;
  readonly executionMode?: "sequential" | "parallel";
  readonly graphOptimizationLevel?: "disabled" | "basic" | "extended" | "layout" | "all";
  readonly enableCpuMemArena?: boolean;
  readonly enableMemPattern?: boolean;
  readonly preferredOutputLocation?: Readonly<Record<string, "cpu" | "gpu-buffer">>;
  readonly logSeverityLevel?: LogLevel;
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** Imports onnxruntime for a device. Rejects as `import()` does where the package is missing. */
export type Loaders = Readonly<Record<"native" | "wasm" | "webgpu", () => Promise<unknown>>>;

/** Names apart from their use: bundlers for browsers must not look for what only Node can load. */
const NODE_PACKAGE = "onnxruntime-node";
const WEB_PACKAGE_IN_NODE = "onnxruntime-web";

export const loaders: Loaders = {
  native: () => import(/* @vite-ignore */ /* webpackIgnore: true */ NODE_PACKAGE),
  wasm: () =>
    hasBuiltins()
      ? import(/* @vite-ignore */ /* webpackIgnore: true */ WEB_PACKAGE_IN_NODE)
      : import("onnxruntime-web/wasm"),
  webgpu: () => import("onnxruntime-web/webgpu"),
};
