import { hostBuffers } from "./buffer-pool.ts";
import { OnnxSession } from "./onnx-session.ts";
import type { OrtTensors } from "./onnxruntime.ts";
import { runQuietly } from "./quiet-results.ts";
import type { ArrayStorage } from "./storage.ts";

/**
 * A function in onnxruntime-node: reads its inputs where they are and writes its results into buffers of the pool.
 * Its model is made by `withQuietRuns`.
 */
export class NativeSession extends OnnxSession {
  async run(inputs: readonly ArrayStorage[]): Promise<ArrayStorage[]> {
    const hosts = await Promise.all(this.inputs.map(({ leaf }) => inputs[leaf].host()));
    // Taken while every input is held: no result shares memory with an input.
    const results = this.outputs.map(({ type }) => hostBuffers.take(type));
    const { Tensor } = this.ort;
    const feeds: OrtTensors = {};
    for (const [i, { name }] of this.inputs.entries()) feeds[name] = hosts[i].tensor(Tensor);
    const fetches: OrtTensors = {};
    for (const { leaf, name, type } of this.outputs) {
      if (type.size > 0) fetches[name] = results[leaf].tensor(Tensor);
    }
    try {
      await runQuietly(this.session, feeds, fetches);
      return results;
    } catch (error) {
      for (const result of results) result.release();
      throw error;
    } finally {
      for (const host of hosts) host.release();
    }
  }
}
