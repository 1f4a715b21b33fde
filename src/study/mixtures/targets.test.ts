import { describe, expect, it } from "vitest";
import { RandomStream } from "../../linalg/random.ts";
import { grid, ring, roll } from "./targets.ts";

describe("targets in the plane", () => {
  it("have the modes they are known by", () => {
    expect(grid.modes).toHaveLength(25);
    expect(grid.modes).toContainEqual([-2, 1]);
    expect(ring.modes).toHaveLength(8);
    for (const [x, y] of ring.modes) expect(Math.hypot(x, y)).toBeCloseTo(2, 12);
    expect(ring.modes[2][1]).toBeCloseTo(2, 12);
  });

  it("draw every mode equally often, with the spread they state", () => {
    const count = 50_000;
    const points = grid.draw(new RandomStream(1n), count);
    const counts = new Map<string, number>();
    let squares = 0;
    for (let i = 0; i < count; i++) {
      const [x, y] = [points[2 * i], points[2 * i + 1]];
      const centre = [Math.round(x), Math.round(y)];
      counts.set(centre.join(), (counts.get(centre.join()) ?? 0) + 1);
      squares += (x - centre[0]) ** 2 + (y - centre[1]) ** 2;
    }
    expect(counts.size).toBe(25);
    // 2,000 expected, standard deviation 44.
    for (const n of counts.values()) expect(Math.abs(n - 2000)).toBeLessThan(5 * 44);
    expect(Math.sqrt(squares / (2 * count))).toBeCloseTo(0.05, 3);
  });

  it("follow the spiral, whose distance from the origin is its angle, over the scale", () => {
    const points = roll.draw(new RandomStream(2n), 5000);
    const radii = Array.from({ length: 5000 }, (_, i) => Math.hypot(points[2 * i], points[2 * i + 1]));
    expect(Math.min(...radii)).toBeGreaterThan((1.5 * Math.PI) / 7.5 - 5 * roll.spread);
    expect(Math.max(...radii)).toBeLessThan((4.5 * Math.PI) / 7.5 + 5 * roll.spread);
    expect(Math.max(...points.map(Math.abs))).toBeLessThan(roll.extent);
  });

  it("are the same for the same seed and not for another", () => {
    for (const target of [grid, ring, roll]) {
      const first = target.draw(new RandomStream(3n), 20);
      expect(target.draw(new RandomStream(3n), 20)).toEqual(first);
      expect(target.draw(new RandomStream(4n), 20)).not.toEqual(first);
    }
  });
});
