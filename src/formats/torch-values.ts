import type { DType } from "./dtype.ts";
import { FormatError } from "./errors.ts";
import type { ModelWarning } from "./model.ts";
import {
  isCall,
  isDict,
  isGlobal,
  isPersistent,
  isSequence,
  isTuple,
  type PickleCall,
  type PickleDict,
  type PickleValue,
} from "./pickle-values.ts";

/** A tensor as the pickle describes it; nothing is checked yet against the storage. */
export interface TorchTensor {
  readonly name: string;
  readonly dtype: DType;
  /** 0 when the type is not known. */
  readonly itemBytes: number;
  readonly storageKey: string;
  /** First element in the storage. */
  readonly offset: PickleValue | undefined;
  readonly shape: readonly PickleValue[];
  readonly strides: readonly PickleValue[];
  readonly unsupported?: string;
}

/** Deeper nesting than any module tree (each module is four levels). */
const MAX_DEPTH = 400;
/** A shared part of a pickle is visited once per place it is used at, which can be exponentially often. */
const MAX_VISITS = 5_000_000;
const MAX_TENSORS = 200_000;
const MAX_NAME = 2000;

const TYPES: ReadonlyMap<string, { dtype: DType; itemBytes: number; unsupported?: string }> = new Map([
  ["Double", { dtype: "float64", itemBytes: 8 }],
  ["Float", { dtype: "float32", itemBytes: 4 }],
  ["Half", { dtype: "float16", itemBytes: 2 }],
  ["BFloat16", { dtype: "bfloat16", itemBytes: 2 }],
  ["Long", { dtype: "int64", itemBytes: 8, unsupported: "integers are not weights" }],
  ["Int", { dtype: "int32", itemBytes: 4, unsupported: "integers are not weights" }],
  ["Short", { dtype: "int16", itemBytes: 2, unsupported: "integers are not weights" }],
  ["Char", { dtype: "int8", itemBytes: 1, unsupported: "integers are not weights" }],
  ["Byte", { dtype: "uint8", itemBytes: 1, unsupported: "integers are not weights" }],
  ["Bool", { dtype: "bool", itemBytes: 1, unsupported: "booleans are not weights" }],
  ["ComplexFloat", { dtype: "complex64", itemBytes: 8, unsupported: "complex weights are not audited" }],
  ["ComplexDouble", { dtype: "complex128", itemBytes: 16, unsupported: "complex weights are not audited" }],
]);

/** Types that only `torch.dtype` names: their tensors lie in untyped storages. */
const DTYPES: ReadonlyMap<string, { dtype: DType; itemBytes: number; unsupported?: string }> = new Map([
  ["torch.float8_e4m3fn", { dtype: "float8_e4m3fn", itemBytes: 1 }],
  ["torch.float8_e5m2", { dtype: "float8_e5m2", itemBytes: 1 }],
  ["torch.uint16", { dtype: "uint16", itemBytes: 2, unsupported: "integers are not weights" }],
  ["torch.uint32", { dtype: "uint32", itemBytes: 4, unsupported: "integers are not weights" }],
  ["torch.uint64", { dtype: "uint64", itemBytes: 8, unsupported: "integers are not weights" }],
]);

/** Calls that stand for a plain value without tensors; everything else is named in a warning. */
const PLAIN =
  /^(?:collections\.|__torch__\.|torch\.nn\.|torch\.jit\._pickle\.|torch\.(?:Size|device|serialization\._get_layout)$|numpy\.|_codecs\.encode$|(?:builtins|__builtin__)\.)/;

/** Parameters wrap a tensor. */
const PARAMETER = /^torch\._utils\._rebuild_parameter(?:_with_state)?$/;

/** A module's three dictionaries of children are no part of its tensors' names. */
const TRANSPARENT: ReadonlySet<PickleValue> = new Set(["_parameters", "_buffers", "_modules"]);

