import { fromFloat64, toFloat64 } from "../../formats/decode.ts";

/** Gives Node before 24 the Float16Array that jax-js reads float16 constants with while it traces: what it uses of it. */
export function provideFloat16Array(): void {
  const scope = globalThis as { Float16Array?: unknown };
  scope.Float16Array ??= Halves;
}

function Halves(source: ArrayBuffer | ArrayLike<number>, offset?: number, length?: number) {
  const isBuffer = source instanceof ArrayBuffer;
  const bits = isBuffer ? new Uint16Array(source, offset, length) : Uint16Array.from(source, toBits);
  return new Proxy(bits, {
    get(target, name) {
      if (isIndex(name)) return toFloat64("float16", bytesOf(target, Number(name)))[0];
      const member = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
    set(target, name, value) {
      if (isIndex(name)) target[Number(name)] = toBits(value);
      return isIndex(name);
    },
  });
}

const isIndex = (name: string | symbol): name is string => typeof name === "string" && /^\d+$/.test(name);

function bytesOf(bits: Uint16Array, index: number): Uint8Array {
  return new Uint8Array(bits.buffer, bits.byteOffset + 2 * index, 2);
}

function toBits(value: number): number {
  const bytes = fromFloat64("float16", Float64Array.of(value));
  return bytes[0] + 256 * bytes[1];
}
