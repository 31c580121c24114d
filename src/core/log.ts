import { asNightjarError } from "../errors/errors.ts";
import type { EventOf } from "./events.ts";
import { printableJson } from "./printable.ts";

/** Further fields of a line. `level` and `event` are the line's own. */
type Fields = Record<string, string | number | boolean | null | undefined> & {
  level?: never;
  event?: never;
};

/**
 * One line of JSON per event, as Workers Logs and `wrangler tail` index them. `wrangler tail` and
 * `wrangler dev` show it on a terminal: it holds nothing that a terminal would obey.
 */
function write(level: "debug" | "info" | "warn" | "error", event: string, fields: Fields): void {
  const line = { level, event };
  console[level](printableJson({ ...line, ...fields, ...line }));
}

export const log = {
  /** True if debug lines are written: `LOG_LEVEL` decides, for the whole isolate. */
  debugs: false,
  /** @param fields called only if debug lines are written */
  debug(event: EventOf<"debug">, fields: () => Fields): void {
    if (this.debugs) write("debug", event, fields());
  },
  info: (event: EventOf<"info">, fields: Fields = {}) => write("info", event, fields),
  warn: (event: EventOf<"warn">, fields: Fields = {}) => write("warn", event, fields),

  /** An error that was caught, with its code and hint. */
  error(event: EventOf<"error">, thrown: unknown, fields: Fields = {}): void {
    const error = asNightjarError(thrown);
    const stack = error.code === "INTERNAL" && error.cause instanceof Error && error.cause.stack;
    write("error", event, { ...fields, ...error.report(), ...(stack && { stack }) });
  },
};
