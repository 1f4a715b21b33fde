/** Bytes in a page of WebAssembly memory. */
const PAGE = 65536;

/** Kernels address 32 bits; the last page stays unused so that no end-of-array address wraps to zero. */
const MAX_BYTES = 65535 * PAGE;

const compiled = new Map<string, WebAssembly.Module>();

/** The module of a generated string of hexadecimal digits, compiled on first use. */
function compile(digits: string): WebAssembly.Module {
  let module = compiled.get(digits);
  if (!module) {
    const byte = (_: unknown, i: number) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
    module = new WebAssembly.Module(Uint8Array.from({ length: digits.length / 2 }, byte));
    compiled.set(digits, module);
  }
  return module;
}

/** One instance of a kernel module with a memory of its own, which goes when the instance goes. */
export class KernelMemory<Exports> {
  readonly exports: Exports;
  #memory: WebAssembly.Memory | undefined;

  /**
   * @param bytes size of the memory, zero-filled; `what` names it in errors.
   * @throws RangeError when that exceeds the address space or what the engine gives.
   */
  constructor(digits: string, bytes: number, what: string) {
    checkSize(bytes, what);
    const memory = takeSpare(bytes) ?? allocate(bytes, what);
    this.#memory = memory;
    this.exports = new WebAssembly.Instance(compile(digits), { env: { memory } }).exports as Exports;
  }

  get #live(): WebAssembly.Memory {
    if (!this.#memory) throw new Error("the kernel memory was released");
    return this.#memory;
  }

  /** Enlarges the memory to at least `bytes`. Views taken before are dead afterwards. */
  reserve(bytes: number, what: string): void {
    const missing = Math.ceil((bytes - this.#live.buffer.byteLength) / PAGE);
    if (missing <= 0) return;
    checkSize(bytes, what);
    try {
      this.#live.grow(missing);
    } catch (cause) {
      throw outOfMemory(bytes, what, cause);
    }
  }

  /** A view of `length` doubles at the byte address, valid until the next `reserve`. */
  doubles(address: number, length: number): Float64Array {
    return new Float64Array(this.#live.buffer, address, length);
  }

  /** A view of `length` bytes at the byte address, valid until the next `reserve`. */
  bytes(address: number, length: number): Uint8Array {
    return new Uint8Array(this.#live.buffer, address, length);
  }

  /** Leaves the memory to the next instance. Whatever uses this one afterwards throws. */
  release(): void {
    if (this.#memory && isWorthKeeping(this.#memory.buffer.byteLength)) keepSpare(this.#memory);
    this.#memory = undefined;
  }
}

/**
 * Released memories. The operating system hands out fresh pages at about 1 GB/s, a tenth of the speed at which pages
 * already ours are cleared, so a run over many matrices should touch new ones rarely.
 */
const spares: WebAssembly.Memory[] = [];
const MAX_SPARES = 2;

/** Smaller memories are cheap to make; larger ones are not held back from the rest of the program. */
function isWorthKeeping(bytes: number): boolean {
  return bytes >= 2 ** 20 && bytes <= 2 ** 27;
}

function keepSpare(memory: WebAssembly.Memory): void {
  spares.push(memory);
  if (spares.length > MAX_SPARES) spares.shift();
}

/** A released memory of at least `bytes` and not far more, its first `bytes` cleared. */
function takeSpare(bytes: number): WebAssembly.Memory | undefined {
  const index = spares.findIndex(
    ({ buffer }) => buffer.byteLength >= bytes && buffer.byteLength <= 4 * bytes,
  );
  const [memory] = index < 0 ? [] : spares.splice(index, 1);
  if (memory) new Uint8Array(memory.buffer, 0, bytes).fill(0);
  return memory;
}

function allocate(bytes: number, what: string): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE) });
  } catch (cause) {
    throw outOfMemory(bytes, what, cause);
  }
}

function checkSize(bytes: number, what: string): void {
  if (bytes > MAX_BYTES) {
    throw new RangeError(`${what} needs ${bytes} bytes; kernels address ${MAX_BYTES}. Split it by rows`);
  }
}

function outOfMemory(bytes: number, what: string, cause: unknown): RangeError {
  return new RangeError(`no memory for ${what}: the engine refused ${bytes} bytes`, { cause });
}

/** x rounded up to a multiple of four, the width every kernel works in. */
export function padded(x: number): number {
  return Math.ceil(x / 4) * 4;
}
