import { formatCount } from "../audit/format-number.ts";
import type { TourProgress } from "../tour/run.ts";
import type { Io } from "./io.ts";

/** As often as other progress lines change. */
const INTERVAL_MS = 100;

const ERASE_LINE = "\r\x1b[K";

const PHASES: Readonly<Record<TourProgress["phase"], string>> = {
  train: "training",
  export: "exporting and proving",
  bound: "bounding",
  certify: "certifying",
  attack: "attacking",
  digits: "drawing digits",
};

const UNITS: Readonly<Partial<Record<TourProgress["phase"], string>>> = {
  train: "steps",
  certify: "digits",
  attack: "digits",
};

/**
 * What the tour is doing: on a terminal one line on stderr that replaces itself; elsewhere one line for each phase of each
 * network, so that a minute in a log is not silent.
 */
export function tourLine(
  io: Io,
  options: { readonly progress: boolean; readonly quiet: boolean },
  now: () => number = () => performance.now(),
): { update(step: TourProgress): void; clear(): void } {
  const { interactive, width } = io.stderr;
  const silent = !options.progress || options.quiet;
  const start = now();
  let last = -Infinity;
  let stage = "";
  let shown = false;
  return {
    update(step) {
      const [time, title] = [now(), titleOf(step)];
      const fresh = title !== stage;
      stage = title;
      if (silent || (!fresh && (!interactive || time - last < INTERVAL_MS))) return;
      last = time;
      shown = true;
      const seconds = `${((time - start) / 1000).toFixed(0).padStart(3)} s`;
      if (interactive) io.err(ERASE_LINE + `${seconds}  ${title}${countOf(step)}`.slice(0, width - 1));
      else io.err(`${seconds}  ${title}\n`);
    },
    clear() {
      if (shown && interactive) io.err(ERASE_LINE);
      shown = false;
    },
  };
}

function titleOf({ phase, network }: TourProgress): string {
  return network === null ? PHASES[phase] : `${network}: ${PHASES[phase]}`;
}

function countOf({ phase, done, total }: TourProgress): string {
  const unit = UNITS[phase];
  return unit === undefined ? " …" : ` · ${formatCount(done)} of ${formatCount(total)} ${unit}`;
}
