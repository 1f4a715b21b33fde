import type { RowBlock } from "../../kernels/types.ts";
import { dense } from "../../linalg/dense.ts";
import { transpose } from "../../linalg/matrix.ts";
import type { LinearOperator } from "../../linalg/operator.ts";
import { directSum } from "../../linalg/operators.ts";
import { spectralNorm } from "../../linalg/spectral-norm.ts";
import type { LinearPart } from "./operation.ts";
import { densePart, heldBlock, matrixRowNorms, widened } from "./parts.ts";

/** How the vectors that one matrix acts on lie: one after another, or as the columns of a row-major matrix. */
export type Lie = "rows" | "columns";

/** Products of constant matrices with stretches of a signal. */
export interface MatrixProducts {
  /** Matrices of rows × cols, each row-major, one after another. */
  readonly matrices: Float64Array;
  readonly rows: number;
  readonly cols: number;
  /** For each product: which matrix, and where its argument begins in the signal. Results follow each other. */
  readonly uses: readonly { readonly matrix: number; readonly from: number }[];
  /** Vectors in each product. */
  readonly count: number;
  readonly arguments: Lie;
  readonly results: Lie;
  /** Length of the signal. */
  readonly size: number;
  /** Of each entry of a matrix: 0 for stored numbers, more where they were computed. */
  readonly roundings: number;
}

/** The products as one matrix acting on the signal; a single product with one vector is a plain dense matrix. */
export function productsPart(products: MatrixProducts): LinearPart {
  const { matrices, rows, cols, uses, count, size, roundings } = products;
  if (uses.length === 1 && count === 1 && size === cols && matrices.length === rows * cols) {
    return densePart(matrices, rows, cols, roundings);
  }
  const shared = mostUses(uses);
  let magnitude: LinearOperator | undefined;
  return {
    ...blockOperator(products, matrices),
    get magnitude() {
      magnitude ??= blockOperator(products, matrices.map(Math.abs));
      return magnitude;
    },
    roundings: Math.max(rows * shared, cols) + roundings,
    rowNorms: () => rowNorms(products),
    ...(shared === 1
      ? {
          norm: (options) => {
            const each = matricesOf(products).map((entries) => dense(entries, rows, cols));
            return widened(spectralNorm(directSum(each), options), matrices, roundings);
          },
        }
      : {}),
    ...(roundings === 0 ? { exactEntries: true as const } : {}),
  };
}

/** Products that the same stretch of the signal takes part in, at most. */
function mostUses(uses: MatrixProducts["uses"]): number {
  const counts = new Map<number, number>();
  for (const { from } of uses) counts.set(from, (counts.get(from) ?? 0) + 1);
  return Math.max(...counts.values());
}

function matricesOf({ matrices, rows, cols }: MatrixProducts, entries = matrices): Float64Array[] {
  const length = rows * cols;
  return Array.from({ length: entries.length / length }, (_, k) =>
    entries.subarray(k * length, (k + 1) * length),
  );
}

/** Vectors of `length` as a block's columns. */
function asColumns(x: Float64Array, lie: Lie, length: number, count: number): Float64Array {
  return lie === "columns" || count === 1 ? x : transpose(x, count, length);
}

/** A block's columns in the order in which they lie. */
function asLying(x: Float64Array, lie: Lie, length: number, count: number): Float64Array {
  return lie === "columns" || count === 1 ? x : transpose(x, length, count);
}

function blockOperator(products: MatrixProducts, entries: Float64Array): LinearOperator {
  const { rows, cols, uses, count, size } = products;
  const blocks: RowBlock[] = matricesOf(products, entries).map((m) => heldBlock(m, rows, cols));
  const [taken, given] = [cols * count, rows * count];
  const shared = mostUses(uses) > 1;
  return {
    rows: given * uses.length,
    cols: size,
    apply(x) {
      const y = new Float64Array(given * uses.length);
      const result = new Float64Array(given);
      uses.forEach(({ matrix, from }, u) => {
        const argument = asColumns(x.subarray(from, from + taken), products.arguments, cols, count);
        if (count === 1) blocks[matrix].apply(argument, result);
        else blocks[matrix].applyBlock(argument, count, result);
        y.set(asLying(result, products.results, rows, count), u * given);
      });
      return y;
    },
    adjoint(y) {
      const x = new Float64Array(size);
      const result = new Float64Array(taken);
      uses.forEach(({ matrix, from }, u) => {
        const argument = asColumns(y.subarray(u * given, (u + 1) * given), products.results, rows, count);
        if (count === 1) blocks[matrix].adjoint(argument, result);
        else blocks[matrix].adjointBlock(argument, count, result);
        const lying = asLying(result, products.arguments, cols, count);
        if (!shared) x.set(lying, from);
        else for (let i = 0; i < taken; i++) x[from + i] += lying[i];
      });
      return x;
    },
  };
}

function rowNorms({ matrices, rows, cols, uses, count, results, roundings }: MatrixProducts): Float64Array {
  const each = matrixRowNorms(matrices, matrices.length / cols, cols, roundings);
  const norms = new Float64Array(rows * count * uses.length);
  let at = 0;
  for (const { matrix } of uses) {
    for (let i = 0; i < rows * count; i++, at++) {
      norms[at] = each[matrix * rows + (results === "rows" ? i % rows : Math.floor(i / count))];
    }
  }
  return norms;
}
