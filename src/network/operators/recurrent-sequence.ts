import { pointBox } from "../enclose.ts";
import type { Box, GeneralOperation } from "./operation.ts";
import { cotangents, enclosures, type Program, run, tangents } from "./recurrent-program.ts";
import { sequenceSteepness } from "./recurrent-steepness.ts";

/** Where the vectors of a recurrent layer lie in its tensors. */
export interface SequenceLayout {
  readonly steps: number;
  readonly batch: number;
  readonly input: number;
  readonly hidden: number;
  /** Examples before steps, before directions: `layout` 1. */
  readonly batchFirst: boolean;
  /** Which outputs are given: all states, then the last of each kind. */
  readonly gives: readonly boolean[];
}

/** One direction of a recurrent layer. */
export interface Direction {
  readonly program: Program;
  readonly reverse: boolean;
}

/** The sequence, and an initial state of each kind: its numbers, or the place of a signal. */
export type Source = { readonly data: Float64Array } | { readonly signal: number };

/** A recurrent layer with everything but its signals known. */
export interface Sequence {
  readonly layout: SequenceLayout;
  readonly directions: readonly Direction[];
  readonly x: Source;
  readonly initial: readonly Source[];
}

/** Offsets of one example's vectors in one direction. */
export interface Places {
  readonly x: (t: number) => number;
  readonly y: (t: number) => number;
  readonly state: number;
}

/** Where vectors lie, for direction d and example b. */
export function placesOf({ layout, directions }: Sequence, d: number, b: number): Places {
  const { steps, batch, input, hidden, batchFirst } = layout;
  const count = directions.length;
  return {
    x: (t) => (batchFirst ? b * steps + t : t * batch + b) * input,
    y: (t) => (batchFirst ? (b * steps + t) * count + d : (t * count + d) * batch + b) * hidden,
    state: (batchFirst ? b * count + d : d * batch + b) * hidden,
  };
}

/** The steps in the order in which a direction takes them. */
export function order({ layout }: Sequence, { reverse }: Direction): readonly number[] {
  const steps = Array.from({ length: layout.steps }, (_, t) => t);
  return reverse ? steps.reverse() : steps;
}

/** Lengths of all states, and of the last of one kind; and where each output that is given begins. */
function outputsOf({ layout, directions }: Sequence) {
  const { steps, batch, hidden, gives } = layout;
  const last = directions.length * batch * hidden;
  const sizes = gives.map((given, i) => (given ? (i === 0 ? steps * last : last) : 0));
  const begins = sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0));
  return { begins, size: sizes.reduce((a, b) => a + b, 0) };
}

/** What runs over a sequence carry: vectors, tangents or boxes. */
interface Carried<T> {
  /** The stretch of a source. */
  read(source: Source, begin: number, length: number): T;
  /** Puts a vector into the result. */
  write(value: T, begin: number): void;
  /** One step: all registers, from the input and the states before. */
  step(program: Program, inputs: readonly T[], key: string): readonly T[];
}

/** Runs every example in every direction and writes what the layer gives. */
function overSequence<T>(sequence: Sequence, carried: Carried<T>): void {
  const { layout, directions, x, initial } = sequence;
  const { input, hidden, batch, gives } = layout;
  const { begins } = outputsOf(sequence);
  directions.forEach((direction, d) => {
    for (let b = 0; b < batch; b++) {
      const places = placesOf(sequence, d, b);
      let states = initial.map((source) => carried.read(source, places.state, hidden));
      for (const t of order(sequence, direction)) {
        const inputs = [carried.read(x, places.x(t), input), ...states];
        const registers = carried.step(direction.program, inputs, `${d} ${b} ${t}`);
        states = direction.program.next.map((r) => registers[r]);
        if (gives[0]) carried.write(states[0], begins[0] + places.y(t));
      }
      states.forEach((state, i) => {
        if (gives[i + 1]) carried.write(state, begins[i + 1] + places.state);
      });
    }
  });
}

