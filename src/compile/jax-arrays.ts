import { type Array as JaxArray, numpy } from "@jax-js/jax";
import { ArrayType } from "./array-type.ts";
import { arrayData, type HostData, hostView } from "./element-types.ts";
import { CompileError } from "./errors.ts";
import { HostBuffer } from "./host-buffer.ts";
import type { ElementType } from "./lowered.ts";

/** The type of a jax-js array. */
export function typeOf(array: JaxArray): ArrayType {
  return new ArrayType(array.shape, array.dtype as ElementType, array.weakType);
}

/**
 * Whether an array's elements can only be waited for: they are in a GPU's memory, or jax-js computes in workers, which it
 * does on these two conditions, and then fails where it is asked to wait.
 */
export function mustBeAwaited(array: JaxArray): boolean {
  if (array.device === "wasm")
    return typeof SharedArrayBuffer !== "undefined" && typeof Worker !== "undefined";
  return array.device !== "cpu";
}

/** Consumes a jax-js array; a promise of its elements where they must be awaited. */
export function hostBufferOf(array: JaxArray): HostBuffer | Promise<HostBuffer> {
  const type = typeOf(array);
  if (mustBeAwaited(array)) return array.data().then((data) => bufferOf(type, data));
  return bufferOf(type, array.dataSync());
}

function bufferOf(type: ArrayType, data: ArrayBufferView<ArrayBufferLike>): HostBuffer {
  // jax-js has bool in 32-bit words, 0 or 1.
  const held = type.dtype === "bool" ? Uint8Array.from(data as Int32Array) : hostView(type.dtype, data);
  return new HostBuffer(type, held);
}

/**
 * A jax-js array, on its default device, with a copy of these elements.
 * @throws CompileError for float16 where JavaScript has no array of it, or jax-js's device cannot hold it.
 */
export function jaxArrayOf(type: ArrayType, data: HostData): JaxArray {
  const shape = [...type.shape];
  const dtype = type.dtype as JaxArray["dtype"];
  if (type.size === 0) return numpy.zeros(shape, { dtype });
  if (type.weakType && type.size === 1 && shape.length === 0) return numpy.array(data[0]);
  const values = arrayData(type.dtype, data);
  if (type.dtype === "float16" && values instanceof Uint16Array) {
    throw new CompileError(
      `toJax: jax-js needs JavaScript's Float16Array for ${type.layout}, which this platform lacks. ` +
        "Cast to float32 inside the compiled function.",
    );
  }
  return withFloat16Array(() => numpy.array(values as Parameters<typeof numpy.array>[0], { shape, dtype }));
}

/**
 * jax-js compares what it is given with `Float16Array`, after float32 and the integers, without asking whether there is
 * such a class (Node has it from 24 on): float64 would fail with a ReferenceError. An empty class of that name stands in
 * during the call, which is synchronous.
 */
function withFloat16Array<T>(make: () => T): T {
  const scope = globalThis as { Float16Array?: unknown };
  if (scope.Float16Array !== undefined) return make();
  scope.Float16Array = class Float16Array {};
  try {
    return make();
  } finally {
    delete scope.Float16Array;
  }
}
