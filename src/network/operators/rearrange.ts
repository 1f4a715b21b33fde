import { copyRules } from "./rearrange-copy.ts";
import { joinRules } from "./rearrange-join.ts";
import { padRules } from "./rearrange-pad.ts";
import { permuteRules } from "./rearrange-permute.ts";
import { reshapeRules } from "./rearrange-reshape.ts";
import type { OperatorRules } from "./rule.ts";

/** Operators that move, repeat, join or split entries. */
export const rearrangeRules: OperatorRules = {
  ...reshapeRules,
  ...permuteRules,
  ...copyRules,
  ...padRules,
  ...joinRules,
};
