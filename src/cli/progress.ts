import { formatBytes } from "../audit/format-number.ts";
import { printable, shortenMiddle } from "../audit/printable.ts";
import type { Io } from "./io.ts";

/** How often the line may change: fast enough to look alive, slow enough to cost nothing. */
const INTERVAL_MS = 100;

/** Nothing is shown for work that ends sooner. */
const PATIENCE_MS = 300;

/** The rate is worth showing once this much time has been measured. */
const RATE_AFTER_MS = 1000;

const ERASE_LINE = "\r\x1b[K";

/** One step of a long computation. */
export interface Step {
  /** What is being worked on, such as a layer's name. */
  readonly label: string;
  readonly index: number;
  readonly count: number;
  readonly bytes: number;
  readonly totalBytes: number;
}

/** One line on stderr that replaces itself and disappears when cleared. */
export interface Progress {
  update(step: Step): void;
  clear(): void;
}

const SILENT: Progress = { update: () => {}, clear: () => {} };

/** A progress line where stderr is a terminal and nobody asked for silence. */
export function progressLine(
  io: Io,
  options: { readonly progress: boolean; readonly quiet: boolean },
  now: () => number = () => performance.now(),
): Progress {
  if (!io.stderr.interactive || !options.progress || options.quiet) return SILENT;
  const start = now();
  const pace = new Pace(start);
  let last = start + PATIENCE_MS - INTERVAL_MS;
  let shown = false;
  return {
    update: (step) => {
      const time = now();
      pace.observe(step, time);
      if (time - last < INTERVAL_MS) return;
      last = time;
      shown = true;
      io.err(ERASE_LINE + describe(step, pace.reading(step, time), io.stderr.width - 1));
    },
    clear: () => {
      if (shown) io.err(ERASE_LINE);
      shown = false;
    },
  };
}

interface Reading {
  /** Bytes per second. */
  readonly rate: number;
  readonly secondsLeft: number;
}

/**
 * How fast the work goes. Reading a layer is quick beside computing with it, so only finished layers tell; while
 * there is none, the bytes read so far have to.
 */
class Pace {
  readonly #start: number;
  #index = 0;
  #bytes = 0;
  #time: number;

  constructor(start: number) {
    this.#start = start;
    this.#time = start;
  }

  observe(step: Step, time: number): void {
    if (step.index === this.#index) return;
    this.#index = step.index;
    this.#bytes = step.bytes;
    this.#time = time;
  }

  /** null while there is nothing to tell yet, and for the part that bytes say nothing about. */
  reading(step: Step, time: number): Reading | null {
    const finished = this.#bytes > 0;
    const bytes = finished ? this.#bytes : step.bytes;
    const elapsed = (finished ? this.#time : time) - this.#start;
    if (time - this.#start < RATE_AFTER_MS || bytes === 0 || elapsed <= 0) return null;
    if (!finished && step.bytes >= step.totalBytes) return null;
    const rate = (1000 * bytes) / elapsed;
    const since = finished ? (time - this.#time) / 1000 : 0;
    return { rate, secondsLeft: (step.totalBytes - bytes) / rate - since };
  }
}

function describe(step: Step, reading: Reading | null, width: number): string {
  const { bytes, totalBytes } = step;
  const share = totalBytes > 0 ? Math.floor((100 * bytes) / totalBytes) : 100;
  const parts = [`${share} %`, `${formatBytes(bytes)} of ${formatBytes(totalBytes)}`];
  if (reading !== null) {
    parts.push(`${formatBytes(Math.round(reading.rate))}/s`);
    if (reading.secondsLeft > 0) parts.push(`${duration(reading.secondsLeft)} left`);
  }
  const numbers = parts.join(" · ");
  const place = `${step.index + 1}/${step.count} `;
  const room = width - numbers.length - place.length - 3;
  const label = room > 8 ? ` · ${place}${shortenMiddle(printable(step.label), room)}` : "";
  return shortenMiddle(numbers + label, width);
}

function duration(seconds: number): string {
  const s = Math.ceil(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}
