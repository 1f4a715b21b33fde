export { adjointBlock, applyBlock, packDense, packRows } from "./blocks";
export { axpy4, dot4, pass, scan } from "./rows";
export { realTile } from "./tile";
