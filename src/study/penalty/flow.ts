/** λ/2 Σσᵢ² (power 2) or λ Σσᵢ (power 1) over the `rank` largest singular values; over all of them, power 2 is weight decay. */
export interface TopPenalty {
  readonly power: 1 | 2;
  readonly rank: number;
}

/** Singular values this close, relatively, count as equal. */
const TIED = 1e-12;

/**
 * The singular values after following the steepest descent of a penalty alone for a time: the exact solution of
 * dσ/dt = −λ·(the shortest subgradient). Singular vectors stay. Those clearly among the largest move at full speed, those that
 * tie for the last places share what is left of it, the others rest; between two meetings all is exponential (power 2) or
 * linear (power 1).
 * @param spectrum decreasing, nonnegative; not changed.
 * @param time λ·t
 */
export function penaltyFlow(spectrum: Float64Array, penalty: TopPenalty, time: number): Float64Array {
  const s = spectrum.slice();
  for (let left = time; left > 0; ) {
    const group = groupAt(s, Math.min(penalty.rank, s.length));
    const step = Math.min(left, untilMeeting(s, group, penalty.power));
    for (let i = 0; i <= group.last; i++) {
      const speed = i < group.first ? 1 : group.share;
      s[i] = penalty.power === 2 ? s[i] * Math.exp(-speed * step) : Math.max(0, s[i] - speed * step);
    }
    left -= step;
  }
  return s;
}

/** Those that tie for the last of `rank` places; `share` is the speed of each. */
interface Group {
  readonly first: number;
  readonly last: number;
  readonly share: number;
}

function groupAt(s: Float64Array, rank: number): Group {
  const level = s[rank - 1];
  const near = (value: number) => Math.abs(value - level) <= TIED * level;
  const first = s.findIndex(near);
  const last = s.findLastIndex(near);
  s.fill(level, first, last + 1);
  return { first, last, share: (rank - first) / (last - first + 1) };
}

/** Time until the group meets the value below it, or the one above it meets the group. */
function untilMeeting(s: Float64Array, { first, last, share }: Group, power: 1 | 2): number {
  const level = s[first];
  if (level === 0 && first === 0) return Number.POSITIVE_INFINITY;
  const distance = (from: number, to: number) => (power === 2 ? Math.log(from / to) : from - to);
  const below = last + 1 < s.length ? distance(level, s[last + 1]) / share : Number.POSITIVE_INFINITY;
  const above = first > 0 && share < 1 ? distance(s[first - 1], level) / (1 - share) : below;
  return Math.min(below, above);
}