function stretch(x: Float64Array, begin: number, length: number): Float64Array {
  return x.subarray(begin, begin + length);
}

/** The numbers of a source. */
function numbersOf(source: Source, x: readonly Float64Array[]): Float64Array {
  return "data" in source ? source.data : x[source.signal];
}

/** Every register of every step, by direction, example and step. */
function tapeOf(
  sequence: Sequence,
  x: readonly Float64Array[],
  write?: (v: Float64Array, at: number) => void,
) {
  const tape = new Map<string, readonly Float64Array[]>();
  overSequence<Float64Array>(sequence, {
    read: (source, begin, length) => stretch(numbersOf(source, x), begin, length),
    write: write ?? (() => {}),
    step(program, inputs, key) {
      const registers = run(program, inputs);
      if (write === undefined) tape.set(key, registers);
      return registers;
    },
  });
  return tape;
}

/** A recurrent layer as an operation; its derivatives run it anew. */
export function sequenceOperation(sequence: Sequence): GeneralOperation {
  const { size } = outputsOf(sequence);
  return {
    kind: "general",
    forward(x) {
      const y = new Float64Array(size);
      tapeOf(sequence, x, (v, at) => y.set(v, at));
      return y;
    },
    jvp(x, _y, dx) {
      const tape = tapeOf(sequence, x);
      const dy = new Float64Array(size);
      overSequence<Float64Array>(sequence, {
        read: (source, begin, length) =>
          "data" in source ? new Float64Array(length) : stretch(dx[source.signal], begin, length),
        write: (v, at) => dy.set(v, at),
        step: (program, moves, key) => tangents(program, tape.get(key) ?? [], moves),
      });
      return dy;
    },
    vjp: (x, _y, dy) => gradients(sequence, x, dy),
    image(x) {
      const box = { lo: new Float64Array(size), hi: new Float64Array(size) };
      overSequence<Box>(sequence, boxesInto(box, x));
      return box;
    },
    local: (x) => sequenceSteepness(sequence, x),
  };
}

/** Runs a sequence on boxes. */
export function boxesInto(result: Box | undefined, x: readonly Box[]): Carried<Box> {
  return {
    read(source, begin, length) {
      const { lo, hi } = "data" in source ? pointBox(source.data) : x[source.signal];
      return { lo: stretch(lo, begin, length), hi: stretch(hi, begin, length) };
    },
    write({ lo, hi }, at) {
      result?.lo.set(lo, at);
      result?.hi.set(hi, at);
    },
    step: enclosures,
  };
}

/** Backpropagation through time. */
function gradients(sequence: Sequence, x: readonly Float64Array[], dy: Float64Array): Float64Array[] {
  const { layout, directions, initial } = sequence;
  const { input, hidden, batch, gives } = layout;
  const { begins } = outputsOf(sequence);
  const tape = tapeOf(sequence, x);
  const result = x.map((v) => new Float64Array(v.length));
  const add = (source: Source, begin: number, change: Float64Array) => {
    if ("data" in source) return;
    const target = result[source.signal];
    for (let i = 0; i < change.length; i++) target[begin + i] += change[i];
  };
  directions.forEach((direction, d) => {
    for (let b = 0; b < batch; b++) {
      const places = placesOf(sequence, d, b);
      let states: Float64Array[] = initial.map((_, i) =>
        gives[i + 1] ? stretch(dy, begins[i + 1] + places.state, hidden).slice() : new Float64Array(hidden),
      );
      for (const t of [...order(sequence, direction)].reverse()) {
        if (gives[0]) {
          const given = stretch(dy, begins[0] + places.y(t), hidden);
          for (let i = 0; i < hidden; i++) states[0][i] += given[i];
        }
        const [change, ...before] = cotangents(direction.program, tape.get(`${d} ${b} ${t}`) ?? [], states);
        add(sequence.x, places.x(t), change.subarray(0, input));
        states = before;
      }
      initial.forEach((source, i) => void add(source, places.state, states[i]));
    }
  });
  return result;
}
