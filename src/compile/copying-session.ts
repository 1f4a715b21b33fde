import { hostData, hostView } from "./element-types.ts";
import { GpuBuffer } from "./gpu-buffer.ts";
import { HostBuffer } from "./host-buffer.ts";
import { OnnxSession } from "./onnx-session.ts";
import { LOG_FATAL, type OrtTensor, type OrtTensors } from "./onnxruntime.ts";
import type { GraphValue } from "./session.ts";
import type { ArrayStorage } from "./storage.ts";

/**
 * A function in onnxruntime-web: inputs are copied into the memory of its WebAssembly module and results out of it, unless
 * they are in a GPU's memory. Results come in arrays of their own.
 */
export class CopyingSession extends OnnxSession {
  async run(inputs: readonly ArrayStorage[]): Promise<ArrayStorage[]> {
    const wanted = this.outputs.filter(({ type }) => type.size > 0);
    const fetches = Object.fromEntries(wanted.map(({ name }) => [name, null]));
    const feeds: OrtTensors = {};
    const hosts: HostBuffer[] = [];
    try {
      for (const { leaf, name } of this.inputs) feeds[name] = await this.#feed(inputs[leaf], hosts);
      const tensors = await oneAtATime(() =>
        this.session.run(feeds, fetches, { logSeverityLevel: LOG_FATAL }),
      );
      return this.outputs.map(({ name, type }) =>
        type.size > 0 ? storageOf(type, tensors[name]) : new HostBuffer(type, hostData(type.dtype, 0)),
      );
    } finally {
      for (const host of hosts) host.release();
    }
  }

  async #feed(storage: ArrayStorage, hosts: HostBuffer[]): Promise<OrtTensor> {
    if (storage instanceof GpuBuffer && storage.tensor instanceof this.ort.Tensor) return storage.tensor;
    const host = await storage.host();
    hosts.push(host);
    return host.tensor(this.ort.Tensor);
  }

  override release(): Promise<void> {
    return oneAtATime(() => super.release());
  }
}

function storageOf(type: GraphValue["type"], tensor: OrtTensor): ArrayStorage {
  if (tensor.location === "gpu-buffer") return new GpuBuffer(type, tensor);
  return new HostBuffer(type, hostView(type.dtype, tensor.data as ArrayBufferView<ArrayBufferLike>));
}

let last: Promise<unknown> = Promise.resolve();

/**
 * Waits for its turn. onnxruntime-web keeps a run's arguments on the one stack of its WebAssembly module across awaits, so
 * that two runs at a time would overwrite each other's.
 */
export function oneAtATime<T>(task: () => Promise<T>): Promise<T> {
  const result = last.then(task, task);
  last = result.catch(() => undefined);
  return result;
}
