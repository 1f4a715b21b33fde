/** An axis. Linear axes begin at 0 unless `low` is given or a value is below; log axes fit their values. */
export interface AxisSpec {
  readonly label: string;
  readonly scale?: "linear" | "log";
  readonly low?: number;
  readonly high?: number;
}

/** A curve of one run; points without a y are left out. */
export interface Curve {
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
}

/** The same quantity in several runs of an arm: thin lines, and their mean as a thick one where they share their x. */
export interface Line {
  /** The arm whose colour it has; null for a reference, which is dashed ink. */
  readonly arm: string | null;
  /** In the legend and on hover. Default: the arm's title. */
  readonly name?: string;
  readonly runs: readonly Curve[];
  readonly dashed?: boolean;
  /** Each value as a dot, joined by nothing and without a mean. */
  readonly dots?: boolean;
}

/** Curves in panels with the same axes. */
export interface LinesFigure {
  readonly kind: "lines";
  readonly x: AxisSpec;
  readonly y: AxisSpec;
  readonly panels: readonly { readonly title: string; readonly lines: readonly Line[] }[];
}

/** A number of every run as a dot, with its mean, for each arm in several groups. */
export interface DotsFigure {
  readonly kind: "dots";
  readonly y: AxisSpec;
  readonly panels: readonly {
    readonly title: string;
    readonly groups: readonly {
      readonly name: string;
      readonly values: readonly { readonly arm: string; readonly values: readonly (number | null)[] }[];
    }[];
  }[];
  /** Horizontal lines to compare with, such as a baseline. */
  readonly references?: readonly { readonly name: string; readonly value: number }[];
}

export type Point = readonly [x: number, y: number];

/** Points of the plane, one picture per frame; several frames are shown in turn. */
export interface PointsFigure {
  readonly kind: "points";
  /** The half-width of the square that is drawn, around 0. */
  readonly extent: number;
  readonly panels: readonly {
    readonly title: string;
    readonly note?: string;
    readonly arm: string;
    readonly targets: readonly Point[];
    readonly frames: readonly { readonly name: string; readonly points: readonly Point[] }[];
  }[];
}

/** Rows of pictures, each a data URI. */
export interface PicturesFigure {
  readonly kind: "pictures";
  readonly panels: readonly {
    readonly title: string;
    readonly note?: string;
    /** Pictures in a row. */
    readonly columns: number;
    readonly pictures: readonly string[];
  }[];
}

export type Figure = LinesFigure | DotsFigure | PointsFigure | PicturesFigure;
