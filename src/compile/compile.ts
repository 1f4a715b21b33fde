import type { Array as JaxArray } from "@jax-js/jax";
import { hostBuffers } from "./buffer-pool.ts";
import type { Callable, Traceable } from "./callable.ts";
import { DEVICES, type Device, MissingPackageError, type OnnxDevice, openEngine } from "./devices.ts";
import { CompileError } from "./errors.ts";
import { JaxFunction } from "./jax-function.ts";
import { checkResult } from "./leaves.ts";
import type { NativeArray } from "./native-array.ts";
import { OnnxFunction } from "./onnx-function.ts";
import { type Loaders, loaders as packageLoaders } from "./onnxruntime.ts";
import type { ReplacedLeaves } from "./replaced-leaves.ts";

export interface CompileOptions {
  /**
   * "native" (the default) runs on onnxruntime-node, "wasm" and "webgpu" on onnxruntime-web, "jax" on jax-js's own `jit`.
   */
  readonly device?: Device;
  /** Threads of the native and wasm devices; by default as many as help. */
  readonly threads?: number;
}

/** A tree of arguments for a compiled function: a leaf may be an array of jax-js, a NativeArray, a number or a boolean. */
export type ArgumentTree<T> = ReplacedLeaves<T, JaxArray, JaxArray | NativeArray | number | boolean>;

/** The tree that a compiled function returns: a NativeArray for every array and number. */
export type ResultTree<T> = ReplacedLeaves<T, JaxArray | number | boolean, NativeArray>;

/** A compiled function: takes and returns the trees of the function it was made from. */
export interface CompiledFunction<Args extends readonly unknown[], Result> {
  /**
   * Runs it. Consumes the arrays among its arguments, as `jit` does: write `.ref` to keep one. Traced, lowered and started
   * on the first call with arguments of these shapes, dtypes and trees.
   * @throws ArgumentError, ConsumedError, ResultError, UnsupportedPrimitiveError, DeviceError; arguments are not consumed.
   * RunError when it fails while it runs; they are.
   */
  (...args: { [K in keyof Args]: ArgumentTree<Args[K]> }): Promise<Result>;
  /** Frees what the runtime holds for it. Arrays that it returned stay. */
  dispose(): void;
}

export interface Compile {
  <Args extends unknown[], Result>(
    fn: (...args: Args) => Result,
    options: CompileOptions & { readonly device: "jax" },
  ): CompiledFunction<Args, Result>;
  <Args extends unknown[], Result>(
    fn: (...args: Args) => Result,
    options?: CompileOptions,
  ): CompiledFunction<Args, ResultTree<Result>>;
}

/**
 * Compiles a function of jax-js arrays, gradients inside it included, for a device.
 *
 * `fn` is a pure function of trees (plain objects and lists) of arrays; it runs only to be traced. Where onnxruntime-node is
 * not installed, "native" runs on jax-js's `jit` and a line on the console says so, once.
 * @throws CompileError for what is no function, an unknown option, an unknown device, or a number of threads that is none.
 */
export const compile: Compile = compilerFor(packageLoaders);

/** @internal `compile` with other ways to load onnxruntime. */
export function compilerFor(loaders: Loaders): Compile {
  let hasWarned = false;
  const warn = (missing: MissingPackageError) => {
    if (hasWarned) return;
    hasWarned = true;
    console.warn(
      `lipschitz/compile: onnxruntime-node is not here, so device "native" runs on jax-js, several times slower. ` +
        missing.remedy,
    );
  };
  return (fn: Traceable, options: CompileOptions = {}): CompiledFunction<never[], never> => {
    if (typeof fn !== "function") {
      throw new CompileError(`compile: the first argument must be a function; got ${typeof fn}.`);
    }
    const { device, threads } = checkedOptions(options);
    const traceable: Traceable = (...args) => checkedResult(fn(...args));
    if (device === "jax") return compiled(async () => new JaxFunction(traceable, "jax"));
    return compiled(() => open(traceable, device, threads, loaders, warn));
  };
}

async function open(
  fn: Traceable,
  device: OnnxDevice,
  threads: number | undefined,
  loaders: Loaders,
  warn: (missing: MissingPackageError) => void,
): Promise<Callable> {
  try {
    return new OnnxFunction(fn, await openEngine(device, loaders, threads));
  } catch (error) {
    if (device !== "native" || !(error instanceof MissingPackageError)) throw error;
    warn(error);
    return new JaxFunction(fn, "native");
  }
}

/** Opens its device when it is first called. */
class LazyFunction implements Callable {
  readonly #open: () => Promise<Callable>;
  #opening: Promise<Callable> | undefined;
  #opened: Callable | undefined;
  #disposed = false;

  constructor(open: () => Promise<Callable>) {
    this.#open = open;
    hostBuffers.attach();
  }

  async call(args: readonly unknown[]): Promise<unknown> {
    if (this.#disposed) throw new CompileError("compile: this function was disposed. Compile it again.");
    this.#opened ??= await this.#openOnce();
    return this.#opened.call(args);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    hostBuffers.detach();
    // A device that did not open has told the calls that waited for it.
    this.#opening?.then((opened) => opened.dispose()).catch(() => undefined);
  }

  #openOnce(): Promise<Callable> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }
}

function compiled(open: () => Promise<Callable>): CompiledFunction<never[], never> {
  const lazy = new LazyFunction(open);
  const call = async (...args: never[]) => (await lazy.call(args)) as never;
  return Object.assign(call, { dispose: () => lazy.dispose() });
}

function checkedResult(result: unknown): unknown {
  checkResult(result);
  return result;
}

function checkedOptions(options: CompileOptions): { device: Device; threads: number | undefined } {
  const unknown = Object.keys(options).find((name) => name !== "device" && name !== "threads");
  if (unknown !== undefined) {
    throw new CompileError(`compile: there is no option "${unknown}". The options are device and threads.`);
  }
  const { device = "native", threads } = options;
  if (!DEVICES.includes(device)) {
    const known = DEVICES.map((name) => `"${name}"`).join(", ");
    throw new CompileError(`compile: device must be one of ${known}; got ${JSON.stringify(device)}.`);
  }
  if (threads !== undefined && !(Number.isSafeInteger(threads) && threads >= 1)) {
    throw new CompileError(`compile: threads must be a whole number of 1 or more; got ${String(threads)}.`);
  }
  return { device, threads };
}
