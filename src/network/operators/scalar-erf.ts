/** From here on exp(−x²/2) is below 2⁻¹⁰⁷⁴. */
const NOTHING_LEFT = 40;

/** exp(factor·x²), factor −1 or −½, without the error that squaring x would put into the exponent. */
function expOfSquare(x: number, factor: number): number {
  if (Math.abs(x) >= NOTHING_LEFT) return 0;
  // The float32 nearest to x has an exact square; the rest of x² is small.
  const head = Math.fround(x);
  return Math.exp(factor * head * head) * Math.exp(factor * (x - head) * (x + head));
}

/**
 * Chebyshev coefficients of (1 + 2z)·exp(z²)·erfc(z) in t = (z − 3.75)/(z + 3.75), z ≥ 0 (the form of Shepherd &
 * Laframboise 1981, "Chebyshev approximation of (1 + 2x)exp(x²)erfc x"); computed to 50 digits. What is left out is
 * below 2⁻⁵⁸.
 */
const SCALED_ERFC = [
  2.3551578691348034, -0.004590054580646478, -0.08424913336651792, 0.05920993999819189, -0.026658668435305753,
  0.009074997670705265, -0.002413163540417608, 0.0004907758365258086, -6.916973302501207e-5,
  4.13902798607301e-6, 7.74038306619849e-7, -2.1886401049234397e-7, 1.076499946567091e-8,
  4.521959811218287e-9, -7.754400208831351e-10, -6.318088340886684e-11, 2.86879501093067e-11,
  1.9455868545777347e-13, -9.65469674843344e-13, 3.25254814814874e-14, 3.3478119482868056e-14,
  -1.864562880419313e-15, -1.2507950530688648e-15, 7.418235256624044e-17, 5.068148904796111e-17,
];

/** exp(z²)·erfc(z) for finite z ≥ 0, to a few ulps. */
function scaledErfc(z: number): number {
  const t = (z - 3.75) / (z + 3.75);
  let b = 0;
  let c = 0;
  for (let k = SCALED_ERFC.length - 1; k > 0; k--) {
    const next = 2 * t * b - c + SCALED_ERFC[k];
    c = b;
    b = next;
  }
  return (t * b - c + SCALED_ERFC[0] / 2) / (1 + 2 * z);
}

const SMALL_TERMS = 18;

/** (−1)ⁿ/(n!(2n + 1)), erf's power series without the factor 2/√π. */
const SMALL_ERF = Array.from({ length: SMALL_TERMS }, (_, n) => {
  let factorial = 1;
  for (let k = 2; k <= n; k++) factorial *= k;
  return (n % 2 === 0 ? 1 : -1) / (factorial * (2 * n + 1));
});

const TWO_OVER_ROOT_PI = 2 / Math.sqrt(Math.PI);

/** The error function for finite x, to a few ulps. */
export function erf(x: number): number {
  if (Math.abs(x) < 1) {
    const square = x * x;
    let sum = 0;
    for (let n = SMALL_TERMS - 1; n >= 0; n--) sum = sum * square + SMALL_ERF[n];
    return TWO_OVER_ROOT_PI * x * sum;
  }
  const tail = expOfSquare(x, -1) * scaledErfc(Math.abs(x));
  return x > 0 ? 1 - tail : tail - 1;
}

/** Its slope 2/√π·exp(−x²). */
export function erfSlope(x: number): number {
  return TWO_OVER_ROOT_PI * expOfSquare(x, -1);
}

/** The normal distribution function Φ for finite x, to a few ulps of itself in either tail. */
export function normal(x: number): number {
  const tail = 0.5 * normalTail(Math.abs(x));
  return x > 0 ? 1 - tail : tail;
}

/** erfc(x/√2) for x ≥ 0. */
function normalTail(x: number): number {
  return expOfSquare(x, -0.5) * scaledErfc(x * Math.SQRT1_2);
}

/** Its slope, the density exp(−x²/2)/√(2π). */
export function normalSlope(x: number): number {
  return (TWO_OVER_ROOT_PI / 2) * Math.SQRT1_2 * expOfSquare(x, -0.5);
}
