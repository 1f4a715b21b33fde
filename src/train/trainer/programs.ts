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
  /** Every control one step further, and the parameters moved back into what the controls allow. */
  readonly settle: Program<[Variables], Variables>;
  /** The state of an optimiser that starts from these parameters. */
  readonly restart: Program<[Tree], Tree>;
}

export function compilePrograms(plan: StepPlan, options: CompileOptions): Programs {
  const compiled = (fn: (...args: never[]) => unknown) => compile(fn as never, options) as never;
  return {
    step: compiled(trainStep(plan)),
    predict: compiled((variables: Variables, x: Tensor) => outputs(plan.net, variables, x)),
    settle: compiled((variables: Variables) => settled(plan.net, variables)),
    restart: compiled((params: Tree) => restarted(plan.optimizer, params)),
  };
}

function outputs(net: Module, variables: Variables, x: Tensor): Tensor {
  const applied = net.apply(variables.params, variables.state, x);
  tree.dispose([variables, applied.state] as never);
  return applied.y.astype(np.float32);
}

function settled(net: Module, { params, state }: Variables): Variables {
  const advanced = net.advance(params, state);
  const projected = net.project(params, advanced);
  tree.dispose([params, state, advanced] as never);
  return projected;
}

function restarted(optimizer: Optimizer, params: Tree): Tree {
  const state = optimizer.init(params);
  tree.dispose(params as never);
  return state;
}
