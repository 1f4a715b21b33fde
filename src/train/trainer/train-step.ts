import { tree } from "@jax-js/jax";
import { differentiate } from "../differentiate.ts";
import { ShapeError, TrainError } from "../errors.ts";
import { splitKey } from "../keys.ts";
import type { WeightMonitor } from "../monitor/monitor.ts";
import { normOfSquares, scaledToNorm, squaredNorms } from "../optimizers/global-norm.ts";
import type { Tensor, Tree } from "../types.ts";
import { lending } from "./lending.ts";
import type { LossContext, TrainerOptions } from "./options.ts";
import { packReport } from "./report.ts";

/** Everything that one step hands to the next: what a checkpoint holds. */
export type Carry = {
  params: Tree;
  state: Tree;
  optimizer: Tree;
  /** A random key. */
  key: Tree;
  /** Vectors of the penalty, {} without one that has them. */
  penalty: Tree;
  /** Vectors of the monitor, {} without one. */
  monitor: Tree;
};

export type BatchTensors = Readonly<Record<string, Tensor>>;

export type StepPlan = Pick<TrainerOptions, "net" | "loss" | "optimizer" | "penalty" | "clipNorm"> & {
  readonly monitor: WeightMonitor | null;
};

/**
 * One step of training as a function to be compiled: advances the controls, differentiates the loss, moves the parameters and
 * projects them. Consumes its arguments.
 */
export function trainStep(
  plan: StepPlan,
): (carry: Carry, batch: BatchTensors) => { carry: Carry; report: Tensor } {
  const { net, optimizer, clipNorm, monitor } = plan;
  return (carry, batch) => {
    const { params } = carry;
    const advanced = net.advance(params, carry.state);
    const penalty = advancePenalty(plan.penalty, params, carry.penalty);
    const { loss, aux, gradient } = differentiate(
      (lent: Tree) => lossOf(plan, lent, { state: advanced, penalty, key: carry.key as Tensor, batch }),
      params,
    );
    const seen = monitor?.observe(params, advanced, carry.monitor);
    const squares = squaredNorms(gradient);
    const clipped =
      clipNorm === undefined
        ? gradient
        : scaledToNorm(gradient, normOfSquares(squares.map((square) => square.ref)), clipNorm);
    const stepped = optimizer.update(clipped, carry.optimizer, params);
    const projected = net.project(stepped.params, aux.state);
    const report = packReport(loss, squares, projected.params, seen?.values ?? []);
    tree.dispose([carry, batch, advanced, stepped.params, aux.state] as never);
    return {
      carry: {
        params: projected.params,
        state: projected.state,
        optimizer: stepped.state,
        key: aux.key,
        penalty,
        monitor: seen?.vectors ?? {},
      },
      report,
    };
  };
}

/** What the loss is computed from besides the parameters; all of it is lent. */
interface Given {
  readonly state: Tree;
  readonly penalty: Tree;
  readonly key: Tensor;
  readonly batch: BatchTensors;
}

/** Loss and penalty of a batch; as aux the state of the network after it, and the key of the next step. */
function lossOf(
  plan: StepPlan,
  params: Tree,
  given: Given,
): { loss: Tensor; aux: { state: Tree; key: Tensor } } {
  const keys = keySource(given.key);
  const batch = lending(given.batch);
  const applied = plan.net.apply(params, given.state, batch.x, { training: true });
  const context = {
    batch,
    params,
    state: given.state,
    get outputs() {
      return applied.y.ref;
    },
    get key() {
      return keys.take();
    },
  };
  const loss = checkScalar("loss", plan.loss(context));
  applied.y.dispose();
  const penalty = penaltyOf(plan.penalty, context, given.penalty);
  return {
    loss: penalty ? loss.add(checkScalar("penalty", penalty)) : loss,
    aux: { state: applied.state, key: keys.next() },
  };
}

function penaltyOf(
  penalty: TrainerOptions["penalty"],
  context: LossContext,
  vectors: Tree,
): Tensor | undefined {
  return typeof penalty === "function" ? penalty(context) : penalty?.value(context.params, vectors);
}

function advancePenalty(penalty: TrainerOptions["penalty"], params: Tree, vectors: Tree): Tree {
  return penalty && typeof penalty !== "function" ? penalty.advance(params, vectors) : tree.ref(vectors);
}

/** Keys for the loss, split off only when asked for: a step without randomness draws none. Lends the key. */
function keySource(key: Tensor): { take(): Tensor; next(): Tensor } {
  let rest = key.ref;
  return {
    take() {
      const [kept, used] = splitKey(rest, 2);
      rest = kept;
      return used;
    },
    next: () => rest,
  };
}

function checkScalar(what: string, value: Tensor): Tensor {
  if (value?.ndim === 0 && value.dtype.startsWith("float")) return value;
  if (value?.ndim === 0) {
    throw new TrainError(
      `The ${what} must be a real number, which has a gradient; got one of ${value.dtype}.`,
    );
  }
  const got = Array.isArray(value?.shape) ? `an array of shape [${value.shape}]` : String(value);
  throw new ShapeError(`The ${what} must be a scalar, such as a mean over the batch; got ${got}.`);
}
