import type { WorkerModule } from "./threads.ts";

/** The built worker beside the built modules, also when the sources run unbuilt. */
export const builtWorker: WorkerModule = {
  get url() {
    // Put together here, so that bundlers look for the one name below only.
    const unbuilt = import.meta.url.endsWith(".ts") ? "../../dist/" : "./";
    return new URL(`${unbuilt}worker.js`, import.meta.url);
  },
  // Written as bundlers expect it: they bundle the worker when they see its name here.
  open: () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }),
};
