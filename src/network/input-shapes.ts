import type { OnnxGraph, OnnxValueInfo } from "../formats/onnx/types.ts";

/** Input sizes given by the user: by input name, or one under the name "" for a model with a single input. */
export type InputShapes =
  | ReadonlyMap<string, readonly number[]>
  | Readonly<Record<string, readonly number[]>>;

function entriesOf(given: InputShapes): Iterable<readonly [string, readonly number[]]> {
  return given instanceof Map ? given : Object.entries(given);
}

/** An `--input` shape that the model cannot take: what is wrong, what was expected, what to do next. */
export class InputShapeError extends Error {
  override readonly name = "InputShapeError";
  readonly input: string;
  readonly expected: string;
  readonly hint: string;

  /** @param what one sentence: what is wrong, got against expected. */
  constructor(
    what: string,
    place: { readonly input: string; readonly expected: string; readonly hint: string },
  ) {
    super(`${what} ${place.hint}`);
    this.input = place.input;
    this.expected = place.expected;
    this.hint = place.hint;
  }
}

/** A shape as users type it, 1x3x32x32; with its names where the file leaves sizes open, [batch, 3, height, ?]. */
export function formatShape(shape: readonly (number | string | null)[] | null): string {
  if (shape === null) return "of any rank";
  if (shape.length === 0) return "a scalar";
  if (shape.every((d) => typeof d === "number")) return shape.join("x");
  return `[${shape.map((d) => (d === null || d === "" ? "?" : d)).join(", ")}]`;
}

function inputNames(graph: OnnxGraph): string {
  return graph.inputs.map((i) => `"${i.name}" (${formatShape(i.shape)})`).join(", ") || "none";
}

function findInput(graph: OnnxGraph, name: string): OnnxValueInfo {
  const found = name === "" ? graph.inputs : graph.inputs.filter((i) => i.name === name);
  if (found.length === 1) return found[0];
  const what =
    name === ""
      ? `An input shape without a name was given, but the model has ${graph.inputs.length} inputs: ${inputNames(graph)}.`
      : `The model has no input "${name}"; its inputs are ${inputNames(graph)}.`;
  const example = graph.inputs[0]?.name ?? "NAME";
  throw new InputShapeError(what, {
    input: name,
    expected: inputNames(graph),
    hint: `Name the input, as in --input ${example}=1x3x224x224.`,
  });
}

function checkSizes(info: OnnxValueInfo, shape: readonly number[]): void {
  const expected = formatShape(info.shape);
  const place = { input: info.name, expected, hint: `Give a shape that fits ${expected}.` };
  const got = formatShape(shape);
  if (!shape.every((d) => Number.isSafeInteger(d) && d >= 1)) {
    throw new InputShapeError(
      `Input "${info.name}": sizes must be whole numbers of at least 1, got ${got}.`,
      place,
    );
  }
  if (info.shape === null) return;
  if (info.shape.length !== shape.length) {
    throw new InputShapeError(
      `Input "${info.name}" has ${info.shape.length} dimensions, got ${shape.length} (${got}).`,
      place,
    );
  }
  const wrong = info.shape.findIndex((d, i) => typeof d === "number" && d !== shape[i]);
  if (wrong >= 0) {
    throw new InputShapeError(
      `Input "${info.name}": dimension ${wrong} is fixed at ${info.shape[wrong]} by the file, got ${shape[wrong]} (${got}).`,
      place,
    );
  }
}

/**
 * The shapes of the main graph's inputs: as given, else as declared with a dynamic batch (the first of two or more
 * axes) taken as `batch`. Other dynamic sizes stay unknown.
 * @throws InputShapeError when a given shape contradicts the declared one or names no input.
 */
export function inputShapes(
  graph: OnnxGraph,
  given: InputShapes,
  batch: number,
): ReadonlyMap<string, readonly (number | null)[] | null> {
  const asked = new Map<string, readonly number[]>();
  for (const [name, shape] of entriesOf(given)) {
    const info = findInput(graph, name);
    checkSizes(info, shape);
    asked.set(info.name, shape);
  }
  return new Map(
    graph.inputs.map((info) => [info.name, asked.get(info.name) ?? declaredInput(info, batch)] as const),
  );
}

function declaredInput(info: OnnxValueInfo, batch: number): readonly (number | null)[] | null {
  const shape = declaredShape(info);
  return hasDynamicBatch(info) ? [batch, ...shape!.slice(1)] : shape;
}

/** True when an input's first of two or more axes is open, which we take for the batch. */
export function hasDynamicBatch(info: OnnxValueInfo): boolean {
  const shape = declaredShape(info);
  return shape !== null && shape.length >= 2 && shape[0] === null;
}

/** A declared shape with symbolic dimensions unknown. */
export function declaredShape(info: OnnxValueInfo | undefined): readonly (number | null)[] | null {
  return info?.shape?.map((d) => (typeof d === "number" && d >= 0 ? d : null)) ?? null;
}

/**
 * What to tell a user whose layer sees an input of unknown size: which input to give a shape, or that inference
 * could not follow the graph although every input's size is known.
 * @param shapeOf shapes of the inputs as the file or the user fixes them, without assumptions about the batch
 */
export function unknownSizeAdvice(
  graph: OnnxGraph,
  shapeOf: (input: string) => readonly (number | null)[] | null,
): string {
  const open = graph.inputs.find((info) => shapeOf(info.name)?.includes(null) !== false);
  if (open === undefined)
    return "the size of its input could not be inferred from the graph, so the bound holds for every size";
  return (
    `the size of its input is not fixed by the file, so the bound holds for every size; give --input ${open.name}=SHAPE ` +
    `(declared ${formatShape(open.shape)}) for the bound at yours`
  );
}
