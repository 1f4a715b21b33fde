import { describe, expect, it } from "vitest";
import { RandomStream } from "../../linalg/random.ts";
import { circulantColumn, circulantMatrix, circulantTimes } from "./circulant.ts";
import { BURGERS, HEAT, KURAMOTO } from "./equations.ts";
import { etdrk4, exponentialEuler, type FieldStep, phi } from "./etdrk4.ts";
import { randomWaves } from "./waves.ts";

const N = 160;
const wave = (k: number, amplitude = 1) =>
  Float64Array.from({ length: N }, (_, i) => amplitude * Math.cos((2 * Math.PI * k * i) / N));
const mean = (u: Float64Array) => u.reduce((sum, value) => sum + value, 0) / u.length;
const energy = (u: Float64Array) => u.reduce((sum, value) => sum + value * value, 0) / u.length;
const apart = (u: Float64Array, v: Float64Array) => Math.max(...u.map((value, i) => Math.abs(value - v[i])));

function stepped(step: FieldStep, u: Float64Array, steps: number): Float64Array {
  let v = u;
  for (let i = 0; i < steps; i++) v = step(v);
  return v;
}

describe("circulant matrices", () => {
  it("differentiate waves exactly, and shift them", () => {
    const derivative = circulantColumn(N, { odd: (kappa) => kappa });
    const expected = Float64Array.from(
      { length: N },
      (_, i) => -2 * Math.PI * 7 * Math.sin((2 * Math.PI * 7 * i) / N),
    );
    expect(apart(circulantTimes(derivative, wave(7)), expected)).toBeLessThan(1e-10);
    const shift = Float64Array.from({ length: N }, (_, i) => (i === 1 ? 1 : 0));
    const u = randomWaves(N, 20, new RandomStream(1n));
    expect([...circulantTimes(shift, u)]).toEqual([u[N - 1], ...u.subarray(0, N - 1)]);
  });

  it("are the matrices they say", () => {
    const column = Float64Array.of(1, 2, 3);
    expect([...circulantMatrix(column)]).toEqual([1, 3, 2, 2, 1, 3, 3, 2, 1]);
    expect([...circulantTimes(column, Float64Array.of(1, 10, 100))]).toEqual([231, 312, 123]);
  });
});

describe("phi", () => {
  it("agrees with its integral on both sides of where it changes its formula", () => {
    // φ₂(z) = ∫₀¹ e^{(1−s)z} s ds, by Simpson's rule.
    for (const z of [-30, -1.001, -0.999, 0, 0.3, 1.5]) {
      const n = 2000;
      let sum = 0;
      for (let i = 0; i <= n; i++) {
        const s = i / n;
        sum += (i === 0 || i === n ? 1 : i % 2 === 1 ? 4 : 2) * Math.exp((1 - s) * z) * s;
      }
      expect(phi(2, z)).toBeCloseTo(sum / (3 * n), 8);
    }
    expect([phi(1, 0), phi(2, 0), phi(3, 0)]).toEqual([1, 1 / 2, 1 / 6]);
  });
});

describe("the heat equation", () => {
  it("damps the k-th wave by e^(−ακ²) a step", () => {
    const alpha = 4 / (2 * N ** 2);
    for (const k of [1, 5, 40]) {
      const u = stepped(etdrk4(HEAT), wave(k), 10);
      expect(apart(u, wave(k, Math.exp(-10 * alpha * (2 * Math.PI * k) ** 2)))).toBeLessThan(1e-12);
    }
  });

  it("keeps mass and maximum principle", () => {
    const u = randomWaves(N, 5, new RandomStream(2n)).map((value) => value + 0.3);
    const later = stepped(etdrk4(HEAT), u, 50);
    expect(mean(later)).toBeCloseTo(mean(u), 12);
    expect(Math.max(...later)).toBeLessThan(Math.max(...u));
    expect(Math.min(...later)).toBeGreaterThan(Math.min(...u));
  });
});

