import type { Model } from "../formats/model.ts";
import type { WeightPlan, WeightUse } from "../network/use.ts";
import { UsageError } from "./errors.ts";
import { globMatcher } from "./glob.ts";

export interface PlanOptions {
  /** Sizes of graph inputs that the file leaves open, by input name; "" for the only input. */
  readonly inputs?: Readonly<Record<string, readonly number[]>> | undefined;
}

/** How many names an error lists before it stops. */
const NAMES_SHOWN = 5;

/** How a model's weights act, by its format; reads no large tensor. */
export async function planModel(model: Model, options: PlanOptions = {}): Promise<WeightPlan> {
  const { inputs } = options;
  if (model.onnx !== undefined) {
    const { planFromOnnx } = await import("../network/plan-from-onnx.ts");
    return planFromOnnx(model, inputs === undefined ? {} : { inputs });
  }
  if (inputs !== undefined && Object.keys(inputs).length > 0) {
    throw new UsageError(
      `a ${model.format} file has no graph, so it has no inputs whose size could be given`,
      "Leave out --input.",
    );
  }
  const { planFromTensors } = await import("../network/plan-from-tensors.ts");
  return planFromTensors(model);
}

/** A test for the layers and tensors that a `--only` pattern selects; everything without one. */
export function selection(only: string | undefined): (name: string) => boolean {
  return only === undefined ? () => true : globMatcher(only);
}

/**
 * The uses whose layer or tensor name matches `only`.
 * @throws UsageError when there are uses and none matches.
 */
export function selectUses(plan: WeightPlan, only: string | undefined): readonly WeightUse[] {
  const selected = selection(only);
  const uses = plan.uses.filter((use) => selected(use.name) || selected(use.weight.name));
  if (only === undefined || uses.length > 0 || plan.uses.length === 0) return uses;
  const names = plan.uses.slice(0, NAMES_SHOWN).map((use) => use.name);
  const more = plan.uses.length > names.length ? ", …" : "";
  throw new UsageError(
    `--only '${only}' matches none of the ${plan.uses.length} layers`,
    `Layers are named ${names.join(", ")}${more}`,
  );
}
