import { TrainError } from "../errors.ts";
import { bjorckRule } from "./bjorck.ts";
import { cayleyRule } from "./cayley.ts";
import { clipWeightsRule } from "./clip-weights.ts";
import type { Control } from "./control.ts";
import { projectNormRule } from "./project-norm.ts";
import type { ControlRule } from "./rule.ts";
import { singularBandRule } from "./singular-band.ts";
import { spectralNormRule } from "./spectral-norm.ts";
import { uncontrolledRule } from "./uncontrolled.ts";

type Rules = { readonly [K in Control["kind"]]: ControlRule<Extract<Control, { kind: K }>> };

/** One rule for each kind of control. */
const RULES: Rules = {
  none: uncontrolledRule,
  spectralNorm: spectralNormRule,
  bjorck: bjorckRule,
  cayley: cayleyRule,
  singularBand: singularBandRule,
  projectNorm: projectNormRule,
  clipWeights: clipWeightsRule,
};

/** The rule of a control. @throws TrainError for something that is not a control. */
export function ruleOf<C extends Control>(control: C): ControlRule<C> {
  const rule = RULES[control?.kind];
  if (!rule) {
    throw new TrainError(
      `Unknown control ${JSON.stringify(control)}. Make one with spectralNorm(), bjorck(), cayley(), singularBand(), projectNorm(), clipSingularValues() or clipWeights().`,
    );
  }
  return rule as unknown as ControlRule<C>;
}
