import { asNightjarError } from "./errors.ts";

type Fields = Record<string, string | number | boolean | null | undefined>;

/** One line of JSON per event, as Workers Logs and `wrangler tail` index them. */
function write(level: "info" | "warn" | "error", event: string, fields: Fields): void {
  console[level](JSON.stringify({ level, event, ...fields }));
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
