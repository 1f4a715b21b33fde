import type { CertifyReport, ClassReport } from "../certify-schema.ts";
import { shareText } from "../certify-text.ts";
import { formatCount, formatLower } from "../format-number.ts";
import type { TableColumn } from "./table.ts";

/** A share and how many points it is of; null where there is nothing to be a share of. */
interface Share {
  readonly value: number;
  readonly of: number;
}

/** The shares at one ε; 0 is unchanged. */
export interface AccuracyTableRow {
  readonly epsilon: number;
  readonly certified: Share;
  /** Of the attacked points, where these are not all. */
  readonly certifiedSample: Share | null;
  readonly attacked: Share | null;
  /** Attacked points that are neither certified nor turned. */
  readonly open: Share | null;
}

export function accuracyTableRows(report: CertifyReport): AccuracyTableRow[] {
  const { points, clean, certified, attacked, attackedPoints: of, attackedSample, settings } = report;
  const row = (epsilon: number, share: number, sample: number, left: number): AccuracyTableRow => ({
    epsilon,
    certified: { value: share, of: points },
    certifiedSample: of === 0 || of === points ? null : { value: sample, of },
    attacked: of === 0 ? null : { value: left, of },
    open: of === 0 ? null : { value: left - sample, of },
  });
  const sampleClean = attackedSample?.clean ?? 0;
  return [
    row(0, clean, sampleClean, sampleClean),
    ...settings.epsilons.map((epsilon) => {
      const key = String(epsilon);
      return row(epsilon, certified[key], attackedSample?.certified[key] ?? 0, attacked[key] ?? 0);
    }),
  ];
}

const shareValue = (share: Share | null) => share?.value ?? null;
const textOf = (share: Share | null) => (share === null ? "–" : shareText(share.value, share.of));

export const ACCURACY_COLUMNS: readonly TableColumn<AccuracyTableRow>[] = [
  {
    title: "Change ≤",
    headsRow: true,
    value: ({ epsilon }) => epsilon,
    cell: ({ epsilon }) => (epsilon === 0 ? "0 (clean)" : String(epsilon)),
  },
  {
    title: "Certified",
    numeric: true,
    value: ({ certified }) => certified.value,
    cell: ({ certified }) => textOf(certified),
  },
  {
    title: "Certified of those attacked",
    numeric: true,
    value: ({ certifiedSample }) => shareValue(certifiedSample),
    cell: ({ certifiedSample }) => textOf(certifiedSample),
  },
  {
    title: "Attacked",
    numeric: true,
    value: ({ attacked }) => shareValue(attacked),
    cell: ({ attacked }) => textOf(attacked),
  },
  {
    title: "Open",
    numeric: true,
    value: ({ open }) => shareValue(open),
    cell: ({ open }) => textOf(open),
  },
];

const classShare = (value: number | null, of: number) => (value === null ? "–" : shareText(value, of));

/** More columns would not fit a screen; CSV has all. */
const MOST_EPSILONS = 6;

/** Points, clean and certified accuracy and the median radius of each class. */
export function classColumns(epsilons: readonly number[]): readonly TableColumn<ClassReport>[] {
  const certified = epsilons.map((epsilon, i): TableColumn<ClassReport> => {
    const value = (own: ClassReport) => own.certified[String(epsilon)];
    const cell = (own: ClassReport) => classShare(value(own), own.points);
    return { title: `Certified at ${epsilon}`, numeric: true, value, ...(i < MOST_EPSILONS ? { cell } : {}) };
  });
  return [
    { title: "Class", headsRow: true, value: ({ label }) => label, cell: ({ label }) => String(label) },
    {
      title: "Points",
      numeric: true,
      value: ({ points }) => points,
      cell: ({ points }) => formatCount(points),
    },
    {
      title: "Clean",
      numeric: true,
      value: ({ clean }) => clean,
      cell: ({ clean, points }) => classShare(clean, points),
    },
    ...certified,
    {
      title: "Median radius",
      numeric: true,
      value: ({ median }) => median,
      cell: ({ median }) => (median === null ? "–" : formatLower(median, 3)),
    },
  ];
}
