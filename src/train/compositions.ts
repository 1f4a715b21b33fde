import { numpy as np } from "@jax-js/jax";
import { ShapeError, TrainError } from "./errors.ts";
import { splitKey } from "./keys.ts";
import { checkModule } from "./layers/stateless.ts";
import type { Module } from "./module.ts";
import { checkOwnCopy } from "./own-copy.ts";
import { memberOf } from "./trees.ts";
import type { Shape, Tree, Variables } from "./types.ts";
import { memberValues } from "./values.ts";
import type { WeightUse } from "./weight.ts";

/**
 * One module after another. Its trees are the lists of its members' trees, activations included, so that paths are those of
 * torch.nn.Sequential: "0.weight", "2.weight".
 * @throws TrainError for something that is not a module; in `init`, ShapeError naming the member whose input does not fit.
 */
export function sequential(...modules: Module[]): Module {
  checkMembers("sequential", modules);

  return {
    kind: "sequential",

    outputShape: (inputShape) => shapesThrough(modules, inputShape).at(-1)!,

    init(key, inputShape) {
      const shapes = shapesThrough(modules, inputShape);
      return gather(splitKey(key, modules.length).map((part, i) => modules[i].init(part, shapes[i])));
    },

    apply(params, state, x, options) {
      checkOwnCopy("sequential: x", x);
      const states: Tree[] = [];
      let y = x;
      modules.forEach((module, i) => {
        const applied = module.apply(memberOf(params, i), memberOf(state, i), y, options);
        y = applied.y;
        states.push(applied.state);
      });
      return { y, state: states };
    },

    ...betweenSteps(modules),

    weights(inputShape) {
      const shapes = shapesThrough(modules, inputShape);
      return modules.flatMap((module, i) => weightsOf(module, i, shapes[i]));
    },

    emit: (graph, input, values) =>
      modules.reduce((signal, module, i) => module.emit(graph, signal, memberValues(values, i)), input),
  };
}

/**
 * x + f(x), where f keeps the shape of its input.
 * @throws TrainError for something that is not a module; in `init`, ShapeError when f changes the shape.
 */
export function residual(branch: Module): Module {
  checkMembers("residual", [branch]);
  const outputShape = (inputShape: Shape): Shape => {
    const shape = branch.outputShape(inputShape);
    if (String(shape) === String(inputShape)) return shape;
    throw new ShapeError(
      `residual adds the output of its branch to its input, but ${branch.kind} makes [${shape}] of [${inputShape}].`,
    );
  };

  return {
    kind: "residual",
    outputShape,

    init(key, inputShape) {
      outputShape(inputShape);
      return gather([branch.init(key, inputShape)]);
    },

    apply(params, state, x, options) {
      const applied = branch.apply(memberOf(params, 0), memberOf(state, 0), x.ref, options);
      return { y: x.add(applied.y), state: [applied.state] };
    },

    ...betweenSteps([branch]),

    weights: (inputShape) => weightsOf(branch, 0, inputShape),

    emit(graph, input, values) {
      const output = branch.emit(graph, input, memberValues(values, 0));
      return { name: graph.node("Add", [input.name, output.name]), shape: output.shape };
    },
  };
}

/**
 * The same input through several branches, outputs joined along the first axis after the batch (features, or channels).
 * @throws TrainError for something that is not a module; in `init`, ShapeError when the branches' other axes differ.
 */
export function parallel(...branches: Module[]): Module {
  checkMembers("parallel", branches);
  const outputShape = (inputShape: Shape): Shape => {
    const shapes = branches.map((branch, i) => located(i, branch, () => branch.outputShape(inputShape)));
    const rest = String(shapes[0].slice(1));
    if (shapes.some((shape) => shape.length === 0 || String(shape.slice(1)) !== rest)) {
      throw new ShapeError(
        `parallel joins its branches along their first axis, so the other axes must agree; they make ${shapes.map((s) => `[${s}]`).join(", ")}.`,
      );
    }
    return [shapes.reduce((sum, shape) => sum + shape[0], 0), ...shapes[0].slice(1)];
  };

  return {
    kind: "parallel",
    outputShape,

    init(key, inputShape) {
      outputShape(inputShape);
      return gather(splitKey(key, branches.length).map((part, i) => branches[i].init(part, inputShape)));
    },

    apply(params, state, x, options) {
      const applied = branches.map((branch, i) =>
        branch.apply(memberOf(params, i), memberOf(state, i), x.ref, options),
      );
      x.dispose();
      return {
        y: np.concatenate(
          applied.map(({ y }) => y),
          1,
        ),
        state: applied.map((part) => part.state),
      };
    },

    ...betweenSteps(branches),

    weights: (inputShape) => branches.flatMap((branch, i) => weightsOf(branch, i, inputShape)),

    emit(graph, input, values) {
      const outputs = branches.map((branch, i) => branch.emit(graph, input, memberValues(values, i)));
      const name = graph.node(
        "Concat",
        outputs.map((output) => output.name),
        { axis: { kind: "int", value: 1 } },
      );
      return { name, shape: outputShape(input.shape) };
    },
  };
}

/** Advance and project, member by member. */
function betweenSteps(modules: readonly Module[]): Pick<Module, "advance" | "project"> {
  return {
    advance: (params, state) =>
      modules.map((module, i) => module.advance(memberOf(params, i), memberOf(state, i))),
    project: (params, state) =>
      gather(modules.map((module, i) => module.project(memberOf(params, i), memberOf(state, i)))),
  };
}

/** The shapes between the modules: input first, output last. */
function shapesThrough(modules: readonly Module[], inputShape: Shape): Shape[] {
  const shapes = [inputShape];
  modules.forEach((module, i) => {
    shapes.push(located(i, module, () => module.outputShape(shapes[i])));
  });
  return shapes;
}

/** Says which member an error of shapes comes from. */
function located<T>(index: number, module: Module, compute: () => T): T {
  try {
    return compute();
  } catch (error) {
    if (error instanceof ShapeError)
      throw new ShapeError(`Layer ${index} (${module.kind}): ${error.message}`);
    throw error;
  }
}

function weightsOf(module: Module, index: number, inputShape: Shape): WeightUse[] {
  return module.weights(inputShape).map((use) => ({ ...use, path: [index, ...use.path] }));
}

function gather(parts: readonly Variables[]): Variables {
  return { params: parts.map((part) => part.params), state: parts.map((part) => part.state) };
}

function checkMembers(kind: string, modules: readonly Module[]): void {
  if (modules.length === 0) throw new TrainError(`${kind} needs at least one module.`);
  modules.forEach((module, i) => {
    checkModule(`Member ${i} of ${kind}`, module);
  });
}
