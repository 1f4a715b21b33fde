import { builtin, hasBuiltins } from "./builtin.ts";

/** Named functions a worker offers; arguments and results are structured-cloned, buffers may be transferred. */
export type TaskTable = Record<string, (...args: never[]) => unknown>;

/** Somewhere tasks run: this thread or a worker. Calls to one thread run in the order they were made. */
export interface Thread<Tasks extends TaskTable> {
  /** @param transfer buffers among the arguments to move instead of copying. */
  call<K extends keyof Tasks & string>(
    task: K,
    args: Parameters<Tasks[K]>,
    transfer?: ArrayBuffer[],
  ): Promise<ReturnType<Tasks[K]>>;
}

interface Request {
  readonly id: number;
  readonly task: string;
  readonly args: unknown[];
}

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: unknown;
}

/** What Node's and the browser's workers have in common, seen from outside. */
interface Channel {
  post(message: unknown, transfer: ArrayBuffer[]): void;
  /** Lets the process end while the worker waits (Node); counts as busy again when `true`. */
  hold(busy: boolean): void;
}

function connect(url: URL, onMessage: (reply: Reply) => void, onFailure: (error: unknown) => void): Channel {
  if (hasBuiltins()) {
    const { Worker } = builtin("node:worker_threads");
    const worker = new Worker(url);
    worker.on("message", onMessage);
    worker.on("error", onFailure);
    worker.on("exit", () => onFailure(new Error("a worker thread ended unexpectedly")));
    worker.unref();
    return {
      post: (message, transfer) => worker.postMessage(message, transfer),
      hold: (busy) => (busy ? worker.ref() : worker.unref()),
    };
  }
  const worker = new Worker(url, { type: "module" });
  worker.onmessage = (event: MessageEvent<Reply>) => onMessage(event.data);
  worker.onerror = (event) => onFailure(new Error(event.message));
  return { post: (message, transfer) => worker.postMessage(message, transfer), hold: () => {} };
}

/** Runs tasks in a worker whose module calls `serveTasks`. The process may end while no call is pending. */
class WorkerThread<Tasks extends TaskTable> implements Thread<Tasks> {
  readonly #channel: Channel;
  readonly #pending = new Map<
    number,
    { resolve: (value: never) => void; reject: (error: unknown) => void }
  >();
  #nextId = 0;
  #failure: unknown;

  constructor(url: URL) {
    this.#channel = connect(
      url,
      (reply) => this.#settle(reply),
      (error) => this.#fail(error),
    );
  }

  call<K extends keyof Tasks & string>(
    task: K,
    args: Parameters<Tasks[K]>,
    transfer: ArrayBuffer[] = [],
  ): Promise<ReturnType<Tasks[K]>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const request: Request = { id: this.#nextId++, task, args };
      this.#pending.set(request.id, { resolve, reject });
      this.#channel.hold(true);
      this.#channel.post(request, transfer);
    });
  }

  #settle(reply: Reply): void {
    const waiting = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#channel.hold(false);
    if (reply.error === undefined) waiting?.resolve(reply.value as never);
    else waiting?.reject(reply.error);
  }

  #fail(error: unknown): void {
    this.#failure = error;
    for (const waiting of this.#pending.values()) waiting.reject(error);
    this.#pending.clear();
  }
}

/** Runs tasks on the calling thread, at once. */
export function localThread<Tasks extends TaskTable>(tasks: Tasks): Thread<Tasks> {
  return {
    async call(task, args) {
      return tasks[task]!(...(args as never[])) as ReturnType<Tasks[typeof task]>;
    },
  };
}

const pools = new Map<string, Thread<never>[]>();

/** `count` workers running the module at `url`; started once per process and reused (a start costs about 50 ms). */
export function workerThreads<Tasks extends TaskTable>(url: URL, count: number): readonly Thread<Tasks>[] {
  const pool = (pools.get(url.href) ?? []) as unknown as Thread<Tasks>[];
  while (pool.length < count) pool.push(new WorkerThread<Tasks>(url));
  pools.set(url.href, pool as unknown as Thread<never>[]);
  return pool.slice(0, count);
}

/** A worker's main loop: answers every request with its task's result or error. Float64Array results are moved. */
export function serveTasks(tasks: TaskTable): void {
  const reply = workerPort((request) => {
    try {
      const result = tasks[request.task]!(...(request.args as never[]));
      const moved = result instanceof Float64Array ? [result.buffer as ArrayBuffer] : [];
      reply({ id: request.id, value: result }, moved);
    } catch (error) {
      reply({ id: request.id, error }, []);
    }
  });
}

function workerPort(onRequest: (request: Request) => void): (reply: Reply, transfer: ArrayBuffer[]) => void {
  const port = hasBuiltins() ? builtin("node:worker_threads").parentPort : null;
  if (port !== null) {
    port.on("message", onRequest);
    return (reply, transfer) => port.postMessage(reply, transfer);
  }
  const scope = globalThis as unknown as DedicatedWorkerScope;
  scope.onmessage = (event) => onRequest(event.data as Request);
  return (reply, transfer) => scope.postMessage(reply, transfer);
}

interface DedicatedWorkerScope {
  onmessage: (event: MessageEvent) => void;
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
}
