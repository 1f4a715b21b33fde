import fc from "fast-check";

/**
 * Properties draw the same cases in every run, so that a failure is the change's and not the day's. Another seed, for
 * a look beyond them: LIPSCHITZ_TEST_SEED=2 npm test.
 */
fc.configureGlobal({ seed: Number(process.env.LIPSCHITZ_TEST_SEED ?? 1) });
