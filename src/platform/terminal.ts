/** What a stream's reader can show. */
export interface Terminal {
  /** False for a file or a pipe. */
  readonly interactive: boolean;
  /** Characters per line. */
  readonly width: number;
  readonly color: boolean;
}

/** Line width where there is no terminal: what most logs and documents show. */
const DEFAULT_WIDTH = 100;

type Environment = Readonly<Record<string, string | undefined>>;

/** What a process's stream is connected to; `NO_COLOR`, `FORCE_COLOR`, `COLUMNS` and `TERM=dumb` are honoured. */
export function terminalOf(
  stream: { readonly isTTY?: boolean; readonly columns?: number },
  environment: Environment,
): Terminal {
  const interactive = stream.isTTY === true;
  const columns = Number(environment.COLUMNS);
  const width = stream.columns || (Number.isInteger(columns) && columns > 0 ? columns : DEFAULT_WIDTH);
  return { interactive, width, color: wantsColor(interactive, environment) };
}

/** https://no-color.org and https://force-color.org: set and not empty means yes. */
function wantsColor(interactive: boolean, environment: Environment): boolean {
  if (environment.NO_COLOR) return false;
  const forced = environment.FORCE_COLOR;
  if (forced !== undefined && forced !== "") return forced !== "0";
  return interactive && environment.TERM !== "dumb";
}
