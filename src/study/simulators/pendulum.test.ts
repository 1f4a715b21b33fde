import { describe, expect, it } from "vitest";
import { pendulum, pendulumEnergy } from "./pendulum.ts";
import { rk4 } from "./rk4.ts";

function swing(damping: number, start: readonly number[], step: number, steps: number): Float64Array {
  const rate = pendulum(damping);
  let x: Float64Array = Float64Array.from(start);
  for (let i = 0; i < steps; i++) x = rk4(rate, x, step);
  return x;
}

describe("pendulum", () => {
  it("swings with the period 2π/√6 when the swings are small", () => {
    const period = (2 * Math.PI) / Math.sqrt(6);
    const [q, p] = swing(0, [1e-4, 0], period / 1000, 1000);
    expect(q).toBeCloseTo(1e-4, 11);
    expect(p).toBeCloseTo(0, 11);
    const [half] = swing(0, [1e-4, 0], period / 1000, 500);
    expect(half).toBeCloseTo(-1e-4, 11);
  });

  it("keeps its energy to the fifth order of the step", () => {
    const start = [1, 0.4];
    const drift = (step: number) =>
      Math.abs(pendulumEnergy(swing(0, start, step, Math.round(4 / step))) - pendulumEnergy(start));
    expect(drift(0.01)).toBeLessThan(1e-7);
    const order = Math.log2(drift(0.04) / drift(0.02));
    expect(order).toBeGreaterThan(3.8);
    expect(order).toBeLessThan(5.5);
  });

  it("loses energy at the rate 2·damping·p²", () => {
    const [damping, step] = [0.3, 1e-4];
    const start = [0.5, 0.8];
    const lost = pendulumEnergy(start) - pendulumEnergy(swing(damping, start, step, 1));
    expect(lost / step).toBeCloseTo(2 * damping * 0.8 ** 2, 3);
    expect(pendulumEnergy(swing(damping, start, 0.01, 5000))).toBeLessThan(1e-5);
  });

  it("decays like e^(−damping·t/2) when the swings are small", () => {
    const damping = 0.3;
    const frequency = Math.sqrt(6 - (damping / 2) ** 2);
    const [q] = swing(damping, [1e-4, 0], Math.PI / frequency / 500, 1000);
    expect(q / 1e-4).toBeCloseTo(Math.exp((-damping / 2) * ((2 * Math.PI) / frequency)), 6);
  });
});

describe("rk4", () => {
  it("has an error of order 4 on ẋ = x and leaves x as it is", () => {
    const error = (steps: number) => {
      let x: Float64Array = Float64Array.of(1);
      for (let i = 0; i < steps; i++) x = rk4((y) => y.slice(), x, 1 / steps);
      return Math.abs(x[0] - Math.E);
    };
    expect(Math.log2(error(20) / error(40))).toBeCloseTo(4, 1);
    const x = Float64Array.of(1);
    rk4((y) => y.slice(), x, 0.1);
    expect([...x]).toEqual([1]);
  });
});
