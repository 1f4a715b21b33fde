/** Long enough to cost nothing, short enough for a key or a progress line. */
const INTERVAL_MS = 50;

/**
 * A function to await often during long work on one thread: now and then it lets other events happen (a signal, a
 * redrawn page), and it throws the signal's reason once that is aborted.
 */
export function pacer(signal: AbortSignal | undefined): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last >= INTERVAL_MS) {
      await new Promise((resolve) => setTimeout(resolve));
      last = performance.now();
    }
    signal?.throwIfAborted();
  };
}
