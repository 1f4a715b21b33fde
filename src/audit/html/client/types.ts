import type { LayerPanel } from "../charts/spectrum.ts";
import type { ColumnData } from "../table.ts";

/** What the page's script reads from its JSON block. */
export interface PageData {
  /** Name for files saved from the page, without extension. */
  readonly fileName: string;
  /** Columns of each sortable table, by its id. */
  readonly tables: Readonly<Record<string, readonly ColumnData[]>>;
  /** Panels of the layers, in the report's order; empty on an index page. */
  readonly panels: readonly LayerPanel[];
}
