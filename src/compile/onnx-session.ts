import type { LoweredFunction } from "./lowered.ts";
import type { OnnxRuntime, OrtSession } from "./onnxruntime.ts";
import { type GraphValue, graphInputs, graphOutputs, type Session } from "./session.ts";
import type { ArrayStorage } from "./storage.ts";

/** A lowered function in a session of onnxruntime. */
export abstract class OnnxSession implements Session {
  protected readonly ort: OnnxRuntime;
  protected readonly session: OrtSession;
  protected readonly inputs: readonly GraphValue[];
  protected readonly outputs: readonly GraphValue[];

  constructor(ort: OnnxRuntime, session: OrtSession, lowered: LoweredFunction) {
    this.ort = ort;
    this.session = session;
    this.inputs = graphInputs(lowered);
    this.outputs = graphOutputs(lowered);
  }

  abstract run(inputs: readonly ArrayStorage[]): Promise<ArrayStorage[]>;

  release(): Promise<void> {
    return this.session.release();
  }
}
