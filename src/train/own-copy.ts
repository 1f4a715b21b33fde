import { isTracer } from "../compile/jax-internals.ts";
import { TrainError } from "./errors.ts";

/**
 * Where two copies of jax-js are installed, arrays of one are nothing to the other, whose messages then say something else.
 * @param what whose argument it is, and which: "sequential: x"
 * @throws TrainError for an array of another copy of jax-js, or a symbol that stands for one while it is traced there.
 */
export function checkOwnCopy(what: string, value: unknown): void {
  if (!isOfAnotherCopy(value)) return;
  throw new TrainError(
    `${what} is an array of another copy of @jax-js/jax than the one that lipschitz uses; arrays of two copies cannot be ` +
      "computed with together. `npm ls @jax-js/jax` lists the copies: install one only, of the version that lipschitz takes, " +
      "and import it from there everywhere.",
  );
}

/** By the members that every array and symbol of jax-js has; its classes differ from copy to copy. */
function isOfAnotherCopy(value: unknown): boolean {
  if (typeof value !== "object" || value === null || isTracer(value)) return false;
  return "_trace" in value && "aval" in value && "ref" in value;
}
