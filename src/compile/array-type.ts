import type { ElementType, LeafType } from "./lowered.ts";

/**
 * The type of one leaf. Not a plain object, so that jax-js's `tree` functions take it for a leaf; it stands for an array
 * of that type while a function is traced.
 */
export class ArrayType implements LeafType {
  readonly shape: readonly number[];
  readonly dtype: ElementType;
  readonly weakType: boolean;
  /** Number of elements. */
  readonly size: number;
  /** As jax-js writes types, `float32[2,3]`; equal for arrays of equal layout in memory. */
  readonly layout: string;
  /** Says all of the above; equal for equal types. */
  readonly key: string;

  constructor(shape: readonly number[], dtype: ElementType, weakType = false) {
    this.shape = Object.freeze([...shape]);
    this.dtype = dtype;
    this.weakType = weakType;
    this.size = shape.reduce((product, n) => product * n, 1);
    this.layout = `${dtype}[${shape.join(",")}]`;
    this.key = weakType ? `weak ${this.layout}` : this.layout;
  }
}

/** What a JavaScript number is to jax-js. */
export const NUMBER_TYPE = new ArrayType([], "float32", true);

/** What a JavaScript boolean is to jax-js. */
export const BOOLEAN_TYPE = new ArrayType([], "bool");
