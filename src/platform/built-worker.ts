import type { WorkerModule } from "./threads.ts";

/** A built module beside the built modules, also when the sources run unbuilt. */
export function builtModule(name: string): URL {
  const unbuilt = import.meta.url.endsWith(".ts") ? "../../dist/" : "./";
  return new URL(`${unbuilt}${name}`, import.meta.url);
}

/** The built worker of the linear algebra's threads. */
export const builtWorker: WorkerModule = {
  get url() {
    // Put together there, so that bundlers look for the one name below only.
    return builtModule("worker.js");
  },
  // Written as bundlers expect it: they bundle the worker when they see its name here.
  open: () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }),
};
