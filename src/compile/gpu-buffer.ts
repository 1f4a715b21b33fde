import type { ArrayType } from "./array-type.ts";
import { type HostData, hostView } from "./element-types.ts";
import { HostBuffer } from "./host-buffer.ts";
import type { OrtTensor } from "./onnxruntime.ts";
import type { ArrayStorage } from "./storage.ts";

/** Elements in a GPU's memory, as a result of onnxruntime-web. Starts with one holder. */
export class GpuBuffer implements ArrayStorage {
  readonly type: ArrayType;
  readonly tensor: OrtTensor;
  #holders = 1;
  /** One download serves everybody who asks: onnxruntime refuses a second one meanwhile. */
  #downloaded: Promise<HostData> | undefined;

  constructor(type: ArrayType, tensor: OrtTensor) {
    this.type = type;
    this.tensor = tensor;
  }

  retain(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders === 0) this.tensor.dispose();
  }

  async host(): Promise<HostBuffer> {
    this.retain();
    return new HostBuffer(this.type, await this.take());
  }

  async take(): Promise<HostData> {
    try {
      this.#downloaded ??= this.#download();
      return (await this.#downloaded).slice();
    } finally {
      this.release();
    }
  }

  async #download(): Promise<HostData> {
    return hostView(this.type.dtype, (await this.tensor.getData()) as ArrayBufferView<ArrayBufferLike>);
  }
}
