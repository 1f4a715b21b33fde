import type { Rate } from "./rk4.ts";

/**
 * The pendulum with energy H(q, p) = 3(1 − cos q) + p² (Greydanus, Dzamba & Yosinski 2019, arXiv:1906.01563) and friction:
 * q̇ = 2p, ṗ = −3 sin q − damping·p. Small swings have the angular frequency √6.
 */
export function pendulum(damping: number): Rate {
  return ([q, p]) => Float64Array.of(2 * p!, -3 * Math.sin(q!) - damping * p!);
}

/** H(q, p); constant without friction, and falling at the rate 2·damping·p² with it. */
export function pendulumEnergy([q, p]: ArrayLike<number> & Iterable<number>): number {
  return 3 * (1 - Math.cos(q!)) + p! * p!;
}
