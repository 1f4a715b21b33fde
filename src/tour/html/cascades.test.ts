import { expect, it } from "vitest";
import { widthsOf } from "./cascades.ts";

it("follows the widths of a network through matrices in either layout", () => {
  expect(
    widthsOf([
      [256, 784],
      [256, 256],
      [10, 256],
    ]),
  ).toEqual([784, 256, 256, 10]);
  expect(
    widthsOf([
      [784, 128],
      [128, 64],
      [64, 10],
    ]),
  ).toEqual([784, 128, 64, 10]);
  expect(
    widthsOf([
      [784, 128],
      [64, 128],
      [10, 64],
    ]),
  ).toEqual([784, 128, 64, 10]);
});
