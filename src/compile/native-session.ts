import { hostBuffers } from "./buffer-pool.ts";
import type { LoweredFunction } from "./lowered.ts";
import type { OnnxRuntime, OrtSession, OrtTensors } from "./onnxruntime.ts";
import { runQuietly } from "./quiet-results.ts";
import { type GraphValue, graphInputs, graphOutputs, type Session } from "./session.ts";
import type { ArrayStorage } from "./storage.ts";

/** A function in onnxruntime-node: reads its inputs where they are and writes its results into buffers of the pool. */
export class NativeSession implements Session {
  readonly #ort: OnnxRuntime;
  readonly #session: OrtSession;
  readonly #inputs: readonly GraphValue[];
  readonly #outputs: readonly GraphValue[];

  /** @param session of a model made by `withQuietRuns`. */
  constructor(ort: OnnxRuntime, session: OrtSession, lowered: LoweredFunction) {
    this.#ort = ort;
    this.#session = session;
    this.#inputs = graphInputs(lowered);
    this.#outputs = graphOutputs(lowered);
  }

  async run(inputs: readonly ArrayStorage[]): Promise<ArrayStorage[]> {
    const hosts = await Promise.all(this.#inputs.map(({ leaf }) => inputs[leaf].host()));
    // Taken while every input is held: no result shares memory with an input.
    const results = this.#outputs.map(({ type }) => hostBuffers.take(type));
    const { Tensor } = this.#ort;
    const feeds: OrtTensors = {};
    for (const [i, { name }] of this.#inputs.entries()) feeds[name] = hosts[i].tensor(Tensor);
    const fetches: OrtTensors = {};
    for (const { leaf, name, type } of this.#outputs) {
      if (type.size > 0) fetches[name] = results[leaf].tensor(Tensor);
    }
    try {
      await runQuietly(this.#session, feeds, fetches);
      return results;
    } catch (error) {
      for (const result of results) result.release();
      throw error;
    } finally {
      for (const host of hosts) host.release();
    }
  }

  release(): Promise<void> {
    return this.#session.release();
  }
}
