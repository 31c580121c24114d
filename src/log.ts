import { asNightjarError } from "./errors.ts";

/** What a line says besides. `level` and `event` are the line's own. */
type Fields = Record<string, string | number | boolean | null | undefined> & {
  level?: never;
  event?: never;
};

/** One line of JSON per event, as Workers Logs and `wrangler tail` index them. */
function write(level: "info" | "warn" | "error", event: string, fields: Fields): void {
  const line = { level, event };
  console[level](JSON.stringify({ ...line, ...fields, ...line }));
}

export const log = {
  info: (event: string, fields: Fields = {}) => write("info", event, fields),
  warn: (event: string, fields: Fields = {}) => write("warn", event, fields),

  /** An error that was caught, with its code and hint. */
  error(event: string, thrown: unknown, fields: Fields = {}): void {
    const error = asNightjarError(thrown);
    write("error", event, { ...fields, ...error.report() });
    if (error.code === "INTERNAL" && error.cause instanceof Error) console.error(error.cause.stack);
  },
};
