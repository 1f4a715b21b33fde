import { Array as JaxArray, tree } from "@jax-js/jax";
import { ArrayType, BOOLEAN_TYPE, NUMBER_TYPE } from "./array-type.ts";
import { hostBuffers } from "./buffer-pool.ts";
import type { Callable, Traceable } from "./callable.ts";
import { CompileError, RunError } from "./errors.ts";
import { storageOf } from "./jax-buffer.ts";
import {
  type CallArguments,
  checkReferences,
  type Leaf,
  readArguments,
  type TreeStructure,
} from "./leaves.ts";
import { lower } from "./lower.ts";
import { consume, NativeArray, nativeArray } from "./native-array.ts";
import { EmptySession, type Engine, type Session } from "./session.ts";
import type { ArrayStorage } from "./storage.ts";
import { traceFunction } from "./trace.ts";

/** What was made of the function for one signature of arguments. */
interface Program {
  readonly session: Session;
  readonly structure: TreeStructure;
  /** Of each leaf of the result. */
  readonly types: readonly ArrayType[];
}

/** A function on a device of onnxruntime: traced, lowered and started anew for every signature of its arguments. */
export class OnnxFunction implements Callable {
  readonly #fn: Traceable;
  readonly #engine: Engine;
  readonly #ready = new Map<string, Program>();
  readonly #starting = new Map<string, Promise<Program>>();
  #calls = 0;
  #disposed = false;

  constructor(fn: Traceable, engine: Engine) {
    this.#fn = fn;
    this.#engine = engine;
  }

  async call(args: readonly unknown[]): Promise<unknown> {
    this.#calls++;
    try {
      const given = readArguments(args);
      let program = this.#ready.get(given.signature);
      if (program === undefined) {
        program = await this.#start(given);
        // Something may have used them up meanwhile.
        checkReferences(args, given.leaves);
      }
      // Consumed before anything is awaited where the program is ready, as by jit; a call that is refused consumes nothing.
      return await run(program, given.leaves.map(consumed));
    } finally {
      this.#calls--;
      this.#releaseWhenIdle();
    }
  }

  dispose(): void {
    this.#disposed = true;
    this.#releaseWhenIdle();
  }

  #releaseWhenIdle(): void {
    if (!this.#disposed || this.#calls > 0) return;
    // Nobody waits for it, and nothing can be done where it fails.
    for (const { session } of this.#ready.values()) session.release().catch(() => undefined);
    this.#ready.clear();
  }

  /** The program for a new signature; calls that come meanwhile wait for the same one. */
  #start(given: CallArguments): Promise<Program> {
    const { signature } = given;
    const underWay = this.#starting.get(signature);
    if (underWay !== undefined) return underWay;
    const starting = this.#make(given).finally(() => this.#starting.delete(signature));
    this.#starting.set(signature, starting);
    return starting;
  }

  async #make({ structure, types, signature }: CallArguments): Promise<Program> {
    const traced = traceFunction(this.#fn, tree.unflatten<unknown>(structure, types) as unknown[]);
    const lowered = lower(traced);
    const isEmpty = lowered.outputs.every(({ shape }) => shape.includes(0));
    const session = isEmpty ? new EmptySession(lowered) : await this.#engine.start(lowered).catch(refused);
    const program = {
      session,
      structure: traced.outTree,
      types: traced.outputs.map(({ shape, dtype, weakType }) => new ArrayType(shape, dtype, weakType)),
    };
    this.#ready.set(signature, program);
    return program;
  }
}

async function run(
  { session, structure, types }: Program,
  inputs: readonly ArrayStorage[],
): Promise<unknown> {
  try {
    const results = await session.run(inputs);
    return tree.unflatten<unknown>(
      structure,
      results.map((storage, i) => nativeArray(types[i], storage)),
    );
  } catch (cause) {
    throw new RunError(`compile: the function failed while it ran: ${messageOf(cause)}`, { cause });
  } finally {
    for (const input of inputs) input.release();
  }
}

/** Gives up one reference of a leaf; the call becomes a holder of its elements. */
function consumed(leaf: Leaf): ArrayStorage {
  if (leaf instanceof NativeArray) return consume(leaf);
  if (leaf instanceof JaxArray) return storageOf(leaf);
  const scalar = hostBuffers.take(typeof leaf === "number" ? NUMBER_TYPE : BOOLEAN_TYPE);
  scalar.data[0] = Number(leaf);
  return scalar;
}

function refused(cause: unknown): never {
  throw new CompileError(
    `compile: onnxruntime refuses the compiled function: ${messageOf(cause)} ` +
      'Compile with { device: "jax" } to run it, and please report the function.',
    { cause },
  );
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
