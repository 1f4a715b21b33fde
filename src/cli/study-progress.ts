import type { StudyProgress } from "../study/run.ts";
import type { Io } from "./io.ts";

/** As often as other progress lines change. */
const INTERVAL_MS = 100;
/** In a log, a line this often. */
const LOG_INTERVAL_MS = 30_000;
/** Time left is worth showing once this much was done. */
const PACE_AFTER = 0.05;

const ERASE_LINE = "\r\x1b[K";
const PHASES = { sweep: "choosing learning rates", run: "running" } as const;

/**
 * How far a study is: on a terminal one line on stderr that replaces itself; elsewhere a line every half minute, so that an hour
 * in a log is not silent.
 */
export function studyLine(
  io: Io,
  options: { readonly progress: boolean; readonly quiet: boolean },
  now: () => number = () => performance.now(),
): { update(step: StudyProgress): void; clear(): void } {
  const { interactive, width } = io.stderr;
  const silent = !options.progress || options.quiet;
  let [phase, start, first, last, shown] = ["", now(), 0, -Infinity, false];
  return {
    update(step) {
      if (silent) return;
      const time = now();
      if (step.phase !== phase) [phase, start, first, last] = [step.phase, time, step.done, -Infinity];
      if (time - last < (interactive ? INTERVAL_MS : LOG_INTERVAL_MS)) return;
      last = time;
      shown = true;
      const text = describe(step, time - start, first);
      if (interactive) io.err(ERASE_LINE + text.slice(0, width - 1));
      else io.err(`${text}\n`);
    },
    clear() {
      if (shown && interactive) io.err(ERASE_LINE);
      shown = false;
    },
  };
}

/** @param first what was done when the phase began: runs kept from an earlier call tell nothing of the pace. */
function describe({ phase, done, total, label }: StudyProgress, ms: number, first: number): string {
  const share = total > first ? (done - first) / (total - first) : 1;
  const left = share < PACE_AFTER ? "" : ` · ${duration((ms * (1 - share)) / share / 1000)} left`;
  return `${PHASES[phase]} · ${Math.floor(done)} of ${total} runs${left} · ${label}`;
}

function duration(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}
