/** A function that cannot be compiled, called or run as asked; the message says what to do instead. */
export class CompileError extends Error {
  override name = "CompileError";
}

/** An argument that a compiled function does not take; names where in which argument. */
export class ArgumentError extends CompileError {
  override name = "ArgumentError";
}

/** A function whose result is not a tree of arrays; names where in the result. */
export class ResultError extends CompileError {
  override name = "ResultError";
}

/** An array used after its last reference was given away. */
export class ConsumedError extends CompileError {
  override name = "ConsumedError";
}

/** A device that cannot be used here: its package is missing or refuses to start. */
export class DeviceError extends CompileError {
  override name = "DeviceError";
}

/** A compiled function that failed while it ran. */
export class RunError extends CompileError {
  override name = "RunError";
}
