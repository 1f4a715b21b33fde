import { numpy as np, tree } from "@jax-js/jax";
import { type CompileOptions, compile } from "../../compile/compile.ts";
import type { NativeArray } from "../../compile/native-array.ts";
import type { Module } from "../module.ts";
import type { Optimizer } from "../optimizers/optimizer.ts";
import type { Tensor, Tree, Variables } from "../types.ts";
import { type BatchTensors, type Carry, type StepPlan, trainStep } from "./train-step.ts";

/** A compiled function whose trees are written as jax-js's, whichever device their arrays live on. */
export interface Program<Args extends unknown[], Result> {
  (...args: Args): Promise<Result>;
  dispose(): void;
}

/** The compiled functions of a trainer. Each consumes its arguments; trees stay on the device between them. */
export interface Programs {
  readonly step: Program<[Carry, BatchTensors], { carry: Carry; report: NativeArray }>;
  /** Outputs in evaluation mode, float32. */
  readonly predict: Program<[Variables, Tensor], NativeArray>;
  /** The state with every control one step further. */
  readonly advance: Program<[Variables], Tree>;
  /** The state of an optimiser that starts from these parameters. */
  readonly restart: Program<[Tree], Tree>;
}

export function compilePrograms(plan: StepPlan, options: CompileOptions): Programs {
  const compiled = (fn: (...args: never[]) => unknown) => compile(fn as never, options) as never;
  return {
    step: compiled(trainStep(plan)),
    predict: compiled((variables: Variables, x: Tensor) => outputs(plan.net, variables, x)),
    advance: compiled((variables: Variables) => advanced(plan.net, variables)),
    restart: compiled((params: Tree) => restarted(plan.optimizer, params)),
  };
}

function outputs(net: Module, variables: Variables, x: Tensor): Tensor {
  const applied = net.apply(variables.params, variables.state, x);
  tree.dispose([variables, applied.state] as never);
  return applied.y.astype(np.float32);
}

function advanced(net: Module, { params, state }: Variables): Tree {
  const next = net.advance(params, state);
  tree.dispose([params, state] as never);
  return next;
}

function restarted(optimizer: Optimizer, params: Tree): Tree {
  const state = optimizer.init(params);
  tree.dispose(params as never);
  return state;
}
