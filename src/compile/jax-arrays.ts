import { type Array as JaxArray, numpy } from "@jax-js/jax";
import { ArrayType } from "./array-type.ts";
import { arrayData, type HostData, hostView } from "./element-types.ts";
import { CompileError } from "./errors.ts";
import { HostBuffer } from "./host-buffer.ts";
import { mustBeAwaited, withFloat16Array } from "./jax-internals.ts";
import type { ElementType } from "./lowered.ts";

/** The type of a jax-js array. */
export function typeOf(array: JaxArray): ArrayType {
  return new ArrayType(array.shape, array.dtype as ElementType, array.weakType);
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
