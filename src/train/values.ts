import { TrainError } from "./errors.ts";
import type { LayerValues, PlainArray, PlainTree } from "./graph-builder.ts";

/** A layer's plain params and state by name. */
export function layerValues(values: LayerValues): {
  params: Readonly<Record<string, PlainTree>>;
  state: Readonly<Record<string, PlainTree>>;
} {
  return { params: byName(values.params), state: byName(values.state) };
}

/** The plain array of that name. */
export function arrayValue(values: Readonly<Record<string, PlainTree>>, name: string): PlainArray {
  const found = values[name];
  if (found && isPlainArray(found)) return found;
  throw new TrainError(
    `The layer's values have no array "${name}"; they hold ${Object.keys(values).join(", ") || "nothing"}.`,
  );
}

export function isPlainArray(value: PlainTree): value is PlainArray {
  return "data" in value && value.data instanceof Float32Array;
}

/** The values of one member of a composition, at its own path. */
export function memberValues(values: LayerValues, index: number): LayerValues {
  const [params, state] = [values.params, values.state];
  if (!Array.isArray(params) || !Array.isArray(state)) {
    throw new TrainError(
      `The values at "${values.path}" are not the list that a composition's params and state are.`,
    );
  }
  return { params: params[index], state: state[index], path: `${values.path}${index}.` };
}

function byName(tree: PlainTree): Readonly<Record<string, PlainTree>> {
  if (Array.isArray(tree) || isPlainArray(tree)) {
    throw new TrainError("A layer's values must be given by name; got a list or an array.");
  }
  return tree as Readonly<Record<string, PlainTree>>;
}
