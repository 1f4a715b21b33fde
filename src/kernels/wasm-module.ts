/** Bytes in a page of WebAssembly memory. */
const PAGE = 65536;

/** Kernels address 32 bits; the last page stays unused so that no end-of-array address wraps to zero. */
const MAX_BYTES = 65535 * PAGE;

const compiled = new Map<string, WebAssembly.Module>();

/** The module of a generated base64 string, compiled on first use. */
function compile(base64: string): WebAssembly.Module {
  let module = compiled.get(base64);
  if (!module) {
    module = new WebAssembly.Module(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)));
    compiled.set(base64, module);
  }
  return module;
}

/** One instance of a kernel module with a memory of its own, which goes when the instance goes. */
export class KernelMemory<Exports> {
  readonly exports: Exports;
  readonly #memory: WebAssembly.Memory;

  /**
   * @param bytes size of the memory, zero-filled; `what` names it in errors.
   * @throws RangeError when that exceeds the address space or what the engine gives.
   */
  constructor(base64: string, bytes: number, what: string) {
    this.#memory = allocate(bytes, what);
    const instance = new WebAssembly.Instance(compile(base64), { env: { memory: this.#memory } });
    this.exports = instance.exports as Exports;
  }

  /** Enlarges the memory to at least `bytes`. Views taken before are dead afterwards. */
  reserve(bytes: number, what: string): void {
    const missing = Math.ceil((bytes - this.#memory.buffer.byteLength) / PAGE);
    if (missing <= 0) return;
    checkSize(bytes, what);
    try {
      this.#memory.grow(missing);
    } catch (cause) {
      throw outOfMemory(bytes, what, cause);
    }
  }

  /** A view of `length` doubles at the byte address, valid until the next `reserve`. */
  doubles(address: number, length: number): Float64Array {
    return new Float64Array(this.#memory.buffer, address, length);
  }

  /** A view of `length` bytes at the byte address, valid until the next `reserve`. */
  bytes(address: number, length: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, address, length);
  }
}

function allocate(bytes: number, what: string): WebAssembly.Memory {
  checkSize(bytes, what);
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
