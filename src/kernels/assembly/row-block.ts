export { addTiles, adjointBlock, applyBlock, packDense, packRows } from "./blocks";
export { axpy4, axpyAndDot4, dot4, gram, pass, scan } from "./rows";
export { realTile } from "./tile";
