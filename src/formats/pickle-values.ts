/**
 * What a pickle holds, as data. Nothing here is a live object: calls that the pickle asks for are recorded, never
 * made.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleList
  | PickleDict
  | PickleGlobal
  | PickleCall
  | PicklePersistent;

/** A list, tuple or set. */
export interface PickleList {
  readonly kind: "list" | "tuple" | "set";
  readonly items: PickleValue[];
}

export interface PickleDict {
  readonly kind: "dict";
  readonly entries: (readonly [PickleValue, PickleValue])[];
}

/** A name the pickle refers to, `module.name`. */
export interface PickleGlobal {
  readonly kind: "global";
  readonly path: string;
}

/** A call or a construction that was asked for and not made, with what was then put into its result. */
export interface PickleCall {
  readonly kind: "call";
  readonly callee: PickleValue;
  readonly args: PickleValue;
  /** BUILD's argument: usually the object's __dict__. */
  state: PickleValue | undefined;
  /** Items appended to the result as if it were a list, or set as if it were a dict. */
  readonly items: PickleValue[];
  readonly entries: (readonly [PickleValue, PickleValue])[];
}

/** A reference to something stored outside the pickle: a tensor's storage. */
export interface PicklePersistent {
  readonly kind: "persistent";
  readonly id: PickleValue;
}

type Structured = Extract<PickleValue, { readonly kind: string }>;

/** The value's kind when it is a structured one. */
function kindOf(value: PickleValue | undefined): Structured["kind"] | undefined {
  return typeof value === "object" && value !== null && "kind" in value ? value.kind : undefined;
}

export function isSequence(value: PickleValue | undefined): value is PickleList {
  const kind = kindOf(value);
  return kind === "list" || kind === "tuple" || kind === "set";
}

export function isTuple(value: PickleValue | undefined): value is PickleList {
  return kindOf(value) === "tuple";
}

export function isDict(value: PickleValue | undefined): value is PickleDict {
  return kindOf(value) === "dict";
}

export function isGlobal(value: PickleValue | undefined): value is PickleGlobal {
  return kindOf(value) === "global";
}

export function isCall(value: PickleValue | undefined): value is PickleCall {
  return kindOf(value) === "call";
}

export function isPersistent(value: PickleValue | undefined): value is PicklePersistent {
  return kindOf(value) === "persistent";
}
