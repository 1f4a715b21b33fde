import { grad, numpy as np } from "@jax-js/jax";
import { expect, it } from "vitest";
import { randomProgram } from "../testing/programs.ts";
import { expectSame, Seeded } from "../testing/reference.ts";

/** Seed of the first program; another one looks elsewhere. */
const FIRST = Number(process.env.LIPSCHITZ_TEST_SEED ?? 1) * 1000;
const PROGRAMS = Number(process.env.LIPSCHITZ_TEST_PROGRAMS ?? 40);

/** What jax-js and onnxruntime round differently does not vanish where sums do. */
const UNIT = 0.1;

it.each(Array.from({ length: PROGRAMS }, (_, i) => FIRST + i))(
  "random program %i and its gradient",
  async (seed) => {
    const random = new Seeded(seed);
    const program = randomProgram(random, 12);
    const samples = program.inputs.map((shape) => random.sample(shape));
    const loss = (x: np.Array, y: np.Array, z: np.Array) =>
      program
        .run(x, y, z)
        .map((value) => np.square(value).sum())
        .reduce((a, b) => a.add(b));
    try {
      await expectSame(program.run, samples, UNIT);
      await expectSame(grad(loss), samples, UNIT);
    } catch (error) {
      expect.fail(`${(error as Error).message}\n${program.text}`);
    }
  },
);