describe("the Burgers equation", () => {
  it("keeps mass and loses energy", () => {
    const u = randomWaves(N, 5, new RandomStream(3n)).map((value) => value + 0.2);
    const step = etdrk4(BURGERS);
    let before: Float64Array = u;
    for (let i = 0; i < 30; i++) {
      const now = step(before);
      expect(mean(now)).toBeCloseTo(mean(u), 12);
      expect(energy(now)).toBeLessThan(energy(before));
      before = now;
    }
  });

  it("is solved by what Cole and Hopf make of the heat equation", () => {
    // u = −2ν φ_x/φ solves u_t + c·u·u_x = cν… here u_t = −β u u_x + α u_xx, so ν = α/β and φ diffuses with α.
    const alpha = 1.5 / (2 * N ** 2);
    const beta = 2 / N;
    const nu = alpha / beta;
    const potential = (t: number, amplitude: number) =>
      Float64Array.from({ length: N }, (_, i) => {
        const kappa = 2 * Math.PI;
        const fade = amplitude * Math.exp(-alpha * kappa ** 2 * t);
        const angle = (kappa * i) / N;
        return (2 * nu * kappa * fade * Math.sin(angle)) / (1 + fade * Math.cos(angle));
      });
    // Steep enough that the convection matters: without it the same start is far off.
    const start = potential(0, 0.9);
    const exact = potential(100, 0.9);
    expect(apart(stepped(etdrk4(BURGERS), start, 100), exact)).toBeLessThan(1e-6 * Math.max(...start));
    const onlyHeat = stepped(etdrk4({ ...BURGERS, convection: 0 }), start, 100);
    expect(apart(onlyHeat, exact)).toBeGreaterThan(0.01 * Math.max(...start));
  });

  it("is stepped with order 4", () => {
    const u = wave(2);
    const steep = { ...BURGERS, convection: 3 * BURGERS.convection };
    const fine = etdrk4(steep, 32)(u);
    const error = (substeps: number) => apart(etdrk4(steep, substeps)(u), fine);
    const order = Math.log2(error(1) / error(2));
    expect(order).toBeGreaterThan(3.5);
    expect(order).toBeLessThan(5.5);
  });
});

describe("the Kuramoto–Sivashinsky equation", () => {
  it("grows and damps small waves at their linear rates", () => {
    const [alpha2, alpha4] = [2 / (2 * N ** 2), 15 / (8 * N ** 4)];
    for (const k of [3, 13, 18, 25]) {
      const kappa = 2 * Math.PI * k;
      const rate = alpha2 * kappa ** 2 - alpha4 * kappa ** 4;
      const u = stepped(etdrk4(KURAMOTO), wave(k, 1e-7), 20);
      expect(apart(u, wave(k, 1e-7 * Math.exp(20 * rate)))).toBeLessThan(1e-11 * Math.exp(20 * rate));
    }
  });

  it("settles into bounded chaos that depends on its start", () => {
    const step = etdrk4(KURAMOTO);
    const u = stepped(step, randomWaves(N, 5, new RandomStream(5n)), 300);
    const v = stepped(
      step,
      u.map((value, i) => value + (i === 0 ? 1e-6 : 0)),
      150,
    );
    const w = stepped(step, u, 150);
    expect(Math.max(...w.map(Math.abs))).toBeGreaterThan(0.5);
    expect(Math.max(...w.map(Math.abs))).toBeLessThan(5);
    expect(apart(v, w)).toBeGreaterThan(1e-5);
  });

  it("is followed by the exponential Euler method, whose error falls with the length of its steps", () => {
    const u = stepped(etdrk4(KURAMOTO), randomWaves(N, 5, new RandomStream(6n)), 300);
    const exact = etdrk4(KURAMOTO, 4)(u);
    const error = (substeps: number) => {
      const { linear, product } = exponentialEuler(KURAMOTO, substeps);
      let v = u;
      for (let i = 0; i < substeps; i++) {
        const squares = circulantTimes(
          product,
          v.map((value) => value * value),
        );
        v = circulantTimes(linear, v).map((value, j) => value + squares[j]);
      }
      return apart(v, exact);
    };
    expect(Math.log2(error(8) / error(16))).toBeCloseTo(1, 0);
    expect(Math.log2(error(16) / error(32))).toBeCloseTo(1, 1);
  });
});

describe("randomWaves", () => {
  it("has mean 0, largest value 1, no waves beyond the highest, and its seed alone decides", () => {
    const u = randomWaves(N, 5, new RandomStream(7n));
    expect(mean(u)).toBeCloseTo(0, 12);
    expect(Math.max(...u.map(Math.abs))).toBe(1);
    const sixth = circulantColumn(N, { even: (kappa) => (Math.abs(kappa) > 10.5 * Math.PI ? 1 : 0) });
    expect(energy(circulantTimes(sixth, u))).toBeLessThan(1e-25);
    expect(randomWaves(N, 5, new RandomStream(7n))).toEqual(u);
  });
});
