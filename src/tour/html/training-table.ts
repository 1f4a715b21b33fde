import type { TableColumn } from "../../audit/html/table.ts";
import type { Arm } from "./arms.ts";

/** Digits of exported series: they were computed in float32. */
const DIGITS = 7;
/** Of one network: more would outweigh the rest of the page. */
const MOST_STEPS = 2500;

/** One step of one network. */
export interface TrainingRow {
  readonly arm: Arm;
  readonly i: number;
}

/** The steps of every network; of very many, every so-manieth and the last. */
export function trainingRows(arms: readonly Arm[]): TrainingRow[] {
  return arms.flatMap((arm) => {
    const count = arm.training.steps.length;
    const each = Math.ceil(count / MOST_STEPS);
    const kept = Array.from(arm.training.steps.keys()).filter((i) => i % each === 0 || i === count - 1);
    return kept.map((i) => ({ arm, i }));
  });
}

/** Network, step, loss and σ₁ layer by layer: for CSV alone. */
export function trainingColumns(arms: readonly Arm[]): readonly TableColumn<TrainingRow>[] {
  const layers = Math.max(...arms.map(({ training }) => training.sigma.length));
  return [
    { title: "Network", value: ({ arm }) => arm.name },
    { title: "Step", value: ({ arm, i }) => arm.training.steps[i] },
    { title: "Loss", value: ({ arm, i }) => rounded(arm.training.loss[i]) },
    ...Array.from(
      { length: layers },
      (_, layer): TableColumn<TrainingRow> => ({
        title: `σ₁ of layer ${layer + 1}`,
        value: ({ arm, i }) => rounded(arm.training.sigma[layer]?.values[i]),
      }),
    ),
  ];
}

function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Number(value.toPrecision(DIGITS));
}
