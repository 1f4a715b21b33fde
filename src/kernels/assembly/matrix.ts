export { cholesky, panelRow, shiftTiles } from "./cholesky";
export { addGram, loadRows, storeRows, updateTiles } from "./gram";
export { realTile } from "./tile";
