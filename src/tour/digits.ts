import { DIGIT_PIXELS, type Digits } from "../digits/digits.ts";
import { proposed, shorten } from "../network/attack.ts";
import type { AttackSearch } from "../network/attack-search.ts";
import type { Network } from "../network/network.ts";
import type { FooledDigit, TourName } from "./schema.ts";

/** A network with what attacks it and what is certified of it. */
export interface Arm {
  readonly name: TourName;
  readonly network: Network;
  readonly search: AttackSearch;
  /** Of every test digit. */
  readonly radii: readonly number[];
}

/** A change this long can turn any picture into another digit. */
const FARTHEST = 8;
/** Each round looks for a shorter change than the one before. */
const ROUNDS = 4;
const CLOSER = 0.9;

/**
 * One test digit of each of the first `count` classes, the first that every network gets right, and for each network the
 * shortest change found that turns it.
 */
export async function fooledDigits(
  arms: readonly Arm[],
  test: Digits,
  count: number,
  attack: { readonly steps: number; readonly pause: () => Promise<void> },
): Promise<FooledDigit[]> {
  const chosen = chooseDigits(arms, test, count);
  const points = chosen.map((index) =>
    Float64Array.from(test.x.subarray(index * DIGIT_PIXELS, (index + 1) * DIGIT_PIXELS)),
  );
  const labels = chosen.map((index) => test.y[index]);
  const changes: (Change | null)[][] = [];
  for (const arm of arms) changes.push(await shortestChanges(arm, points, labels, attack));
  return chosen.map((index, i) => ({
    index,
    label: labels[i],
    pixels: points[i],
    turned: arms.map(({ name, radii }, a) => ({
      name,
      change: changes[a][i],
      certifiedRadius: radii[index],
    })),
  }));
}

function chooseDigits(arms: readonly Arm[], test: Digits, count: number): number[] {
  const rightEverywhere = (index: number) => arms.every(({ radii }) => radii[index] > 0);
  return Array.from({ length: count }, (_, label) =>
    test.y.findIndex((own, index) => own === label && rightEverywhere(index)),
  ).filter((index) => index >= 0);
}

type Change = { readonly pixels: Float64Array; readonly predicted: number; readonly distance: number };

async function shortestChanges(
  { network, search }: Arm,
  points: readonly Float64Array[],
  labels: readonly number[],
  { steps, pause }: { readonly steps: number; readonly pause: () => Promise<void> },
): Promise<(Change | null)[]> {
  const shortest: (Change | null)[] = points.map(() => null);
  for (let round = 0; round < ROUNDS; round++) {
    const targets = points.map((z, i) => {
      const distance = shortest[i]?.distance;
      return {
        z,
        label: labels[i],
        budget: distance === undefined ? FARTHEST : CLOSER * distance,
        seed: BigInt(i),
      };
    });
    const found = await search.find(targets, steps, pause);
    targets.forEach(({ z, label, budget }, i) => {
      const proposal = found[i];
      const adversarial = proposal && proposed(network, z, label, budget, proposal);
      if (!adversarial) return;
      const { point, predicted, distance } = shorten(network, z, label, adversarial);
      shortest[i] = { pixels: point, predicted, distance };
    });
  }
  return shortest;
}
