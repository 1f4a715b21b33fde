import { random } from "@jax-js/jax";
import {
  bjorck,
  type Control,
  clipWeights,
  frobenius,
  gradientPenalty,
  type Module,
  maxMin,
  relu,
  type Shape,
  spectralNorm,
  spectralPenalty,
  uncontrolled,
} from "../../train.ts";
import type { CriticPenalty } from "./game.ts";

export type ArmName = keyof typeof CRITICS;

/** What an arm does to a critic; everything else is the same for all. */
export interface CriticArm {
  readonly title: string;
  readonly about: string;
  readonly control: Control;
  /** ReLU but for GroupSort. */
  readonly activation: () => Module;
  readonly penalty?: (critic: Module, shape: Shape) => CriticPenalty;
}

const CLIP = 0.1;
const SLOPE = 0.1;
const DECAY = 1e-3;
const SPECTRAL = 1e-2;

const stateless = { init: () => ({}), advance: () => ({}) };

const norm = (cap: number): CriticArm => ({
  title: `spectral norm, cap ${cap}`,
  about: `Every weight is divided by its largest singular value and multiplied by ${cap}.`,
  control: spectralNorm({ cap }),
  activation: relu,
});

/** The arms, by name. */
export const CRITICS = {
  none: { title: "none", about: "The weights as they are.", control: uncontrolled, activation: relu },
  clip: {
    title: "weight clipping",
    about: `Every entry of a weight is kept within ±${CLIP} (Arjovsky et al. 2017, whose ±0.01 found far fewer modes here).`,
    control: clipWeights({ limit: CLIP }),
    activation: relu,
  },
  gp: {
    title: "gradient penalty",
    about: `λ(‖∇critic‖ − 1)² at random points between real and generated ones, λ = ${SLOPE} (Gulrajani et al. 2017).`,
    control: uncontrolled,
    activation: relu,
    penalty: () => ({
      ...stateless,
      value: ({ score, real, fake, key }) =>
        gradientPenalty(score, real.ref, fake.ref, key.ref, { lambda: SLOPE }),
    }),
  },
  sn1: norm(1),
  sn2: norm(2),
  sn4: norm(4),
  bjorck: {
    title: "Björck, GroupSort",
    about: "Every singular value of every weight is 1, and MaxMin (GroupSort of pairs) instead of ReLU.",
    control: bjorck({ cap: 1 }),
    activation: maxMin,
  },
  decay: {
    title: "weight decay",
    about: `λ/2·‖W‖² of every weight is added to the critic's loss, λ = ${DECAY}.`,
    control: uncontrolled,
    activation: relu,
    penalty: (critic, shape) => ({
      ...stateless,
      value: ({ params }) => frobenius(critic.weights(shape), params, DECAY),
    }),
  },
  penalty: {
    title: "spectral penalty",
    about: `λ/2·σ₁² of every weight is added to the critic's loss, λ = ${SPECTRAL} (Yoshida & Miyato 2017).`,
    control: uncontrolled,
    activation: relu,
    penalty: (critic, shape) => {
      const term = spectralPenalty(critic.weights(shape), SPECTRAL);
      return {
        init: (params) => term.init(params, random.key(0)),
        advance: term.advance,
        value: ({ params, vectors }) => term.value(params, vectors),
      };
    },
  },
} as const satisfies Record<string, CriticArm>;
