/** A tree (plain objects and lists) with `To` in the places of leaves of type `From`. */
export type ReplacedLeaves<T, From, To> = T extends From
  ? To
  : T extends readonly (infer U)[]
    ? number extends T["length"]
      ? // Not the mapped type below: only this form may refer to itself in trees of any depth.
        ReplacedLeaves<U, From, To>[]
      : { [K in keyof T]: ReplacedLeaves<T[K], From, To> }
    : T extends object
      ? { [K in keyof T]: ReplacedLeaves<T[K], From, To> }
      : T;
