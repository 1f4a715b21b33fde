import { MissingPackageError, openEngine } from "../compile/devices.ts";
import { loaders } from "../compile/onnxruntime.ts";

/** What `compile` runs on where nobody chooses: onnxruntime, or jax-js where that is not installed. */
export async function trainingDevice(): Promise<"native" | "jax"> {
  try {
    await openEngine("native", loaders);
    return "native";
  } catch (error) {
    if (error instanceof MissingPackageError) return "jax";
    throw error;
  }
}
