import type { Chain } from "./eclipse-chain.ts";
import { backward, type Rows, type Trace } from "./eclipse-gradient.ts";
import type { Reach } from "./eclipse-reach.ts";
import { downstreamWeights, follow, type Rule, startRule } from "./eclipse-rules.ts";
import { passStage, stageProducts } from "./eclipse-step.ts";
import type { Objective } from "./lbfgs.ts";

/** What is wanted of the last reach: a merit to be made small, and its derivative by the reach. */
export type Merit = (reach: Reach) => { readonly value: number; derivative(): Rows } | null;

interface Passage {
  readonly reach: Reach;
  readonly traces: readonly Trace[];
}

/** The multipliers of all stages of a chain, as functions of one vector x; x = 0 is where the search starts. */
export class Multipliers {
  readonly #rules: readonly Rule[];
  readonly #count: number;

  private constructor(rules: readonly Rule[]) {
    this.#rules = rules;
    this.#count = rules.reduce((sum, { b }) => sum + b.length, 0);
  }

  /** Chooses the rules stage by stage; null where a factorisation fails. */
  static start(chain: Chain): Multipliers | null {
    const weights = downstreamWeights(chain.stages);
    const rules: Rule[] = [];
    const passage = pass(chain, (i, reach) => {
      const stage = chain.stages[i]!;
      const rule = startRule(stage, reach, weights[i]!);
      rules.push(rule);
      return { rule, x: new Float64Array(rule.b.length) };
    });
    return passage === null ? null : new Multipliers(rules);
  }

  get origin(): Float64Array {
    return new Float64Array(this.#count);
  }

  /** The proved reach of the chain's output; null where a factorisation fails. */
  reach(chain: Chain, x: Float64Array): Reach | null {
    return this.#pass(chain, x)?.reach ?? null;
  }

  /** The merit as a function of x. */
  objective(chain: Chain, merit: Merit): Objective {
    return (x) => {
      const passage = this.#pass(chain, x);
      const reached = passage === null ? null : merit(passage.reach);
      if (passage === null || reached === null || !Number.isFinite(reached.value)) return null;
      return {
        value: reached.value,
        slopes: () => backward(passage.traces, reached.derivative(), this.#count),
      };
    };
  }

  #pass(chain: Chain, x: Float64Array): Passage | null {
    let from = 0;
    return pass(chain, (i) => {
      const rule = this.#rules[i]!;
      const to = from + rule.b.length;
      const part = x.subarray(from, to);
      from = to;
      return { rule, x: part };
    });
  }
}

function pass(
  chain: Chain,
  choose: (stage: number, reach: Reach) => { readonly rule: Rule; readonly x: Float64Array },
): Passage | null {
  let reach = chain.first;
  const traces: Trace[] = [];
  for (const [i, stage] of chain.stages.entries()) {
    const { rule, x } = choose(i, reach);
    const { size, multipliers } = follow(rule, stage, reach, x);
    const products = i === 0 ? chain.products : stageProducts(stage, reach);
    const passed = passStage(stage, reach, products, multipliers);
    if (passed === null) return null;
    const scale = 2 ** (reach.exponent - passed.reach.exponent);
    traces.push({ stage, factor: passed.factor, size, z: rule.z, scale });
    reach = passed.reach;
  }
  return { reach, traces };
}
