/** The Node built-ins this package uses, by name. */
interface Builtins {
  readonly "node:child_process": typeof import("node:child_process");
  readonly "node:crypto": typeof import("node:crypto");
  readonly "node:fs": typeof import("node:fs");
  readonly "node:fs/promises": typeof import("node:fs/promises");
  readonly "node:os": typeof import("node:os");
  readonly "node:path": typeof import("node:path");
  readonly "node:url": typeof import("node:url");
  readonly "node:worker_threads": typeof import("node:worker_threads");
}

/** Something this platform does not have, such as a file system in a browser. */
export class PlatformError extends Error {
  override readonly name = "PlatformError";
}

function lookup(name: string): unknown {
  return globalThis.process?.getBuiltinModule?.(name);
}

/** True where Node's built-in modules can be reached. */
export function hasBuiltins(): boolean {
  return lookup("node:fs") !== undefined;
}

/**
 * A Node built-in without an import statement, so that one bundle loads in Node and in browsers.
 * @throws PlatformError outside Node (or before Node 20.16, which lacks `process.getBuiltinModule`).
 */
export function builtin<K extends keyof Builtins>(name: K): Builtins[K] {
  const found = lookup(name);
  if (found === undefined) {
    throw new PlatformError(`${name} is not available here: it needs Node.js 20.16 or later, not a browser.`);
  }
  return found as Builtins[K];
}