/** Every tensor in an unpickled checkpoint, named by its path: keys and indices joined by dots. */
export function findTensors(
  root: PickleValue,
  file: string,
): { tensors: readonly TorchTensor[]; warnings: readonly ModelWarning[] } {
  const finder = new TensorFinder(file);
  finder.visit(root, "", 0);
  return { tensors: finder.tensors, warnings: finder.warnings() };
}

class TensorFinder {
  readonly tensors: TorchTensor[] = [];
  readonly #file: string;
  readonly #names = new Set<string>();
  /** What is being visited, so that a structure that contains itself ends. */
  readonly #open = new Set<PickleValue>();
  readonly #unknown = new Set<string>();
  readonly #renamed: string[] = [];
  #visits = 0;

  constructor(file: string) {
    this.#file = file;
  }

  warnings(): ModelWarning[] {
    const warnings = this.#renamed.map((name) => ({
      where: name,
      message: "another tensor has the same path; this one is listed under a numbered name.",
    }));
    if (this.#unknown.size === 0) return warnings;
    const shown = [...this.#unknown].slice(0, 5).map((path) => path.slice(0, 100));
    const more = this.#unknown.size > 5 ? ` and ${this.#unknown.size - 5} more` : "";
    const message = `holds Python objects that were not built (${shown.join(", ")}${more}); the tensors in them are listed by their paths.`;
    return [...warnings, { where: this.#file, message }];
  }

  visit(value: PickleValue, path: string, depth: number): void {
    if (typeof value !== "object" || value === null || this.#open.has(value)) return;
    this.#count(1);
    if (depth > MAX_DEPTH) this.#fail(`its values nest deeper than ${MAX_DEPTH} levels.`);
    if (path.length > MAX_NAME) this.#fail(`a tensor's path is longer than ${MAX_NAME} characters.`);
    this.#open.add(value);
    if (isCall(value)) this.#visitCall(value, path, depth);
    else if (isDict(value)) this.#visitEntries(value.entries, path, depth);
    else if (isSequence(value)) this.#visitItems(value.items, path, depth);
    this.#open.delete(value);
  }

  #count(visits: number): void {
    this.#visits += visits;
    if (this.#visits > MAX_VISITS) this.#fail(`it has more than ${MAX_VISITS} values, counting shared ones.`);
  }

  #visitEntries(
    entries: readonly (readonly [PickleValue, PickleValue])[],
    path: string,
    depth: number,
  ): void {
    this.#count(entries.length);
    for (const [i, [key, value]] of entries.entries()) {
      if (typeof value !== "object" || value === null) continue;
      const plain = typeof key === "string" || typeof key === "number" || typeof key === "bigint";
      this.visit(value, joined(path, plain ? String(key) : `[${i}]`), depth + 1);
    }
  }

  #visitItems(items: readonly PickleValue[], path: string, depth: number): void {
    this.#count(items.length);
    for (const [i, item] of items.entries()) {
      if (typeof item === "object" && item !== null) this.visit(item, joined(path, String(i)), depth + 1);
    }
  }

  #visitCall(call: PickleCall, path: string, depth: number): void {
    const name = isGlobal(call.callee) ? call.callee.path : "";
    const args = isTuple(call.args) ? call.args.items : [];
    if (PARAMETER.test(name)) {
      this.visit(args[0] ?? null, path, depth + 1);
    } else if (name === "torch._tensor._rebuild_from_type_v2") {
      const inner = { ...call, callee: args[0] ?? null, args: args[2] ?? null, state: undefined };
      this.visit(inner, path, depth + 1);
    } else if (name.startsWith("torch._utils._rebuild_")) {
      this.#addTensor(name, args, path);
    } else {
      this.#visitObject(call, name, args, path, depth);
    }
  }

  /** Anything else: a container that was called into being, or an object that is not built. */
  #visitObject(
    call: PickleCall,
    name: string,
    args: readonly PickleValue[],
    path: string,
    depth: number,
  ): void {
    if (name !== "" && !PLAIN.test(name)) this.#unknown.add(name);
    if (!name.startsWith("collections.")) this.#visitItems(args, path, depth);
    this.#visitItems(call.items, path, depth);
    this.#visitEntries(call.entries, path, depth);
    if (isDict(call.state)) this.#visitAttributes(call.state, path, depth);
    else this.visit(call.state ?? null, path, depth + 1);
  }

  #visitAttributes(state: PickleDict, path: string, depth: number): void {
    for (const [key, value] of state.entries) {
      if (TRANSPARENT.has(key)) this.visit(value, path, depth + 1);
      else this.#visitEntries([[key, value]], path, depth);
    }
  }

  /** A call to one of torch's `_rebuild_…tensor` functions: (storage, offset, size, stride, …). */
  #addTensor(call: string, args: readonly PickleValue[], path: string): void {
    if (this.tensors.length >= MAX_TENSORS) this.#fail(`it has more than ${MAX_TENSORS} tensors.`);
    const name = this.#uniqueName(path === "" ? "tensor" : path);
    const rebuild = call.slice("torch._utils._rebuild_".length);
    const id = isPersistent(args[0]) && isTuple(args[0].id) ? args[0].id.items : [];
    const [, type, key] = id;
    if (
      !/^(?:tensor|tensor_v2|tensor_v3|qtensor)$/.test(rebuild) ||
      !isGlobal(type) ||
      typeof key !== "string"
    ) {
      const unsupported = `tensors built by ${call.slice(0, 100)} are not read`;
      const unknown = { dtype: "unknown", itemBytes: 0, storageKey: "", offset: 0, shape: [], strides: [] };
      this.tensors.push({ name, ...unknown, unsupported });
      return;
    }
    const unsupported = rebuild === "qtensor" ? "quantised tensors are not audited" : undefined;
    this.tensors.push({
      name,
      ...elementType(type.path, rebuild === "tensor_v3" ? args[6] : undefined),
      storageKey: key,
      offset: args[1],
      shape: isSequence(args[2]) ? args[2].items : sizeItems(args[2]),
      strides: isSequence(args[3]) ? args[3].items : [],
      ...(unsupported === undefined ? {} : { unsupported }),
    });
  }

  #uniqueName(name: string): string {
    let unique = name;
    for (let i = 2; this.#names.has(unique); i++) unique = `${name}#${i}`;
    this.#names.add(unique);
    if (unique !== name) this.#renamed.push(unique);
    return unique;
  }

  #fail(what: string): never {
    throw new FormatError("too-large", `the checkpoint cannot be listed: ${what}`, {
      file: this.#file,
      hint: "Save only the weights (a state_dict).",
    });
  }
}

/** `torch.Size((…))` where a tuple may also stand. */
function sizeItems(size: PickleValue | undefined): readonly PickleValue[] {
  const args = isCall(size) && isTuple(size.args) ? size.args.items : [];
  return isSequence(args[0]) ? args[0].items : [];
}

/** From a storage class such as torch.FloatStorage, or the dtype beside an untyped storage. */
function elementType(
  storage: string,
  dtype: PickleValue | undefined,
): { dtype: DType; itemBytes: number; unsupported?: string } {
  if (isGlobal(dtype)) {
    const known = DTYPES.get(dtype.path);
    if (known) return known;
  }
  const found = /^torch(?:\.storage|\.cuda)?\.(\w+)Storage$/.exec(storage);
  const known = TYPES.get(found?.[1] ?? "");
  const name = (isGlobal(dtype) ? dtype.path : (found?.[1].toLowerCase() ?? storage)).slice(0, 60);
  return known ?? { dtype: name, itemBytes: 0, unsupported: `the type ${name} is not read` };
}

function joined(path: string, part: string): string {
  return path === "" ? part : `${path}.${part}`;
}
