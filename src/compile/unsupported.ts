import { CompileError } from "./errors.ts";
import type { LeafType } from "./lowered.ts";

/** A primitive that has no equivalent in onnxruntime. */
export class UnsupportedPrimitiveError extends CompileError {
  override name = "UnsupportedPrimitiveError";
  /** As jax-js calls it. */
  readonly primitive: string;

  /** @param detail why, where the primitive itself is supported: a dtype or a parameter. */
  constructor(primitive: string, operands: readonly LeafType[], detail?: string) {
    const types = operands.map(({ shape, dtype }) => `${dtype}[${shape.join(",")}]`).join(", ");
    super(
      `compile: ${primitive}(${types}) has no equivalent in onnxruntime${detail === undefined ? "" : `: ${detail}`}; ` +
        `compile with { device: "jax" }, or keep this part out of the compiled function`,
    );
    this.primitive = primitive;
  }
}
