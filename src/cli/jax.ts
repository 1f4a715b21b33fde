import { MissingPartError } from "../audit/errors.ts";

/**
 * Loads a part that needs jax-js.
 * @param what the part, at the beginning of a sentence: "the tour".
 * @throws MissingPartError where jax-js, an optional package, is not installed.
 */
export async function withJax<T>(what: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new MissingPartError(
      `${what} trains networks with @jax-js/jax, which is not installed here`,
      "Run: npm install @jax-js/jax@0.1.25 onnxruntime-node",
    );
  }
}
