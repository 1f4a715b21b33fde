import { builtin, hasBuiltins } from "./builtin.ts";

/** Named functions a worker offers; arguments and results are structured-cloned, buffers may be transferred. */
export type TaskTable = Record<string, (...args: never[]) => unknown>;

/** Somewhere tasks run: this thread or a worker. Calls to one thread run in the order they were made. */
export interface Thread<Tasks extends TaskTable> {
  /** True where arguments travel by message: copied, unless their buffers are moved. */
  readonly remote: boolean;
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

/** What a worker sends before anything else, once its module has run. */
const READY = "ready";

/** A module that calls `serveTasks`, and how to start it. */
export interface WorkerModule {
  readonly url: URL;
  /** Starts it in a browser. Where absent: a module worker at `url`. */
  readonly open?: () => Worker;
}

/** What Node's and the browser's workers have in common, seen from outside. */
interface Channel {
  post(message: unknown, transfer: ArrayBuffer[]): void;
  /** Lets the process end while the worker waits (Node); counts as busy again when `true`. */
  hold(busy: boolean): void;
}

function connect(
  { url, open = () => new Worker(url, { type: "module" }) }: WorkerModule,
  onMessage: (message: Reply | typeof READY) => void,
  onFailure: (error: unknown) => void,
): Channel {
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
  const worker = open();
  worker.onmessage = (event: MessageEvent<Reply | typeof READY>) => onMessage(event.data);
  // A worker whose script could not be loaded sends an event without a message.
  worker.onerror = (event) => onFailure(new Error(event.message || "a worker thread failed"));
  return { post: (message, transfer) => worker.postMessage(message, transfer), hold: () => {} };
}

interface Call {
  readonly request: Request;
  readonly transfer: ArrayBuffer[];
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Runs tasks in a worker. Calls wait here until it has started; where it cannot (a page whose bundle lacks the
 * worker's file, a policy that forbids workers) they run on the calling thread instead. The process may end while no
 * call is pending.
 */
class WorkerThread<Tasks extends TaskTable> implements Thread<Tasks> {
  readonly remote = true;
  readonly #tasks: Tasks;
  readonly #pending = new Map<number, Call>();
  #channel: Channel | undefined;
  #nextId = 0;
  #state: "starting" | "running" | "absent" | "broken" = "starting";
  #failure: unknown;

  constructor(module: WorkerModule, tasks: Tasks) {
    this.#tasks = tasks;
    try {
      this.#channel = connect(
        module,
        (message) => (message === READY ? this.#start() : this.#settle(message)),
        (error) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  call<K extends keyof Tasks & string>(
    task: K,
    args: Parameters<Tasks[K]>,
    transfer: ArrayBuffer[] = [],
  ): Promise<ReturnType<Tasks[K]>> {
    if (this.#state === "broken") return Promise.reject(this.#failure);
    if (this.#state === "absent") return localThread(this.#tasks).call(task, args);
    return new Promise((resolve, reject) => {
      const call: Call = { request: { id: this.#nextId++, task, args }, transfer, resolve, reject };
      this.#pending.set(call.request.id, call);
      this.#channel!.hold(true);
      if (this.#state === "running") this.#channel!.post(call.request, transfer);
    });
  }

  #start(): void {
    this.#state = "running";
    for (const { request, transfer } of this.#pending.values()) this.#channel!.post(request, transfer);
  }

  #settle(reply: Reply): void {
    const waiting = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#channel!.hold(false);
    if (reply.error === undefined) waiting?.resolve(reply.value as never);
    else waiting?.reject(reply.error);
  }

  /** Before it started, nothing is lost: its calls run here. Afterwards what it held is gone. */
  #fail(error: unknown): void {
    if (this.#state === "absent" || this.#state === "broken") return;
    this.#state = this.#state === "starting" ? "absent" : "broken";
    this.#failure = error;
    const calls = [...this.#pending.values()];
    this.#pending.clear();
    for (const { request, resolve, reject } of calls) {
      if (this.#state === "broken") reject(error);
      else {
        const { task, args } = request;
        localThread(this.#tasks)
          .call(task, args as never)
          .then(resolve as never, reject);
      }
    }
  }
}

/** Runs tasks on the calling thread, at once. */
export function localThread<Tasks extends TaskTable>(tasks: Tasks): Thread<Tasks> {
  return {
    remote: false,
    async call(task, args) {
      return tasks[task]!(...(args as never[])) as ReturnType<Tasks[typeof task]>;
    },
  };
}

const pools = new Map<string, Thread<never>[]>();

/**
 * `count` workers; started once per process and reused (a start costs about 50 ms).
 * @param tasks what the workers serve, for those that cannot start: their calls run on the calling thread, so ids
 * that calls speak of must differ between threads.
 */
export function workerThreads<Tasks extends TaskTable>(
  module: WorkerModule,
  count: number,
  tasks: Tasks,
): readonly Thread<Tasks>[] {
  const { href } = module.url;
  const pool = (pools.get(href) ?? []) as unknown as Thread<Tasks>[];
  while (pool.length < count) pool.push(new WorkerThread<Tasks>(module, tasks));
  pools.set(href, pool as unknown as Thread<never>[]);
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
  reply(READY, []);
}

function workerPort(
  onRequest: (request: Request) => void,
): (reply: Reply | typeof READY, transfer: ArrayBuffer[]) => void {
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
