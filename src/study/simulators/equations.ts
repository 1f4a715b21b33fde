import type { PeriodicEquation } from "./etdrk4.ts";

/**
 * One-dimensional equations on the unit circle with the difficulties of APEBench (Koehler et al. 2024, arXiv:2411.00180):
 * γⱼ = αⱼ·Nʲ·2^(j−1) for the j-th derivative, δ = β·N for the convection, all per step of time 1.
 */
const POINTS = 160;

const alpha = (difficulty: number, order: number) => difficulty / (POINTS ** order * 2 ** (order - 1));

/** u_t = α u_xx, γ₂ = 4. */
export const HEAT: PeriodicEquation = {
  points: POINTS,
  linear: (wave) => -alpha(4, 2) * wave ** 2,
  convection: 0,
};

/** u_t = −β(u²/2)_x + α u_xx, γ₂ = 1.5, δ = −2. */
export const BURGERS: PeriodicEquation = {
  points: POINTS,
  linear: (wave) => -alpha(1.5, 2) * wave ** 2,
  convection: 2 / POINTS,
};

/** u_t = −β(u²/2)_x − α₂ u_xx − α₄ u_xxxx, γ₂ = −2, γ₄ = −15, δ = −1: long waves grow, short ones are damped, chaos. */
export const KURAMOTO: PeriodicEquation = {
  points: POINTS,
  linear: (wave) => alpha(2, 2) * wave ** 2 - alpha(15, 4) * wave ** 4,
  convection: 1 / POINTS,
};
