/** Exit code of a program that a Ctrl-C ended. */
const INTERRUPTED = 130;

/**
 * A signal that aborts on the first Ctrl-C (or SIGTERM), so that work can stop cleanly; a second one ends the
 * process at once. `release` gives the keys their usual meaning back.
 */
export function interruptSignal(): { readonly signal: AbortSignal; readonly release: () => void } {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    controller.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    signal: controller.signal,
    release: () => {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}
