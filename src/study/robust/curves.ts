import type { RadiiReport } from "../../audit/certify-schema.ts";

/** Over lengths of change: shares of the attacked points, which both curves are about. */
export interface RobustnessCurves {
  readonly epsilons: readonly number[];
  /** Proved: no change up to this length turns them. */
  readonly certified: readonly number[];
  /** Not turned by the attack within this length. The true share lies between the two. */
  readonly attacked: readonly number[];
}

/** @param epsilons up to the longest change that the attack looked for. */
export function robustnessCurves(
  { values, attacked }: Pick<RadiiReport, "values" | "attacked">,
  epsilons: readonly number[],
): RobustnessCurves {
  const share = (holds: (point: number) => boolean) =>
    attacked.filter((_, point) => holds(point)).length / attacked.length;
  return {
    epsilons,
    certified: epsilons.map((epsilon) => share((point) => values[point] > epsilon)),
    attacked: epsilons.map((epsilon) =>
      share((point) => attacked[point] === null || attacked[point] > epsilon),
    ),
  };
}
