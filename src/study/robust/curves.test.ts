import { describe, expect, it } from "vitest";
import { robustnessCurves } from "./curves.ts";

describe("robustnessCurves", () => {
  it("counts radii and distances above each length, among the attacked points alone", () => {
    // Wrong from the start; turned at 0.4; never turned; the fourth was not attacked.
    const radii = { values: [0, 0.2, 0.5, 9], attacked: [0, 0.4, null] };
    const curves = robustnessCurves(radii, [0, 0.2, 0.4, 1]);
    expect(curves.certified).toEqual([2 / 3, 1 / 3, 1 / 3, 0]);
    expect(curves.attacked).toEqual([2 / 3, 2 / 3, 1 / 3, 1 / 3]);
  });
});
