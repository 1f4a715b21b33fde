import type { ArrayType } from "./array-type.ts";
import type { HostData } from "./element-types.ts";
import type { OrtTensor, TensorConstructor } from "./onnxruntime.ts";
import type { ArrayStorage } from "./storage.ts";

/** Where a buffer goes when nobody holds it. */
export interface BufferHome {
  /** Nobody holds it: it may be used again. */
  put(buffer: HostBuffer): void;
  /** Its memory was given away for good. */
  forget(buffer: HostBuffer): void;
}

/** Elements in memory that JavaScript and onnxruntime share. Starts with one holder. */
export class HostBuffer implements ArrayStorage {
  readonly type: ArrayType;
  readonly data: HostData;
  readonly #home: BufferHome | undefined;
  #holders = 1;
  #tensor: OrtTensor | undefined;

  /** @param home where it returns to; without one it is left to the garbage collector. */
  constructor(type: ArrayType, data: HostData, home?: BufferHome) {
    this.type = type;
    this.data = data;
    this.#home = home;
  }

  retain(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders === 0) this.#home?.put(this);
  }

  host(): HostBuffer {
    this.retain();
    return this;
  }

  take(): HostData {
    if (this.#holders > 1) {
      const copy = this.data.slice();
      this.release();
      return copy;
    }
    this.#holders = 0;
    this.#home?.forget(this);
    return this.data;
  }

  /** onnxruntime's view of the same memory; made once, since making one costs about as much as a small kernel. */
  tensor(Tensor: TensorConstructor): OrtTensor {
    if (!(this.#tensor instanceof Tensor)) {
      this.#tensor = new Tensor(this.type.dtype, this.data, this.type.shape);
    }
    return this.#tensor;
  }
}
