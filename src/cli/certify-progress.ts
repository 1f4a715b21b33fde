import type { CertifyProgress } from "../audit/certify-settings.ts";
import { formatCount } from "../audit/format-number.ts";
import type { Io } from "./io.ts";

/** As often as other progress lines change. */
const INTERVAL_MS = 100;

const ERASE_LINE = "\r\x1b[K";

const PHASES: Readonly<Record<CertifyProgress["phase"], string>> = {
  bound: "bounding the network",
  certify: "certifying",
  attack: "attacking",
};

/** One line on stderr that counts points: shown on a terminal only, and erased by `clear`. */
export function phaseLine(
  io: Io,
  options: { readonly progress: boolean; readonly quiet: boolean },
  now: () => number = () => performance.now(),
): { update(step: CertifyProgress): void; clear(): void } {
  const silent = !io.stderr.interactive || !options.progress || options.quiet;
  let last = -Infinity;
  let phase = { name: "", start: 0 };
  let shown = false;
  return {
    update(step) {
      const time = now();
      // Bounding says nothing until it has finished, so a new phase is shown at once.
      const fresh = phase.name !== step.phase;
      if (fresh) phase = { name: step.phase, start: time };
      if (silent || (!fresh && time - last < INTERVAL_MS)) return;
      last = time;
      shown = true;
      io.err(ERASE_LINE + describe(step, (time - phase.start) / 1000).slice(0, io.stderr.width - 1));
    },
    clear() {
      if (shown) io.err(ERASE_LINE);
      shown = false;
    },
  };
}

/** @param seconds since the phase began. */
function describe({ phase, index, count }: CertifyProgress, seconds: number): string {
  if (phase === "bound") return `${PHASES[phase]} …`;
  const left = index === 0 || seconds < 1 ? "" : ` · ${duration((seconds / index) * (count - index))} left`;
  return `${PHASES[phase]} · ${formatCount(index)} of ${formatCount(count)} points${left}`;
}

function duration(seconds: number): string {
  const s = Math.ceil(seconds);
  if (s < 60) return `${s} s`;
  return s < 3600
    ? `${Math.floor(s / 60)} min ${s % 60} s`
    : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}
